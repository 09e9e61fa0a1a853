"""``charthouse bench fhir search``: searches in a full record beside the same found by hand-written SQL, in one
run.

The records are invented and filed as intake files them, without what comes before: messages and the patient index.
"""
# ruff: noqa: S608 (no value stands in the text of a statement)

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import psycopg
import typer
from django.db import connection, transaction

from charthouse.exchange.fhir.api import default_extractor, fold
from charthouse.foundation.bootstrap import configure_django
from charthouse.foundation.clock import wall
from charthouse.foundation.database.api import connection_info
from charthouse.foundation.database.measuring import DropIt, Keep, Use, bench_database
from charthouse.record.api import TYPE_ID, decompress, file_resources, prepare
from charthouse.record.preparing import target_hash, token_hash

from .site import InProcess, Json, Processor, milliseconds, new_token, say

#: What each search has to stay under, in ms, for 95 of 100.
LIMIT = 10.0
_PER_PATIENT, _CHUNK = 20, 4_000
#: Searches of each kind that come first and are not told of.
_UNTOLD = 10
_CODES = ("718-7", "2951-2", "2823-3", "2160-0", "8867-4", "29463-7", "8302-2", "8480-6", "8462-4", "1742-6")
_FAMILIES = 5_000
_TABLES = (
    "record_resource",
    "record_version",
    *(f"record_index_{each}" for each in ("token", "string", "date", "quantity", "reference")),
)


def _family(number: int) -> str:
    """One of many invented names, as different at their beginnings as names are."""
    vowels, consonants = "aeiou", "bcdfghklmnprstvw"
    name, rest = "", number * 7919 % _FAMILIES + _FAMILIES
    while rest:
        rest, at = divmod(rest, len(consonants))
        rest, vowel = divmod(rest, len(vowels))
        name += consonants[at] + vowels[vowel]
    return name.capitalize()


def _of_patient(number: int, seed: int) -> Iterator[Json]:
    """An invented patient with a visit, results and a problem: :data:`_PER_PATIENT` resources."""
    pick = random.Random(seed * 1_000_003 + number)  # noqa: S311
    subject = {"reference": f"Patient/bench-{number}"}
    yield {
        "resourceType": "Patient",
        "id": f"bench-{number}",
        "identifier": [{"system": "urn:bench:mrn", "value": str(10_000_000 + number)}],
        "name": [{"family": _family(number), "given": [_family(pick.randrange(_FAMILIES))]}],
        "gender": pick.choice(("male", "female")),
        "birthDate": f"{pick.randrange(1925, 2020)}-{pick.randrange(1, 13):02}-{pick.randrange(1, 29):02}",
        "address": [{"line": [f"{number} Long Street"], "city": "Springfield"}],
    }
    day = f"{pick.randrange(2016, 2026)}-{pick.randrange(1, 13):02}-{pick.randrange(1, 29):02}"
    visit = {"reference": f"Encounter/bench-{number}-e"}
    yield {
        "resourceType": "Encounter",
        "id": f"bench-{number}-e",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": subject,
        "period": {"start": f"{day}T09:00:00Z", "end": f"{day}T09:40:00Z"},
    }
    yield {
        "resourceType": "Condition",
        "id": f"bench-{number}-c",
        "subject": subject,
        "encounter": visit,
        "code": {"coding": [{"system": "urn:bench:problems", "code": str(pick.randrange(2_000))}]},
        "onsetDateTime": day,
    }
    for turn in range(_PER_PATIENT - 3):
        yield {
            "resourceType": "Observation",
            "id": f"bench-{number}-o{turn}",
            "status": "final",
            "category": [{"coding": [{"system": "urn:bench:category", "code": pick.choice("abc")}]}],
            "code": {
                "coding": [{"system": "http://loinc.org", "code": pick.choice(_CODES), "display": "A measurement"}]
            },
            "subject": subject,
            "encounter": visit,
            "performer": [{"reference": f"Practitioner/bench-{pick.randrange(2_000)}"}],
            "effectiveDateTime": f"{day}T09:{turn + 10}:00Z",
            "valueQuantity": {"value": round(pick.uniform(1, 99), 1), "unit": "mg"},
        }


