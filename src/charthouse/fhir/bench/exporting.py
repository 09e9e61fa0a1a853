"""``charthouse bench fhir export``: a bulk export beside a COPY to a file, in the same run: of the same contents as
they are kept, compressed, and of the very bytes that the export writes."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import psutil
import psycopg
import typer
from django.db import connection

from charthouse.fhir.access.api import Client, context_of
from charthouse.fhir.actions.ask_for_export import ask_for_export
from charthouse.fhir.actions.end_exports import destroy_files
from charthouse.fhir.actions.manage_clients import NewClient, add_token
from charthouse.fhir.actions.run_export import run_export
from charthouse.fhir.domain.export_asks import ExportAsk, Level
from charthouse.fhir.domain.scopes import kept_scopes
from charthouse.fhir.models import ApiClient, ExportFile
from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.database.api import connection_info
from charthouse.foundation.database.measuring import DropIt, Keep, Use, bench_database
from charthouse.foundation.files.api import open_stream
from charthouse.record.preparing import TYPE_ID, compress, decompress

from .filling import fill
from .site import Processor, say

#: Resources filed as the API files them; the others are their copies, which differ in their ids alone.
_FILED, _PATIENTS = 20_000, 2_000
_OBSERVATION = TYPE_ID["Observation"]


def bench_export(
    resources: Annotated[int, typer.Option(min=1_000, help="How many resources.")] = 1_000_000,
    keep: Keep = "",
    use: Use = "",
    drop_it: DropIt = False,
) -> None:
    """Export everything, and COPY the same contents to a file; both in resources a second, and the memory used."""
    with bench_database("fhir", keep=keep, use=use, drop_it=drop_it):
        if not use:
            say(f"Filling {resources:,} resources …")
            _fill(resources)
        client = _client()
        say("COPY to a file …")
        copy_seconds, copied, copied_bytes = _copy(_KEPT)
        say("Export …")
        processor = Processor()
        id = ask_for_export(client, Level.SYSTEM, ExportAsk(), "bench")
        with _memory() as memory:
            began, cpu = time.perf_counter(), time.process_time()
            before = processor.used()[1]
            done = run_export(id, lambda *_: None)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            server_cpu = processor.used()[1] - before
        files = list(ExportFile.objects.filter(export=id))
        began = time.perf_counter()
        given = sum(len(piece) for file in files for piece in open_stream(file.file))
        fetch_seconds = time.perf_counter() - began
        say("COPY of what the export wrote …")
        _keep_lines([file.file for file in files])
        lines_seconds, lines, _ = _copy("SELECT line FROM lines")
        destroy_files(id, "It was measured.")
        rate, copy_rate, lines_rate = (
            done["resources"] / seconds,
            copied / copy_seconds,
            lines / lines_seconds,
        )
        print(
            json.dumps(
                {
                    "bench": "fhir export",
                    "resources": done["resources"],
                    "files": len(files),
                    "bytes": given,
                    "seconds": round(seconds, 2),
                    "cpu_seconds": round(cpu, 2),
                    "per_second": round(rate),
                    "server_cpu_seconds": round(server_cpu, 2),
                    "copy_seconds": round(copy_seconds, 2),
                    "copy_bytes": copied_bytes,
                    "copy_per_second": round(copy_rate),
                    "of_copy": round(rate / copy_rate, 2),
                    "copy_of_lines_per_second": round(lines_rate),
                    "of_copy_of_lines": round(rate / lines_rate, 2),
                    "fetch_mb_per_second": round(given / fetch_seconds / 1e6),
                    **memory,
                }
            )
        )


def _client() -> Client:
    name = f"bench {secrets.token_hex(4)}"
    add_token(system_context("bench"), NewClient(name, "system/*.rs", Role.HIT))
    made = ApiClient.objects.get(name=name)
    ctx = context_of(made.pk, made.name, made.role, made.purpose)
    return Client(made.client_id, made.pk, made.name, "", kept_scopes(made.scopes), ctx)


def _fill(resources: int) -> None:
    fill(min(resources, _FILED), patients=min(resources, _PATIENTS))
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT count(*) FROM record_resource WHERE type = %s", [_OBSERVATION])
            if (wanting := resources - cursor.fetchone()[0]) <= 0:
                break
            _make_copies(cursor, min(wanting, _FILED))
            for table, key, new in (
                ("record_resource", "id", {"id": "c.id", "public_id": "'copy-' || c.id"}),
                ("record_version", "resource", {"resource": "c.id", "content": "c.content"}),
            ):
                columns = _columns(cursor, table)
                given = ", ".join(new.get(name, f"r.{name}") for name in columns)
                cursor.execute(
                    f"INSERT INTO {table} ({', '.join(columns)}) SELECT {given} FROM {table} r "  # noqa: S608
                    f"JOIN copies c ON c.old = r.{key} WHERE r.type = %s",
                    [_OBSERVATION],
                )
            cursor.execute("DROP TABLE copies")
    # The application may not: on a site the database's own upkeep does it.
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE record_resource, record_version")


def _make_copies(cursor: Any, most: int) -> None:
    """A table of the first observations' rows, new rows for them, and their contents with ids of their own: no two
    files of the export are to be the same."""
    cursor.execute("CREATE TEMP TABLE copies (old bigint, id bigint, content bytea)")
    cursor.execute(
        "SELECT r.id, r.public_id, nextval('record_resource_id'), v.content FROM record_resource r "
        "JOIN record_version v ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
        "WHERE r.type = %s AND v.type = %s ORDER BY r.id LIMIT %s",
        [_OBSERVATION, _OBSERVATION, most],
    )
    made = []
    for old, public_id, id, content in cursor.fetchall():
        text = decompress(content).replace(b'"id":"%b"' % public_id.encode(), b'"id":"copy-%d"' % id, 1)
        made.append((old, id, compress(text)))
    with (
        psycopg.Cursor(connection.connection) as plain,
        plain.copy("COPY copies FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.set_types(["int8", "int8", "bytea"])
        for row in made:
            copy.write_row(row)


def _columns(cursor: Any, table: str) -> list[str]:
    cursor.execute(f"SELECT * FROM {table} LIMIT 0")  # noqa: S608
    return [column.name for column in cursor.description]


#: Every content as it is kept.
_KEPT = (
    "SELECT v.content FROM record_resource r JOIN record_version v ON v.type = r.type AND v.resource = r.id "
    "AND v.version = r.version"
)


def _copy(statement: str) -> tuple[float, int, int]:
    """Seconds until a COPY of what a statement selects is in a file on the disk, as an export's files are; how many
    rows and bytes it has."""
    connection.ensure_connection()
    began = time.perf_counter()
    with tempfile.TemporaryFile() as target, psycopg.Cursor(connection.connection) as cursor:
        with cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)".encode()) as copy:
            for piece in copy:
                target.write(piece)
        target.flush()
        os.fsync(target.fileno())
        return time.perf_counter() - began, cursor.rowcount, target.tell()


def _keep_lines(files: Sequence[UUID]) -> None:
    """The lines of files as rows of a table of their own, uncompressed."""
    streams = [open_stream(file) for file in files]  # found before the connection is busy with copying
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE lines (line bytea)")
        cursor.execute("ALTER TABLE lines ALTER line SET STORAGE EXTERNAL")
    with (
        psycopg.Cursor(connection.connection) as plain,
        plain.copy("COPY lines FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.set_types(["bytea"])
        for stream in streams:
            rest = b""
            for piece in stream:
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    copy.write_row((line + b"\n",))


@contextmanager
def _memory() -> Iterator[dict[str, float]]:
    """The memory of this process while the block runs, in MB: after its first second, and at most."""
    found: dict[str, float] = {}
    process, stop = psutil.Process(), threading.Event()

    def watch() -> None:
        stop.wait(1)
        first = most = process.memory_info().rss
        while not stop.wait(0.1):
            most = max(most, process.memory_info().rss)
        found.update(memory_mb=round(first / 1e6), most_memory_mb=round(most / 1e6))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
