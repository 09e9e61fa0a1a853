"""One person arrives at a large index: from the resource to the commit, everything included."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice, repeat
from random import Random
from typing import Annotated, Any

import orjson
import psycopg
import typer
from django.db import connection, transaction

from charthouse.foundation.database.api import connection_info
from charthouse.foundation.database.measuring import DropIt, Keep, Use, bench_database
from charthouse.foundation.ids import new_id
from charthouse.foundation.spreading import spread
from charthouse.identity.actions.place_patients import Arrival, place
from charthouse.identity.domain.prepared import prepare
from charthouse.identity.store import LinkEvent, Writing, write
from charthouse.identity.store import Row as IndexRow

from .population import Noise, Row, copy, people

_AT_ONCE = 1_000


def bench_online(
    size: Annotated[int, typer.Option(min=1_000, help="How many persons the index has.")] = 1_000_000,
    clients: Annotated[int, typer.Option(min=1, max=64, help="How many arrive at once, afterwards.")] = 8,
    arrivals: Annotated[int, typer.Option(min=100, help="How many arrive, by one client and by all.")] = 3_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same people.")] = 1,
    before: Annotated[
        int,
        typer.Option(
            min=1, help="How many arrive unmeasured before, as on a site that has been at work for a while."
        ),
    ] = 200,
    keep: Keep = "",
    use: Use = "",
    drop_it: DropIt = False,
) -> None:
    """Time one arriving person after another: read, looked up, compared, decided, written, committed.

    Half are known under another number, half are new. One line of JSON.
    """
    with bench_database("identity", keep=keep, use=use, drop_it=drop_it):
        begun = time.perf_counter()
        if not use:
            _fill(size, seed)
        filled = time.perf_counter() - begun
        size, first = _stands()
        some = list(islice(_arriving(size, seed, 1, first), before + arrivals))
        _arrive(some[:before], first)
        times = sorted(_arrive(some[before:], first + before))
        connection.close()
        shares = [
            (
                list(islice(_arriving(size, seed, 2 + client, first), arrivals // clients)),
                first + (client + 1) * 1_000_000,
            )
            for client in range(clients)
        ]
        begun = time.perf_counter()
        with multiprocessing.get_context("fork").Pool(clients) as pool:
            everybody = sorted(each for part in pool.starmap(_arrive, shares) for each in part)
        seconds = time.perf_counter() - begun
    figures = {
        "bench": "identity online",
        "size": size,
        "fill_seconds": round(filled, 1),
        **_percentiles("", times),
        "clients": clients,
        "per_second": round(len(everybody) / seconds, 1),
        **_percentiles("clients_", everybody),
    }
    print(orjson.dumps(figures).decode())


def _percentiles(prefix: str, times: list[float]) -> dict[str, float]:
    return {
        f"{prefix}p{share}_ms": round(1000 * times[min(len(times) - 1, len(times) * share // 100)], 2)
        for share in (50, 95, 99)
    }


#: Indexes to which each entry of a new person goes at another place.
_SCATTERED = ("identity_key_pkey", "identity_identifier_number", "identity_name_word", "identity_birth")


def _fill(size: int, seed: int) -> None:
    """Write the index as it is after ``size`` persons came, without matching them with each other; by a process for
    each processor."""
    shares = os.cpu_count() or 1
    with _made_afterwards(_SCATTERED):
        for _ in spread(partial(_fill_share, size, seed, shares), range(shares)):
            pass
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@contextmanager
def _made_afterwards(names: Sequence[str]) -> Iterator[None]:
    """Indexes are not there during the block, and made again in one go at its end: a tenth of the work."""
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        found = owner.execute(
            "SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text, i.indisprimary, "
            "pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indexrelid::regclass::text = ANY(%s)",
            [list(names)],
        ).fetchall()
        for name, table, primary, _ in found:
            owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}" if primary else f"DROP INDEX {name}")
    yield
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        owner.execute("SET maintenance_work_mem = '1GB'")
        for name, table, primary, definition in found:
            owner.execute(definition)
            if primary:
                owner.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {name}")


def _fill_share(size: int, seed: int, shares: int, share: int) -> None:
    """Write every ``shares``-th thousand of the people, beginning with that of number ``share``."""
    rows = enumerate(people(size, seed), start=1)
    thousand = 0
    while some := list(islice(rows, _AT_ONCE)):
        if thousand % shares == share:
            _write_all(some)
        thousand += 1


def _write_all(some: Iterable[tuple[int, Row]]) -> None:
    writing = Writing()
    for number, row in some:
        made = prepare(patient_of(row), source=1, labels=0)
        person = new_id()
        writing.persons.append(person)
        writing.rows[number] = IndexRow(number, f"bench-{number}", 1, person, made, made.keys())
        writing.events.append(LinkEvent(number, None, person, "new", "system:bench", "Nobody like this is known."))
    with transaction.atomic():
        write(writing)


def _stands() -> tuple[int, int]:
    """How many persons there are, and the first number that no source patient has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), (SELECT max(patient) + 1 FROM identity_source_patient) FROM identity_person"
        )
        persons, first = cursor.fetchone()
    return persons, first


def _arriving(size: int, seed: int, client: int, first: int) -> Iterator[Row]:
    """Those who arrive by one client, other people in each measurement of one index: it goes on with ``first``."""
    random = Random(f"{seed}/{client}/{first}")  # noqa: S311 - people made up, the same each time
    noise = Noise()
    known = (mine for _ in repeat(None) for mine in islice(people(size, seed), random.randrange(11), None, 11))
    for mine, new in zip(known, people(1_000_000, seed + 1000 * first + client), strict=False):
        yield copy(random, mine, noise)
        yield new


def _arrive(rows: list[Row], first: int) -> list[float]:
    """Seconds of each arrival in a transaction of its own."""
    times = []
    for number, row in enumerate(rows, start=first):
        patient = patient_of(row)
        begun = time.perf_counter()
        with transaction.atomic():
            place([Arrival(number, f"bench-{number}", 2, patient, new=True)])
        times.append(time.perf_counter() - begun)
    connection.close()
    return times


def patient_of(row: Row) -> dict[str, Any]:
    """A made-up row as a FHIR Patient."""
    name: dict[str, Any] = {"family": row.family, "given": [part for part in (row.given, row.middle) if part]}
    if row.suffix:
        name["suffix"] = [row.suffix]
    patient: dict[str, Any] = {"resourceType": "Patient", "name": [name]}
    if row.birth:
        patient["birthDate"] = row.birth
    if row.sex:
        patient["gender"] = "male" if row.sex == "M" else "female"
    if row.ssn:
        patient["identifier"] = [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": row.ssn}]
    telecom = [{"system": "phone", "value": row.phone}] if row.phone else []
    if row.email:
        telecom.append({"system": "email", "value": row.email})
    if telecom:
        patient["telecom"] = telecom
    if row.street or row.postal:
        line = f"{row.number} {row.street}" + (f" Apt {row.unit}" if row.unit else "")
        patient["address"] = [{"line": [line], "city": row.city, "state": row.state, "postalCode": row.postal}]
    if row.order:
        patient["multipleBirthInteger"] = int(row.order)
    return patient
