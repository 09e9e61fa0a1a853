"""``charthouse bench fhir check``: the second tier over Synthea's bundles, as the worker does it and bare."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Annotated

import orjson
import typer

from charthouse.exchange.fhir.api import open_stream
from charthouse.exchange.fhir.conformance.api import check
from charthouse.fhir.actions.check_resources import settle_findings
from charthouse.fhir.consumers import CHECKING
from charthouse.fhir.models import Finding
from charthouse.foundation.database.scratch import scratch_database
from charthouse.foundation.events import api as events
from charthouse.intake.api import Connector, take_in

from .site import say


def bench_check(
    path: Annotated[Path, typer.Argument(help="A folder with FHIR bundles; those named 0-… go first.")],
    files: Annotated[int | None, typer.Option(min=1, help="Only so many, for a quick look.")] = None,
) -> None:
    """Measure how fast what was filed is checked: reading it, checking it, keeping what was found; and the checking
    alone. Filing it is measured too, to set the one beside the other. In a database made for it and dropped."""
    found = sorted(each for each in path.iterdir() if ".json" in each.name)
    if not found:
        typer.echo(f"{path} holds no bundle.", err=True)
        raise typer.Exit(2)
    bundles = [_read(each) for each in found if each.name.startswith("0-")]
    bundles += [_read(each) for each in found if not each.name.startswith("0-")][:files]
    resources = [entry["resource"] for each in bundles for entry in orjson.loads(each)["entry"]]
    say(f"Filing {len(resources):,} resources")
    with scratch_database("bench"):
        used = time.process_time()
        for each in bundles:
            list(take_in(io.BytesIO(each), connector=Connector.FILES, sender="bench"))
        filing = time.process_time() - used
        say("Checking them as the worker does")
        began, used = time.perf_counter(), time.process_time()
        events.drain(CHECKING)
        checking, checking_used = time.perf_counter() - began, time.process_time() - used
        began = time.perf_counter()
        settle_findings()
        settling = time.perf_counter() - began
        kept = Finding.objects.count()
    say("The checking alone")
    used = time.process_time()
    for resource in resources:
        check(resource)
    alone = time.process_time() - used
    print(
        json.dumps(
            {
                "bench": "fhir check",
                "resources": len(resources),
                "seconds": round(checking, 2),
                "resources_per_s": round(len(resources) / checking, 1),
                "processor_seconds": round(checking_used, 2),
                "share_of_filing": round(checking_used / filing, 3),
                "checking_alone_per_s": round(len(resources) / alone, 1),
                "settling_ms": round(settling * 1000, 1),
                "findings": kept,
            }
        )
    )


def _read(path: Path) -> bytes:
    with open_stream(path) as stream:
        return stream.read()
