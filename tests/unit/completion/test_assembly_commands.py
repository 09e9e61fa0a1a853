"""Assembly from the command line: pieces counted, a code mapped and unmapped, a chart written to a file."""

from __future__ import annotations

from pathlib import Path

import orjson
from typer.testing import CliRunner

from charthouse.completion.api import mappings
from charthouse.web.commands.completion import app
from tests.support.readers import pages

from .test_classification import ODD, follow
from .visits import TECHNICIAN, attachment, coded, document, encounter, found, patient, send


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output


def test_codes_are_counted_and_mapped_and_a_chart_is_written(db: None, tmp_path: Path) -> None:
    send(
        patient(), encounter(), document("a", coded("ZX-17", ODD, "Sheet A")),
        document("w", {"text": "Words of a patient"}), document("zip", coded("11506-3", text="Odd file"),
                                                                attachment(b"PK..", "application/zip")),
    )  # fmt: skip
    follow()
    code, said = run("pieces", "--unclassified")
    assert code == 0 and "ZX-17" in said and "nobody knows what 2 are" in said
    assert "Words of a patient" not in said
    counted = orjson.loads(run("pieces", "--format", "json")[1])
    assert counted["pieces"] == {"": 2, "progress-note": 1}
    assert {"sender": "EHR|MERCY", "system": ODD, "code": "ZX-17", "documents": 1} in counted["unclassified"]
    assert run("map", "ZX-17", "nonsense")[0] == 1
    assert run("map", "ZX-17", "nursing-note", "--system", ODD) == (
        0,
        "Mapped. 1 documents carry the code; 1 changed.\n",
    )
    (line,) = mappings(TECHNICIAN)
    assert "ZX-17" in run("mapped")[1] and run("mapped", "--end", str(line.id))[0] == 0
    assert run("mapped", "--end", str(line.id))[0] == 1
    _, _, id = found()
    out = tmp_path / "chart.pdf"
    code, said = run("chart", id, "--out", str(out))
    assert code == 1 and "Odd file" in said and not out.exists()
    assert run("chart", id, "--out", str(out), "--without")[0] == 0
    assert "Sheet A" in " ".join(pages(out.read_bytes())) and out.stat().st_mode & 0o077 == 0
    assert run("chart", id, "--out", str(out))[0] == 2
    assert run("chart", "nowhere", "--out", str(tmp_path / "other.pdf"))[0] == 1
