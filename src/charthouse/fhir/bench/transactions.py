"""``charthouse bench fhir transaction``: Synthea's bundles as transactions, and the same taken in by intake."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Annotated

import orjson
import typer

from charthouse.exchange.fhir.api import open_stream
from charthouse.foundation.database.scratch import scratch_database
from charthouse.intake.api import Connector, take_in

from .site import InProcess, new_token, say


def bench_transaction(
    path: Annotated[Path, typer.Argument(help="A folder with FHIR transaction bundles; those named 0-… go first.")],
    files: Annotated[int | None, typer.Option(min=1, help="Only so many, for a quick look.")] = None,
) -> None:
    """Measure transactions, one after another in this process, beside intake's own way with the same files,
    likewise. Decompression is in neither. In databases made for it and dropped."""
    found = sorted(each for each in path.iterdir() if ".json" in each.name)
    if not found:
        typer.echo(f"{path} holds no bundle.", err=True)
        raise typer.Exit(2)
    shared = [_read(each) for each in found if each.name.startswith("0-")]
    bundles = [_read(each) for each in found if not each.name.startswith("0-")][:files]
    resources = sum(len(orjson.loads(each)["entry"]) for each in bundles)
    say(f"{resources:,} resources in {len(bundles)} bundles, by intake")
    with scratch_database("bench"):
        for each in shared:
            list(take_in(io.BytesIO(each), connector=Connector.FILES, sender="bench"))
        began, used = time.perf_counter(), time.process_time()
        for each in bundles:
            list(take_in(io.BytesIO(each), connector=Connector.FILES, sender="bench"))
        intake, intake_used = time.perf_counter() - began, time.process_time() - used
    say("The same as transactions")
    with scratch_database("bench"):
        asker = InProcess(new_token())
        for each in shared:
            _send(asker, each)
        began, used = time.perf_counter(), time.process_time()
        for each in bundles:
            _send(asker, each)
        rest, rest_used = time.perf_counter() - began, time.process_time() - used
    print(
        json.dumps(
            {
                "bench": "fhir transaction",
                "bundles": len(bundles),
                "resources": resources,
                "seconds": round(rest, 2),
                "resources_per_s": round(resources / rest, 1),
                "processor_seconds": round(rest_used, 2),
                "intake_seconds": round(intake, 2),
                "intake_resources_per_s": round(resources / intake, 1),
                "intake_processor_seconds": round(intake_used, 2),
                "ratio_to_intake": round(intake / rest, 3),
            }
        )
    )


def _read(path: Path) -> bytes:
    with open_stream(path) as stream:
        return stream.read()


def _send(asker: InProcess, bundle: bytes) -> None:
    status, body = asker.ask("POST", "/fhir", bundle)
    if status != 200:
        raise RuntimeError(f"A transaction was answered with {status}: {body[:500]!r}")
