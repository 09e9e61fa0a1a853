"""Measuring the ledger: eight writers, then sealing and verifying what they wrote, in a database of its own.

Beside it, in the same run, the same rows go into plain tables with the same indexes, without lanes, function or
partitions. Sizes are the caller's; believe a figure only from a quiet machine.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg

from charthouse.foundation.access.api import AccessContext, Purpose, Role
from charthouse.foundation.database.api import connection_info
from charthouse.foundation.database.scratch import scratch_database

from .entries import Entry, Subject
from .heads import Heads
from .sealing import seal_once
from .verification import verify
from .writing import _row

#: A twelfth of the entries is written one a transaction, as requests do; the rest in batches, as intake does.
_SINGLES = 12
_BATCH = 200

_BARE = """
CREATE TABLE bench_entry (LIKE ledger_entry);
CREATE INDEX ON bench_entry (lane, seq, at);
CREATE INDEX ON bench_entry (at, lane, seq);
CREATE INDEX ON bench_entry (actor, at, lane, seq);
CREATE TABLE bench_subject (LIKE ledger_subject);
CREATE INDEX ON bench_subject (kind, subject_id, at, lane, seq);
GRANT INSERT ON bench_entry, bench_subject TO PUBLIC;
"""
_BARE_INSERT = """
WITH entered AS (
  INSERT INTO bench_entry VALUES (%s, %s, clock_timestamp(), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
)
INSERT INTO bench_subject VALUES (%s, %s, now(), %s, %s), (%s, %s, now(), %s, %s)
"""


def bench_ledger(entries: int, writers: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Write, seal and verify ``entries`` entries and answer the figures.

    ``entries_per_s`` is of single entries, each durable in a transaction of its own; ``batched_entries_per_s`` of
    batches of 200; ``bare_inserts_per_s`` of the same single rows in plain tables.
    """
    singles = entries // _SINGLES
    with _database() as name:
        conninfo = connection_info(dbname=name)
        with psycopg.connect(connection_info(owner=True, dbname=name), autocommit=True) as owner:
            owner.execute(_BARE)
        say(f"{writers} writers, {singles} rows into plain tables …")
        bare = _rate(singles, writers, conninfo, _write_bare)
        say(f"{writers} writers, {singles} entries, one a transaction …")
        single = _rate(singles, writers, conninfo, _write_singles)
        rest = entries - singles // writers * writers
        say(f"{writers} writers, {rest} entries in batches of {_BATCH} …")
        batched = _rate(rest, writers, conninfo, _write_batches)
        say("sealing …")
        started = time.perf_counter()
        sealed = 0
        while count := seal_once():
            sealed += count
        sealing = time.perf_counter() - started
        say(f"verifying {sealed} entries …")
        report = verify()
        if not report.is_whole or report.checked != sealed:
            raise RuntimeError(f"The ledger does not verify: {report.first}")
    return {
        "entries": sealed,
        "writers": writers,
        "entries_per_s": round(single),
        "batched_entries_per_s": round(batched),
        "bare_inserts_per_s": round(bare),
        "ratio_to_bare": round(single / bare, 3),
        "sealed_per_s": round(sealed / sealing),
        "verify_per_s": round(report.checked / report.seconds),
        "verify_seconds": round(report.seconds, 2),
    }


@contextmanager
def _database() -> Iterator[str]:
    """A scratch database, removed afterwards with its heads."""
    with scratch_database("bench") as name:
        yield name
        heads = Heads.of_this_site().folder
        for path in [*heads.glob("*.jsonl"), heads / ".lock"]:
            path.unlink(missing_ok=True)
        heads.rmdir()


def _rate(count: int, writers: int, conninfo: str, write: Callable[[str, int, Any], None]) -> float:
    """Entries a second of all writers together, connections made before the clock starts."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(writers + 1)
    processes = [
        context.Process(target=write, args=(conninfo, count // writers, ready), daemon=True) for _ in range(writers)
    ]
    for process in processes:
        process.start()
    ready.wait(120)
    started = time.perf_counter()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - started
    if any(process.exitcode for process in processes):
        raise RuntimeError("A writer failed; its error is above.")
    return count // writers * writers / seconds


def _entry(number: int) -> dict[str, Any]:
    ctx = AccessContext(
        f"user:{os.getpid() % 500}",
        "Ada Example",
        frozenset({Role.HIT}),
        Purpose.OPERATIONS,
        session="0f8fad5bd9cb469fa165",
        remote="192.0.2.17",
    )
    subjects = (
        Subject("patient", f"0193a0b0-1111-7222-8333-{number % 100_000:012d}"),
        Subject("person", str(number)),
    )
    return _row(Entry(ctx, "chart.read", subjects=subjects, detail={"part": "results", "rows": number % 90}))


def _write_singles(conninfo: str, count: int, ready: Any) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        ready.wait()
        for number in range(count):
            connection.execute("SELECT ledger_append(%s, false)", (orjson.dumps([_entry(number)]).decode(),))


def _write_batches(conninfo: str, count: int, ready: Any) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        ready.wait()
        for start in range(0, count, _BATCH):
            batch = [_entry(number) for number in range(start, min(start + _BATCH, count))]
            connection.execute("SELECT ledger_append(%s, false)", (orjson.dumps(batch).decode(),))


def _write_bare(conninfo: str, count: int, ready: Any) -> None:
    lane = os.getpid() % 32
    with psycopg.connect(conninfo, autocommit=True) as connection:
        ready.wait()
        for number in range(count):
            row = _entry(number)
            (one, two) = (subject.partition("/") for subject in row["subjects"])
            connection.execute(
                _BARE_INSERT,
                (
                    lane,
                    number,
                    row["actor"],
                    row["actor_name"],
                    row["roles"],
                    row["purpose"],
                    row["action"],
                    row["outcome"],
                    row["session"],
                    row["remote"],
                    row["subjects"],
                    orjson.dumps(row["detail"]).decode(),
                    *(one[0], one[2], lane, number),
                    *(two[0], two[2], lane, number),
                ),
            )