def _file(first: int, count: int, seed: int) -> int:
    """File the resources of some patients in one transaction; how many there were."""
    filings = [
        prepare(resource, orjson.dumps(resource))
        for number in range(first, first + count)
        for resource in _of_patient(number, seed)
    ]
    for number, filing in enumerate(filings):
        filing.source, filing.message, filing.original = 1, 1, number + 1
    with transaction.atomic(), connection.cursor() as cursor:
        file_resources(cursor, filings, wall())
    return len(filings)


def _fill(resources: int, seed: int) -> int:
    """File so many resources, by two processes; how many patients there are."""
    patients, step = max(resources // _PER_PATIENT, 10), _CHUNK // _PER_PATIENT
    starts = range(0, patients, step)
    if patients <= 2 * step:
        for start in starts:
            _file(start, min(step, patients - start), seed)
    else:
        pool = ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=configure_django)
        try:
            jobs = [pool.submit(_file, start, min(step, patients - start), seed) for start in starts]
            done = 0
            for number, job in enumerate(jobs, start=1):
                done += job.result()
                if number % 25 == 0:
                    say(f"{done:,} filed")
        finally:
            pool.shutdown(cancel_futures=True)
    # The application may not, and autovacuum would come sooner or later. Of the record only: what is still empty,
    # such as disclosures, would be taken for empty while it fills.
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        for table in _TABLES:
            owner.execute(f"VACUUM ANALYZE {table}".encode())
    return patients


def _patients() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record_resource WHERE type = %s", [TYPE_ID["Patient"]])
        return int(cursor.fetchone()[0])


