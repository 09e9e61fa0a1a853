"""``charthouse bench cda``: documents converted to FHIR in a second, beside the package ccda-to-fhir."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from charthouse.exchange.cda.api import CdaError, is_cda, to_fhir
from charthouse.foundation.ids import named_text
from charthouse.foundation.memory import without_collection
from charthouse.intake.commands import found_files

_ZONE = ZoneInfo("America/Chicago")
_SECONDS = 3.0
#: What the other package's own Python is asked: each document by itself, timed; one JSON line.
_OTHER = r"""
import gc, json, logging, sys, time
gc.disable()
logging.disable(logging.CRITICAL)
from ccda_to_fhir import convert_document
texts = {path: open(path, "rb").read().decode("utf-8", "replace").lstrip("\ufeff") for path in sys.argv[2:]}
read, faults = [], {}
for path, text in texts.items():
    try:
        found = convert_document(text)
        bundle = found["bundle"] if isinstance(found, dict) and "bundle" in found else found
        json.dumps(bundle, default=str)
        read.append(path)
    except Exception as error:
        faults[path] = type(error).__name__
seconds = {}
limit = float(sys.argv[1])
for path in read:
    best, began, times = None, time.perf_counter(), 0
    while times < 1 or (time.perf_counter() - began < limit / max(1, len(read)) and times < 20):
        start = time.process_time()
        convert_document(texts[path])
        spent = time.process_time() - start
        best = spent if best is None else min(best, spent)
        times += 1
    seconds[path] = best
try:
    from importlib.metadata import version
    named = version("ccda-to-fhir")
except Exception:
    named = "unknown"
print(json.dumps({"version": named, "seconds": seconds, "faults": faults}))
"""


def bench_cda(
    path: Annotated[Path, typer.Argument(help="A document, or a folder of them.")],
    beside: Annotated[
        Path | None,
        typer.Option(help="A Python that has ccda-to-fhir installed; without it only ours is measured."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="About how long each side is measured.")] = _SECONDS,
) -> None:
    """Measure the conversion to FHIR, checked by the schema, one document after the other in one process, the
    cycle collector at rest as it is while filing: processor time, the best of several. The other package runs in a
    Python of its own, its collector at rest too. Writing the resources as JSON is in neither's time."""
    console = Console(stderr=True)
    documents = [each for each in found_files([path]) if is_cda(each.read_bytes()[:200])]
    contents = {str(each): each.read_bytes() for each in documents}
    refused: dict[str, str] = {}
    ours: dict[str, float] = {}
    sections: dict[str, int] = {}
    resources = 0
    for name, data in contents.items():
        try:
            found = to_fhir(data, zone=_ZONE, mint=_mint)
        except CdaError as error:
            refused[name] = str(error)
            continue
        resources += len(found.drafts)
        for section in found.sections:
            sections[section.outcome] = sections.get(section.outcome, 0) + 1
        ours[name] = _best(data, seconds / max(1, len(contents)))
    for name, reason in refused.items():
        console.print(f"{Path(name).name}: {reason}", markup=False)
    line: dict[str, Any] = {
        "bench": "cda",
        "documents": len(contents),
        "bytes": sum(map(len, contents.values())),
        "read": len(ours),
        "refused": len(refused),
        "resources": resources,
        "sections": dict(sorted(sections.items())),
        "documents_per_s": _rate(ours.values()),
    }
    if beside is not None:
        other = _other(beside, [str(each) for each in documents], seconds)
        both = sorted(set(ours) & set(other["seconds"]))
        mine, theirs = [ours[each] for each in both], [other["seconds"][each] for each in both]
        line |= {
            "beside": f"ccda-to-fhir {other['version']}",
            "beside_read": len(other["seconds"]),
            "beside_documents_per_s": _rate(other["seconds"].values()),
            "both": len(both),
            "both_documents_per_s": _rate(mine),
            "both_beside_documents_per_s": _rate(theirs),
            "times_as_fast": round(sum(theirs) / sum(mine), 1) if both else None,
        }
        for name, fault in other["faults"].items():
            console.print(f"ccda-to-fhir, {Path(name).name}: {fault}", markup=False)
    print(json.dumps(line))


def _mint(kind: str, key: str) -> str:
    return named_text("bench", kind, key)


def _best(data: bytes, limit: float) -> float:
    """The least processor time of several conversions, in seconds."""
    best, began, times = float("inf"), time.perf_counter(), 0
    while times < 3 or (time.perf_counter() - began < limit and times < 200):
        start = time.process_time()
        with without_collection():
            to_fhir(data, zone=_ZONE, mint=_mint)
        best = min(best, time.process_time() - start)
        times += 1
    return best


def _rate(seconds: Any) -> float:
    spent = list(seconds)
    return round(len(spent) / sum(spent), 1) if spent else 0.0


def _other(python: Path, documents: Sequence[str], seconds: float) -> dict[str, Any]:
    """What the other package says, by its own Python. Exits where it has none."""
    done = subprocess.run(
        [str(python), "-c", _OTHER, str(seconds), *documents], capture_output=True, text=True, check=False
    )
    if done.returncode:
        typer.echo(f"{python} cannot run ccda-to-fhir: {done.stderr.strip().splitlines()[-1:]}", err=True)
        raise typer.Exit(2)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
