"""``charthouse bench fhir write``: creates and updates beside a bare loop that writes the same rows."""

from __future__ import annotations

import json
from typing import Annotated, Any

import orjson
import psycopg
import typer
from psycopg import sql

from charthouse.foundation.access.api import system_context
from charthouse.foundation.database.api import connection_info
from charthouse.foundation.database.scratch import scratch_database
from charthouse.foundation.ledger.api import Entry, Subject, as_row

from .filling import fill
from .site import InProcess, by_wire, milliseconds, new_token, observation, say, timed, web_server

#: The tables that one create of an Observation writes, without the ledger's, which are written by its function.
_TABLES = (
    "intake_message", "intake_original", "record_resource", "record_version", "record_index_token",
    "record_index_string", "record_index_date", "record_index_quantity", "record_index_reference",
    "record_text_due", "events_event",
)  # fmt: skip


def bench_write(
    writes: Annotated[int, typer.Option(min=50, help="How many of each kind.")] = 1_000,
) -> None:
    """Measure creates and updates in process and by wire, beside a loop over psycopg that inserts the rows of one
    create, row by row, and one entry of the ledger, and commits. In a database made for it and dropped."""
    with scratch_database("bench") as database:
        token = new_token()
        fill(100)
        asker = InProcess(token)
        say(f"Creating {writes:,} and updating them, in process")
        created = timed(lambda number: _made(asker, number), writes)
        updated = timed(lambda number: _updated(asker, number), writes)
        say("Inserting the same rows bare")
        bare = _bare(database, writes)
        with web_server() as server:
            say("Creating by wire, 4 connections and 16")

            def request(number: int) -> tuple[str, str, bytes]:
                return "POST", "/fhir/Observation", observation(number, 100)

            by_wire(server.port, token, 4, 50, request)
            four, _ = by_wire(server.port, token, 4, writes, request)
            sixteen, seconds = by_wire(server.port, token, 16, writes, request)
    ratio = milliseconds(created)["p50_ms"] / milliseconds(bare)["p50_ms"]
    print(
        json.dumps(
            {
                "bench": "fhir write",
                "writes": writes,
                "create": milliseconds(created),
                "update": milliseconds(updated),
                "bare_inserts": milliseconds(bare),
                "ratio_to_bare": round(ratio, 2),
                "wire_4": milliseconds(four),
                "wire_16": {**milliseconds(sixteen), "per_s": round(writes / seconds)},
            }
        )
    )


def _made(asker: InProcess, number: int) -> None:
    status, body = asker.ask("POST", "/fhir/Observation", observation(number, 100))
    if status != 201:
        raise RuntimeError(f"A create was answered with {status}: {body[:300]!r}")


def _updated(asker: InProcess, number: int) -> None:
    id = f"bench-o{number % 100}"
    body = orjson.loads(observation(number, 100)) | {"id": id, "note": [{"text": f"Turn {number}"}]}
    body["subject"] = {"reference": f"Patient/bench-{number % 100}"}
    status, told = asker.ask("PUT", f"/fhir/Observation/{id}", orjson.dumps(body))
    if status != 200:
        raise RuntimeError(f"An update was answered with {status}: {told[:300]!r}")


def _bare(database: str, times: int) -> list[float]:
    """The rows that the last create wrote, inserted again in tables alike and committed, so many times."""
    with psycopg.connect(connection_info(owner=True, dbname=database), autocommit=True) as connection:
        found = connection.execute(
            "SELECT v.message, v.resource FROM record_version v WHERE v.version = 1 ORDER BY v.message DESC LIMIT 1"
        ).fetchone()
        assert found is not None
        message, resource = found
        statements: list[tuple[sql.Composed, list[tuple[Any, ...]]]] = []
        for table in _TABLES:
            rows = _rows_of(connection, table, message, resource)
            if not rows:
                continue
            copy = sql.Identifier(f"bare_{table}")
            connection.execute(
                sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING STORAGE)").format(copy, sql.Identifier(table))
            )
            _index_alike(connection, table, f"bare_{table}")
            marks = sql.SQL(", ").join([sql.Placeholder()] * len(rows[0]))
            statements.append((sql.SQL("INSERT INTO {} VALUES ({})").format(copy, marks), rows))
        entry = as_row(
            Entry(system_context("bench"), "bench.write", subjects=[Subject("resource", "Observation/1")])
        )

        def write(number: int) -> None:
            with connection.transaction(), connection.cursor() as cursor:
                for statement, rows in statements:
                    cursor.executemany(statement, rows)
                cursor.execute("SELECT ledger_append(%s, false)", [entry])

        return timed(write, times)


def _rows_of(connection: psycopg.Connection[Any], table: str, message: int, resource: int) -> list[tuple[Any, ...]]:
    """The rows of a table that one create wrote."""
    column, value = {
        "intake_message": ("id", message),
        "intake_original": ("message", message),
        "record_resource": ("id", resource),
        "events_event": ("payload->>'message'", str(message)),
    }.get(table, ("resource", resource))
    columns = sql.SQL(", ").join(
        sql.Identifier(name)
        for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum",
            [table],
        )
    )
    where = sql.SQL(column) if "->" in column else sql.Identifier(column)
    query = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(columns, sql.Identifier(table), where)
    cursor = connection.cursor(binary=False)
    cursor.execute(query, [value])
    return [tuple(map(_plain, row)) for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


def _index_alike(connection: psycopg.Connection[Any], table: str, copy: str) -> None:
    """As many btree indexes on the copy as the table has, over the same columns, none of them unique."""
    for (definition,) in connection.execute(
        "SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = %s::regclass", [table]
    ).fetchall():
        _, _, columns = str(definition).partition(" USING ")
        connection.execute(sql.SQL("CREATE INDEX ON {} USING {}").format(sql.Identifier(copy), sql.SQL(columns)))
