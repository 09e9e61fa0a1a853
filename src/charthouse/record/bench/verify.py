"""Measure ``charthouse record verify`` over a record of any size, in a database of its own."""

from __future__ import annotations

import json
import resource as limits
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
import typer
from django.db import connection, transaction

from charthouse.foundation.database.scratch import scratch_database
from charthouse.record.actions.file_resources import file_resources
from charthouse.record.domain.filing import Filing, prepare
from charthouse.record.verifying import verify

_BATCH = 2_000
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = (
    "The patient was seen with a cough of two weeks and no fever. The chest is clear on both sides. "
    "Rest and fluids were advised; to come back when it is worse. "
)


def bench_verify(
    versions: Annotated[int, typer.Option(min=100, help="How many versions to file and to prove.")] = 1_000_000,
    each: Annotated[int, typer.Option(min=1, max=100, help="How many versions each document has.")] = 2,
    processes: Annotated[int | None, typer.Option(min=1, max=64, help="How many processes prove at once.")] = None,
) -> None:
    """Prove versions of documents of 2 kB, half of them signed; the last line is JSON."""
    with scratch_database("verify"):
        typer.echo(f"filing {versions} versions …", err=True)
        started = time.perf_counter()
        _file(versions, each)
        filing = time.perf_counter() - started
        typer.echo("proving them …", err=True)
        before = time.process_time()
        report = verify(processes=processes)
        spent = time.process_time() - before
    if not report.is_whole:
        raise RuntimeError(f"The record does not verify: {report.findings[0].sentence}")
    children = limits.getrusage(limits.RUSAGE_CHILDREN)
    typer.echo(
        json.dumps(
            {
                "versions": report.versions,
                "signatures": report.signatures,
                "filed_per_s": round(report.versions / filing),
                "seconds": round(report.seconds, 2),
                "versions_per_s": round(report.versions / report.seconds),
                "processes": report.processes,
                "cpu_seconds": round(spent + children.ru_utime + children.ru_stime, 2),
                "peak_mb": round(max(limits.getrusage(limits.RUSAGE_SELF).ru_maxrss, children.ru_maxrss) / 1024),
            }
        )
    )


def _file(versions: int, each: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        file_resources(cursor, [_ready({"resourceType": "Patient", "id": "bench"}, 1)], _BEGAN)
    documents = max(1, versions // each)
    for number in range(each):
        at = _BEGAN + timedelta(minutes=number)
        for start in range(0, documents, _BATCH):
            filings = [
                _ready(_document(place, number), number + 1)
                for place in range(start, min(start + _BATCH, documents))
            ]
            with transaction.atomic(), connection.cursor() as cursor:
                file_resources(cursor, filings, at)


def _ready(resource: dict[str, Any], message: int) -> Filing:
    content = orjson.dumps(resource)
    filing = prepare(resource, content)
    filing.source, filing.message, filing.original = 1, message, message
    return filing


def _document(place: int, number: int) -> dict[str, Any]:
    signed = bool(place % 2)
    said: dict[str, Any] = {"docStatus": "final", "authenticator": {"display": f"Dr. {place % 97}"}}
    return {
        "resourceType": "DocumentReference",
        "id": f"bench-{place}",
        "status": "current",
        **(said if signed else {}),
        "subject": {"reference": "Patient/bench"},
        "date": (_BEGAN + timedelta(minutes=place)).isoformat(),
        "description": f"Note {place}, as of {number}. " + _WORDS * 10,
        "content": [{"attachment": {"contentType": "text/plain", "title": "Note"}}],
    }
