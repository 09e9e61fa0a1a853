"""``charthouse bench intake``: the whole path beside a COPY of every row it wrote."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import psycopg
import typer
from psycopg import sql
from rich.console import Console

from charthouse.foundation.database.api import connection_info
from charthouse.foundation.database.scratch import scratch_database
from charthouse.intake.commands import found_files
from charthouse.intake.parallel import FileReport, take_in_files

_CHUNK = 8 << 20
_MIGRATED = ("django_migrations", "django_content_type", "auth_permission")


def bench_intake(
    path: Annotated[Path, typer.Argument(help="A file or folder with FHIR or HL7 v2.")],
    processes: Annotated[int | None, typer.Option(min=1, help="How many processes; default one a core.")] = None,
    files: Annotated[int | None, typer.Option(min=1, help="Only so many files, for a quick look.")] = None,
) -> None:
    """Measure the whole path (kept, parsed, validated, identified, filed, indexed, logged, committed) beside a
    pre-rendered COPY of every row it wrote: one connection, same tables, indexes and durability. Decompression is
    in neither. Everything happens in databases made for it and dropped."""
    console = Console(stderr=True)
    found = found_files([path])[:files]
    if not found:
        typer.echo(f"{path} holds no file.", err=True)
        raise typer.Exit(2)
    with TemporaryDirectory(prefix="charthouse-bench-") as folder:
        console.print(f"Decompressing {len(found)} files")
        plain = [_plain(each, Path(folder)) for each in found]
        with scratch_database("bench") as written:
            _settle()
            console.print("Taking in")
            coming = take_in_files(plain, sender="bench", processes=processes)  # the processes are there now
            used, began = _processor_seconds(), time.perf_counter()
            reports = list(coming)
            seconds = time.perf_counter() - began
            used = _processor_seconds() - used
            resources = sum(sum(each.outcomes.values()) for each in reports)
            console.print(f"  {resources:,} resources in {seconds:.1f} s")
            console.print("Taking in the same again")
            again = list(take_in_files(plain, sender="bench", processes=processes))
            repeated = Counter[str]()
            for each in again:
                repeated.update(each.outcomes)
            with TemporaryDirectory(prefix="charthouse-copy-") as dump:
                tables = _render(written, Path(dump))
                with scratch_database("copy") as copied:
                    _settle()
                    console.print("Copying every row")
                    copy_seconds = sum(_copy(copied, table) for table in tables)
    peak = max((each.peak_bytes for each in reports), default=0)
    _report(console, reports)
    print(
        json.dumps(
            {
                "bench": "intake",
                "files": len(found),
                "resources": resources,
                "seconds": round(seconds, 2),
                "resources_per_s": round(resources / seconds, 1),
                "processor_seconds": round(used, 2),
                "copy_seconds": round(copy_seconds, 2),
                "copy_rows": sum(table.rows for table in tables),
                "ratio_to_copy": round(copy_seconds / seconds, 3),
                "peak_mb": round(peak / 1e6, 1),
                "unfiled": sum(len(each.problems) for each in reports),
                "refiled": sum(repeated.values()),
                "duplicates": sum(each.duplicates for each in again),
            }
        )
    )


def _processor_seconds() -> float:
    """Of this process and of those it has waited for; PostgreSQL's is not among them."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _plain(path: Path, folder: Path) -> Path:
    from charthouse.exchange.fhir.api import open_stream

    target = folder / f"{path.name}.plain"
    with open_stream(path) as stream, target.open("wb") as out:
        while chunk := stream.read(_CHUNK):
            out.write(chunk)
    return target


def _settle() -> None:
    """Begin each measurement alike: nothing left to write back."""
    with psycopg.connect(connection_info(owner=True), autocommit=True) as connection:
        try:
            connection.execute("CHECKPOINT")
        except psycopg.errors.InsufficientPrivilege:
            pass


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    columns: tuple[str, ...]
    path: Path
    rows: int


def _render(database: str, folder: Path) -> list[_Table]:
    """Every row the path wrote, as binary COPY data in files."""
    tables = []
    with psycopg.connect(connection_info(owner=True, dbname=database)) as connection:
        names = connection.execute(
            "SELECT c.oid::regclass::text, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1"
        ).fetchall()
        for _, name in names:
            if name in _MIGRATED:
                continue
            columns = tuple(
                each
                for (each,) in connection.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
                    "AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
                    [name],
                )
            )
            count = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
            if not count or not count[0]:
                continue
            path = folder / name
            fields = sql.SQL(", ").join(map(sql.Identifier, columns))
            query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT BINARY)").format(
                fields, sql.Identifier(name)
            )
            with path.open("wb") as out, connection.cursor().copy(query) as copy:
                for block in copy:
                    out.write(block)
            tables.append(_Table(name, columns, path, count[0]))
    return tables


def _copy(database: str, table: _Table) -> float:
    """Seconds to COPY one table's rows in and commit. The file is read beforehand."""
    data = table.path.read_bytes()
    with psycopg.connect(connection_info(owner=True, dbname=database)) as connection:
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name))) if _seeded(
            connection, table.name
        ) else None
        connection.commit()
        query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
        )
        began = time.perf_counter()
        with connection.cursor().copy(query) as copy:
            view = memoryview(data)
            for start in range(0, len(view), _CHUNK):
                copy.write(view[start : start + _CHUNK])
        connection.commit()
        return time.perf_counter() - began


def _seeded(connection: psycopg.Connection[Any], table: str) -> bool:
    """Whether migrations put rows there, which the copied ones would collide with."""
    found = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table))).fetchone()
    return bool(found and found[0])


def _report(console: Console, reports: list[FileReport]) -> None:
    types = Counter[str]()
    for each in reports:
        types.update(each.types)
    console.print(", ".join(f"{count:,} {name}" for name, count in types.most_common()))