def _warm() -> None:
    """Read the record's tables and the keys of their indexes once: what was just copied in is not in PostgreSQL's
    memory before it is read, as it is on a site that runs."""
    say("Reading everything once")
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        owner.execute("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off")
        for table in _TABLES:
            owner.execute(f"SELECT count(*), sum(type) FROM {table}".encode())
        owner.execute("RESET ALL; SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off")
        for table in _TABLES:
            for (keys,) in owner.execute(
                "SELECT substring(pg_get_indexdef(indexrelid) FROM 'USING btree \\(([^()]*)\\)$') FROM pg_index "
                "WHERE indrelid = %s::regclass",
                [table],
            ).fetchall():
                if keys is not None:
                    names = ", ".join(key.split()[0] for key in keys.split(", "))
                    owner.execute(f"SELECT {names} FROM {table} ORDER BY {keys} OFFSET 1000000000".encode())


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of search: its address by a number, and the same by hand."""

    name: str
    address: Callable[[int], str]
    bare: Callable[[int], tuple[str, Sequence[Any]]]


_CONTENT = (
    "SELECT r.public_id, v.version, v.filed_at, v.content FROM {} JOIN record_version v "
    "ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
)
_JOINED = (
    "{table} x JOIN record_resource r ON r.type = x.type AND r.id = x.resource AND r.version = x.version "
    "AND r.state <> 1"
)


def _by_row(
    kind: str, table: str, code: str, condition: str, values: Sequence[Any], order: str
) -> tuple[str, list[Any]]:
    number = TYPE_ID[kind]
    param = default_extractor().parameters(kind)[code].id
    joined = _JOINED.format(table=f"record_index_{table}")
    text = (
        f"{_CONTENT.format(joined)} WHERE x.type = {number} AND r.type = {number} AND v.type = {number} "
        f"AND x.param = {param} AND {condition} ORDER BY {order} LIMIT 51"
    )
    return text, list(values)


def _of(kind: str, condition: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    number = TYPE_ID[kind]
    text = (
        f"{_CONTENT.format('record_resource r')} WHERE r.type = {number} AND v.type = {number} AND r.state <> 1 "
        f"AND {condition} ORDER BY r.main_low DESC, r.id LIMIT 51"
    )
    return text, list(values)


_NEWEST = "x.at DESC, x.resource"
_PATIENT = f"(SELECT id FROM record_resource WHERE type = {TYPE_ID['Patient']} AND public_id = %s)"


def _kinds(patients: int) -> list[_Kind]:
    def mrn(number: int) -> str:
        return str(10_000_000 + number * 7919 % patients)

    def whose(number: int) -> str:
        return f"bench-{number * 7919 % patients}"

    def day(number: int) -> str:
        return f"{2016 + number % 10}-{number % 12 + 1:02}-{number % 28 + 1:02}"

    def code(number: int) -> str:
        return _CODES[number % len(_CODES)]

    def with_system(code: str, system: str) -> list[int]:
        return [token_hash(code), token_hash(system)]

    of_patients = (
        "r.patient IN (SELECT t.id FROM record_resource t JOIN record_index_{} i ON i.type = t.type "
        f"AND i.resource = t.id AND i.version = t.version WHERE t.type = {TYPE_ID['Patient']} "
        f"AND i.type = {TYPE_ID['Patient']} AND {{}})"
    )
    own = {code: default_extractor().parameters("Patient")[code].id for code in ("identifier", "family")}
    by_patient = of_patients.format("token", f"i.param = {own['identifier']} AND i.code = %s")
    by_family = of_patients.format("string", f"i.param = {own['family']} AND i.value >= %s AND i.value < %s")

    def family(number: int) -> list[str]:
        begin = fold(_family(number))
        return [begin, begin + "\U0010ffff"]

    system = "http://loinc.org"
    return [
        _Kind(
            "token: identifier",
            lambda n: f"Patient?identifier=urn:bench:mrn|{mrn(n)}",
            lambda n: _by_row("Patient", "token", "identifier", "x.code = %s AND x.system = %s",
                              with_system(mrn(n), "urn:bench:mrn"), _NEWEST),
        ),
        _Kind(
            "token: code, one in ten",
            lambda n: f"Observation?code={system}|{code(n)}",
            lambda n: _by_row("Observation", "token", "code", "x.code = %s AND x.system = %s",
                              with_system(code(n), system), _NEWEST),
        ),
        _Kind(
            "date: one day",
            lambda n: f"Observation?date={day(n)}",
            lambda n: _by_row("Observation", "date", "date",
                              "x.low >= %s::timestamptz AND x.low < %s::timestamptz + interval '1 day' "
                              "AND x.high <= %s::timestamptz + interval '1 day'",
                              [f"{day(n)}T00:00Z"] * 3, "x.low DESC, x.resource"),
        ),
        _Kind(
            "date: from a day on",
            lambda n: f"Observation?date=ge{day(n)}",
            lambda n: _by_row("Observation", "date", "date", "x.low >= %s::timestamptz", [f"{day(n)}T00:00Z"],
                              "x.low DESC, x.resource"),
        ),
        _Kind(
            "token and date",
            lambda n: f"Observation?code={system}|{code(n)}&date=ge{day(n)}",
            lambda n: _by_row("Observation", "token", "code",
                              "x.code = %s AND x.system = %s AND x.at >= %s::timestamptz",
                              [*with_system(code(n), system), f"{day(n)}T00:00Z"], _NEWEST),
        ),
        _Kind(
            "reference: patient",
            lambda n: f"Observation?patient=Patient/{whose(n)}",
            lambda n: _of("Observation", f"r.patient = {_PATIENT}", [whose(n)]),
        ),
        _Kind(
            "reference: performer",
            lambda n: f"Observation?performer=Practitioner/bench-{n % 2000}",
            lambda n: _by_row("Observation", "reference", "performer", "x.target = %s",
                              [target_hash(f"Practitioner/bench-{n % 2000}")], _NEWEST),
        ),
        _Kind(
            "string: family",
            lambda n: f"Patient?family={_family(n)}",
            lambda n: _by_row("Patient", "string", "family", "x.value >= %s AND x.value < %s", family(n),
                              "r.id DESC"),
        ),
        _Kind(
            "chain: identifier",
            lambda n: f"Observation?patient.identifier={mrn(n)}",
            lambda n: _of("Observation", by_patient, [token_hash(mrn(n))]),
        ),
        _Kind(
            "chain: family",
            lambda n: f"Observation?patient.family={_family(n)}",
            lambda n: _of("Observation", by_family, family(n)),
        ),
        _Kind(
            "include: patient and encounter",
            lambda n: f"Observation?patient={whose(n)}&_include=Observation:patient&_include=Observation:encounter",
            lambda n: _of("Observation", f"r.patient = {_PATIENT}", [whose(n)]),
        ),
        _Kind(
            "include: of many patients",
            lambda n: f"Condition?code=urn:bench:problems|{n % 2000}&_include=Condition:subject",
            lambda n: _by_row("Condition", "token", "code", "x.code = %s AND x.system = %s",
                              with_system(str(n % 2000), "urn:bench:problems"), _NEWEST),
        ),
    ]  # fmt: skip


def bench_search(
    resources: Annotated[int, typer.Option(min=1_000, help="How many resources there are.")] = 1_000_000,
    searches: Annotated[int, typer.Option(min=20, help="How many searches of each kind.")] = 200,
    seed: Annotated[int, typer.Option()] = 1,
    keep: Keep = "",
    use: Use = "",
    drop_it: DropIt = False,
) -> None:
    """Measure searches by the API, in process and with everything a request does (its token, ledger and
    disclosures), beside the rows of the same matches read by hand-written SQL. In a database made for it."""
    with bench_database("fhir", keep=keep, use=use, drop_it=drop_it):
        token = new_token()
        filled = 0.0
        if use:
            patients = _patients()
        else:
            say(f"Filing {resources:,} resources")
            began = time.perf_counter()
            patients = _fill(resources, seed)
            filled = time.perf_counter() - began
        _warm()
        asker = InProcess(token)
        asker._handler.load_middleware()
        told: dict[str, Json] = {}
        for kind in _kinds(patients):
            say(kind.name)
            told[kind.name] = _measured(asker, kind, searches)
        rows = _rows_a_resource()
    worst = max(each["p95_ms"] for each in told.values())
    figures = {
        "bench": "fhir search",
        "resources": patients * _PER_PATIENT,
        "filled_s": round(filled),
        "index_rows_a_resource": rows,
        "searches": told,
        "worst_p95_ms": worst,
        "all_within_limit": worst <= LIMIT,
    }
    print(json.dumps(figures))


def _measured(asker: InProcess, kind: _Kind, searches: int) -> Json:
    """A search and the bare statement in turns, so that what else the machine does falls on both alike; each is the
    first to look for what it finds as often as the other. ``python`` and ``server`` are the processor time that a
    search takes of either process."""
    ours: list[float] = []
    bare: list[float] = []
    processor = Processor()
    python = server = 0.0
    found = 0

    def search(number: int) -> bytes:
        nonlocal python, server
        path, _, query = kind.address(number).partition("?")
        quoted = quote(query, safe="=&:|/,_.-")
        before, began = processor.used(), time.perf_counter()
        status, body = asker.ask("GET", f"/fhir/{path}", query=quoted)
        ours.append(time.perf_counter() - began)
        after = processor.used()
        python, server = python + after[0] - before[0], server + after[1] - before[1]
        if status != 200:
            raise RuntimeError(f"{kind.name} was answered with {status}.")
        return body

    def by_hand(number: int) -> list[bytes]:
        began = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(*kind.bare(number))
            rows = [decompress(record[-1]) for record in cursor.fetchall()]
        bare.append(time.perf_counter() - began)
        return rows

    for number in range(-_UNTOLD, searches):
        if number == 0:  # those before made connections and plans
            ours.clear()
            bare.clear()
            python = server = 0.0
        at = number + _UNTOLD
        if number % 2:
            rows, body = by_hand(at), search(at)
        else:
            body, rows = search(at), by_hand(at)
        found += len(rows) if number >= 0 else 0
        if bool(rows) != (b'"entry"' in body):
            raise RuntimeError(f"{kind.name} finds something else than the statement by hand.")
    return {
        **milliseconds(ours),
        "python_ms": round(python / searches * 1e3, 2),
        "server_ms": round(server / searches * 1e3, 2),
        "bare_p50_ms": milliseconds(bare)["p50_ms"],
        "bare_p95_ms": milliseconds(bare)["p95_ms"],
        "found": round(found / searches, 1),
    }


def _rows_a_resource() -> float:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT sum(reltuples) FROM pg_class "
            "WHERE relname ~ '^record_index_(token|string|date|quantity|reference)_[a-z]+$' AND relkind = 'r') "
            "/ (SELECT sum(reltuples) FROM pg_class "
            "WHERE relname ~ '^record_resource_[a-z]+$' AND relkind = 'r')"
        )
        return round(float(cursor.fetchone()[0]), 2)
