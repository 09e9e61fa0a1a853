"""``charthouse bench fhir read``: GET by id beside a bare Django view that authenticates, reads the row and inserts
one row of the ledger, through the same middleware."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from charthouse.fhir.access.api import authenticate
from charthouse.foundation.access.by_token import by_token
from charthouse.foundation.database.scratch import scratch_database
from charthouse.foundation.ledger.api import Subject, append_read
from charthouse.record.api import TYPE_ID, decompress

from .filling import fill
from .site import InProcess, Processor, by_wire, milliseconds, new_token, say, timed, web_server

_VERSIONS = "bench-versions"


def _bare(request: HttpRequest, id: str) -> HttpResponse:
    """The least that a read can be."""
    client = authenticate(request)
    if client is None:
        return HttpResponse(status=401)
    number = TYPE_ID["Observation"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT v.content FROM record_resource r JOIN record_version v ON v.type = r.type "
            "AND v.resource = r.id AND v.version = r.version "
            "WHERE r.type = %s AND v.type = %s AND r.public_id = %s",
            [number, number, id],
        )
        found = cursor.fetchone()
    append_read(client.ctx, "bench.read", subjects=[Subject("resource", f"Observation/{id}")])
    return HttpResponse(decompress(found[0]), content_type="application/fhir+json")


urlpatterns = [
    path("bare/<str:id>", by_token(_bare)),
    path("fhir", include("charthouse.fhir.urls")),
]


def bench_read(
    resources: Annotated[int, typer.Option(min=100, help="How many resources there are.")] = 20_000,
    reads: Annotated[int, typer.Option(min=100, help="How many reads are measured of each kind.")] = 4_000,
    versions: Annotated[int, typer.Option(min=1, help="How many versions one of them has.")] = 10_000,
) -> None:
    """Measure GET by id: in process beside the bare view, by wire at 4 and 16 connections, and of a resource with
    many versions. Everything happens in a database made for it and dropped."""
    with scratch_database("bench"):
        token = new_token()
        say(f"Filing {resources:,} resources, and one with {versions:,} versions")
        fill(resources, versions, _VERSIONS)
        before, settings.ROOT_URLCONF = settings.ROOT_URLCONF, __name__
        try:
            asker = InProcess(token)
            say(f"Reading {reads:,} times in process, each beside the bare view")
            ours: list[float] = []
            bare: list[float] = []
            many: list[float] = []
            processor = Processor()
            used = {"ours": 0.0, "bare": 0.0}
            # In turns, so that what else the machine does falls on all alike.
            for start in range(0, reads, 100):
                wanted = [f"bench-o{(start + number) * 7919 % resources}" for number in range(100)]
                used["ours"] += processor.milliseconds(
                    lambda: ours.extend(_read(asker, [f"/fhir/Observation/{id}" for id in wanted]))  # noqa: B023
                )
                used["bare"] += processor.milliseconds(
                    lambda: bare.extend(_read(asker, [f"/bare/{id}" for id in wanted]))  # noqa: B023
                )
                many += _read(asker, [f"/fhir/Observation/{_VERSIONS}"] * 100)
        finally:
            settings.ROOT_URLCONF = before
        with web_server() as server:

            def request(number: int) -> tuple[str, str, bytes]:
                return "GET", f"/fhir/Observation/bench-o{number * 7919 % resources}", b""

            say("Reading by wire, 4 connections and 16")
            by_wire(server.port, token, 4, 400, request)
            begun = server.used()
            four, four_seconds = by_wire(server.port, token, 4, reads, request)
            between = server.used()
            sixteen, seconds = by_wire(server.port, token, 16, reads, request)
            served = {4: between - begun, 16: server.used() - between}
    ratio = milliseconds(ours)["p50_ms"] / milliseconds(bare)["p50_ms"]
    print(
        json.dumps(
            {
                "bench": "fhir read",
                "resources": resources,
                "reads": reads,
                "in_process": milliseconds(ours),
                "bare_view": milliseconds(bare),
                "ratio_to_bare": round(ratio, 3),
                "processor_ms": round(used["ours"] / len(ours), 3),
                "bare_processor_ms": round(used["bare"] / len(bare), 3),
                "processor_ratio": round(used["ours"] / used["bare"], 3),
                "many_versions": {"versions": versions, **milliseconds(many)},
                "wire_4": _told(four, four_seconds, served[4]),
                "wire_16": _told(sixteen, seconds, served[16]),
            }
        )
    )


def _told(taken: Sequence[float], seconds: float, served: float) -> dict[str, float]:
    """What reading by wire took; ``served`` is the processor time of the server and its database."""
    return {
        **milliseconds(taken),
        "per_s": round(len(taken) / seconds),
        "server_processor_ms": round(served / len(taken) * 1e3, 3),
    }


def _read(asker: InProcess, paths: Sequence[str]) -> list[float]:
    """The seconds of each read. Raises RuntimeError for an answer that is not 200."""

    def read(number: int) -> None:
        status, _ = asker.ask("GET", paths[number])
        if status != 200:
            raise RuntimeError(f"{paths[number]} was answered with {status}.")

    return timed(read, len(paths))
