"""How searches are carried out: no plan reads a whole table, and pages stay whole while others write."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from charthouse.fhir.searching.answer import answer
from charthouse.fhir.searching.asker import Asker
from charthouse.foundation.access.api import system_context
from charthouse.foundation.clock import wall
from charthouse.record.api import file_resources, prepare, search
from charthouse.record.searching import running
from charthouse.record.searching.sql import Sql

pytestmark = [pytest.mark.database]

ALL = system_context("test")


def _observations(count: int, text: str = "") -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {
            "resourceType": "Observation",
            "id": f"o{number}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": f"c{number % 7}", "display": "A measure"}]},
            "subject": {"reference": f"Patient/p{number % 50}"},
            "performer": [{"reference": f"Practitioner/d{number % 9}"}],
            "effectiveDateTime": f"20{number % 20 + 10}-0{number % 9 + 1}-11",
            "valueQuantity": {"value": number % 90, "unit": "mg"},
            **({"note": [{"text": text}]} if text else {}),
        }


def _patients() -> Iterator[dict[str, Any]]:
    for number in range(50):
        yield {
            "resourceType": "Patient",
            "id": f"p{number}",
            "identifier": [{"system": "urn:mrn", "value": str(number)}],
            "name": [{"family": f"Family{number}"}],
            "birthDate": f"19{number + 20}-01-01",
        }


def _file(resources: Iterator[dict[str, Any]]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        file_resources(cursor, [prepare(each, orjson.dumps(each)) for each in resources], wall())


SEARCHES = [
    ("Patient", "identifier=urn:mrn|7"),
    ("Patient", "family=family7"),
    ("Patient", "birthdate=1950"),
    ("Patient", "_has:Observation:patient:code=c3"),
    ("Observation", "code=http://loinc.org|c3"),
    ("Observation", "code=c3,c4"),
    ("Observation", "code=c3&date=ge2020"),
    ("Observation", "date=2020-01"),
    ("Observation", "date=ge2020&_sort=date"),
    ("Observation", "patient=Patient/p7"),
    ("Observation", "patient=p7&code=c3"),
    ("Observation", "performer=Practitioner/d3"),
    ("Observation", "patient.identifier=urn:mrn|7"),
    ("Observation", "patient.family=family7"),
    ("Observation", "subject:Patient.birthdate=1950"),
    ("Observation", "value-quantity=gt80||mg"),
    ("Observation", "code-value-quantity=c3$gt80"),
    ("Observation", "code:text=a m"),
    ("Observation", "status:not=preliminary"),
    ("Observation", "_id=o7"),
    ("Observation", "_sort=-_lastUpdated&patient=p7"),
    ("Observation", ""),
]


def _reads(plan: dict[str, Any]) -> Iterator[str]:
    """Every node of a plan that reads a table of the record as a whole."""
    table = str(plan.get("Relation Name") or plan.get("Index Name") or "")
    if table.startswith("record_"):
        kind = plan["Node Type"]
        if kind == "Seq Scan":
            yield f"{kind} on {table}"
        if kind == "Bitmap Index Scan" and table.endswith("_resource_idx") and "_param_" not in table:
            yield f"{kind} on {table}, which every row is under"
    for inner in plan.get("Plans", ()):
        yield from _reads(inner)


@pytest.mark.parametrize("cursor", [False, True], ids=["first", "next"])
def test_no_search_reads_a_whole_table(db: None, cursor: bool) -> None:
    _file(_patients())
    _file(_observations(1_500))
    with connection.cursor() as sql:
        sql.execute("ANALYZE")
        sql.execute("SET LOCAL enable_seqscan = off")
    wrong = []
    for kind, query in SEARCHES:
        pairs = [tuple(each.split("=", 1)) for each in query.split("&") if each]
        place = search(ALL, kind, pairs, count=1).next if cursor else None
        if cursor and place is None:
            continue
        with CaptureQueriesContext(connection) as asked:
            search(ALL, kind, pairs, count=5, cursor=place)
        for each in asked.captured_queries:
            with connection.cursor() as sql:
                sql.execute(f"EXPLAIN (FORMAT JSON) {each['sql'].replace('%', '%%')}", [])
                plan = sql.fetchone()[0]
            told = orjson.loads(plan) if isinstance(plan, str) else plan
            wrong += [(kind, query, found) for found in _reads(told[0]["Plan"])]
    assert not wrong


def test_a_plan_that_is_kept_reads_no_whole_table(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements that are planned once for all values, with the plan they get."""
    _file(_patients())
    _file(_observations(1_500))
    asked: list[Sql] = []
    real = running._rows

    def noted(statement: Sql) -> list[Any]:
        asked.append(statement)
        return real(statement)

    monkeypatch.setattr(running, "_rows", noted)
    kept, wrong = set(), []
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        for kind, query in SEARCHES:
            asked.clear()
            search(ALL, kind, [tuple(each.split("=", 1)) for each in query.split("&") if each], count=5)
            for statement in asked:
                if not statement.steady:
                    continue
                kept.add(query)
                numbers = count(1)
                text = re.sub("%s", lambda _: f"${next(numbers)}", statement.text)  # noqa: B023
                cursor.execute(f"PREPARE kept AS {text}")
                given = ", ".join(["%s"] * len(statement.values))
                cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE kept({given})", statement.values)
                plan = cursor.fetchone()[0]
                cursor.execute("DEALLOCATE kept")
                told = orjson.loads(plan) if isinstance(plan, str) else plan
                wrong += [(kind, query, found) for found in _reads(told[0]["Plan"])]
    assert not wrong
    assert {"code=http://loinc.org|c3", "date=ge2020&_sort=date", "performer=Practitioner/d3"} <= kept
    assert not {"family=family7", "patient.family=family7", "value-quantity=gt80||mg"} & kept


