"""A record to measure the API in: filed as the API files, many resources in one transaction."""

from __future__ import annotations

import orjson
from django.db import connection, transaction

from charthouse.foundation.access.api import system_context
from charthouse.intake.api import Write, write_resources

from .site import observation, patient

_CHUNK = 1_000
CTX = system_context("bench")


def fill(resources: int, versions: int = 0, id: str = "", patients: int = 200) -> None:
    """File patients and observations; with ``versions`` one more observation, ``id``, of as many versions."""
    _file([Write("Patient", f"bench-{number}", orjson.dumps(patient(number)), b"") for number in range(patients)])
    for start in range(0, resources, _CHUNK):
        _file(
            [
                Write("Observation", f"bench-o{number}", observation(number, patients), b"")
                for number in range(start, min(start + _CHUNK, resources))
            ]
        )
    for number in range(versions):
        content = (
            observation(number, 1)
            .replace(b"bench-o%d" % number, id.encode())
            .replace(b"Invented", b"Version %d" % number)
        )
        _file([Write("Observation", id, content, b"")])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _file(writes: list[Write]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        write_resources(cursor, CTX, "bench", writes, action="bench.fill")
