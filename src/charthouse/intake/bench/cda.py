"""``charthouse bench cda``: documents converted to FHIR in a second, beside the package ccda-to-fhir."""

from __future__ import annotations

import json
import subprocess
import tempfile
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
#: The two are measured in turn so many times, so that a machine that slows down slows both.
_ROUNDS = 5
#: What the other package's own Python is asked: what it can read, and at each line it is sent, each document timed
#: by itself; every answer is one JSON line.
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
try:
    from importlib.metadata import version
    named = version("ccda-to-fhir")
except Exception:
    named = "unknown"
print(json.dumps({"version": named, "faults": faults}), flush=True)
limit = float(sys.argv[1]) / max(1, len(read))
for line in sys.stdin:
    seconds = {}
    for path in read:
        best, began, times = None, time.perf_counter(), 0
        while times < 1 or (time.perf_counter() - began < limit and times < 20):
            start = time.process_time()
            convert_document(texts[path])
            spent = time.process_time() - start
            best = spent if best is None else min(best, spent)
            times += 1
        seconds[path] = best
    print(json.dumps(seconds), flush=True)
"""


def bench_cda(
    path: Annotated[Path, typer.Argument(help="A document, or a folder of them.")],
    beside: Annotated[
        Path | None,
        typer.Option(help="A Python that has ccda-to-fhir installed; without it only ours is measured."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help=f"About how long each side is measured, {_ROUNDS} times in turn.")
    ] = _SECONDS,
) -> None:
    """Measure the conversion to FHIR, checked by the schema, one document after the other in one process, the
    cycle collector at rest as it is while filing: processor time, the best of several. The other package runs in a
    Python of its own, its collector at rest too, and the two in turn. Writing the resources as JSON is in neither's
    time."""
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
        ours[name] = float("inf")
    other = _Other(beside, [str(each) for each in documents], seconds) if beside is not None else None
    for _ in range(_ROUNDS):
        for name in ours:
            ours[name] = min(ours[name], _best(contents[name], seconds / max(1, len(ours))))
        if other is not None:
            other.measure()
    if other is not None:
        other.close()
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
    if other is not None:
        both = sorted(set(ours) & set(other.seconds))
        mine, theirs = [ours[each] for each in both], [other.seconds[each] for each in both]
        line |= {
            "beside": f"ccda-to-fhir {other.version}",
            "beside_read": len(other.seconds),
            "beside_documents_per_s": _rate(other.seconds.values()),
            "both": len(both),
            "both_documents_per_s": _rate(mine),
            "both_beside_documents_per_s": _rate(theirs),
            "times_as_fast": round(sum(theirs) / sum(mine), 1) if both else None,
        }
        for name, fault in other.faults.items():
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


class _Other:
    """The other package in its own Python. Exits where that has none."""

    def __init__(self, python: Path, documents: Sequence[str], seconds: float) -> None:
        self._python = python
        # Not a pipe, which would fill and stand still where it has much to say.
        self._faults = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the other
        self._process = subprocess.Popen(
            [str(python), "-c", _OTHER, str(seconds), *documents],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._faults,
            text=True,
        )
        told = self._answer()
        self.version: str = told["version"]
        self.faults: dict[str, str] = told["faults"]
        #: The least processor time of each document it can read.
        self.seconds: dict[str, float] = {}

    def measure(self) -> None:
        """One round more."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        for path, spent in self._answer().items():
            self.seconds[path] = min(spent, self.seconds.get(path, spent))

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()
        self._faults.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._faults.seek(0)
            said = self._faults.read().strip().splitlines()[-1:]
            typer.echo(f"{self._python} cannot run ccda-to-fhir: {said}", err=True)
            raise typer.Exit(2)
        found: dict[str, Any] = json.loads(line)
        return found