def _joins(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The joins of a plan: how they are done, and of which type."""
    if "Join Type" in plan:
        yield plan["Node Type"], plan["Join Type"]
    for inner in plan.get("Plans", ()):
        yield from _joins(inner)


@pytest.mark.parametrize("query", [[("_sort", "code")], [("status", "final"), ("_sort", "performer,-date")]])
def test_an_order_by_codes_is_not_looped_over_where_little_is_expected(
    db: None, query: list[tuple[str, str]]
) -> None:
    """Nothing is known of these rows to PostgreSQL, which then expects next to none."""
    _file(_patients())
    _file(_observations(300))
    with CaptureQueriesContext(connection) as asked:
        assert search(ALL, "Observation", query, count=5).next
    (page,) = (each["sql"] for each in asked.captured_queries if "FULL JOIN" in each["sql"])
    with connection.cursor() as sql:
        sql.execute(f"EXPLAIN (FORMAT JSON) {page.replace('%', '%%')}", [])
        plan = sql.fetchone()[0]
    told = orjson.loads(plan) if isinstance(plan, str) else plan
    found = [how for how, kind in _joins(told[0]["Plan"]) if kind == "Full"]
    assert found and set(found) <= {"Hash Join", "Merge Join"}


def test_paging_shows_each_match_once_while_others_write(committed_db: Any) -> None:
    total = 10_000
    _file(_patients())
    _file(_observations(total))
    done = threading.Event()

    def write() -> None:
        turn = 0
        try:
            while not done.is_set():
                turn += 1
                _file(
                    {**each, "id": f"{each['id']}-{turn}" if number % 2 else each["id"]}
                    for number, each in enumerate(_observations(400, f"turn {turn}"))
                )
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    seen: Counter[str] = Counter()
    try:
        asker = Asker(ALL, "http://testserver/fhir/")
        for query in ([("status", "final")], [("_sort", "_id")], [("_sort", "code")]):
            seen.clear()
            cursor: str | None = ""
            while cursor is not None:
                pairs = [*query, ("_count", "1000"), *([("_cursor", cursor)] if cursor else [])]
                found = answer(asker, "Observation", pairs)
                seen.update(stored.public_id for stored, _ in found.given)
                url = next((each["url"] for each in found.bundle["link"] if each["relation"] == "next"), None)
                cursor = unquote(url.rpartition("_cursor=")[2]) if url else None
            assert max(seen.values()) == 1
            assert sum(1 for number in range(total) if seen[f"o{number}"]) == total
    finally:
        done.set()
        writer.join()
