"""``charthouse bench completion``: charts analysed in a second, cold and warm, beside one statement that only reads
the same rows."""

from __future__ import annotations

import base64
import json
import resource as limits
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import orjson
import psycopg
import typer
from django.db import connection, transaction

from charthouse.foundation.access.api import system_context
from charthouse.foundation.database.api import connection_info
from charthouse.foundation.database.scratch import scratch_database
from charthouse.foundation.spreading import spread
from charthouse.record import api as record

from .actions.keep_facts import kept_facts
from .domain.facts import EncounterFacts
from .facts_models import ChartFacts
from .queries import Span, all_encounters, findings_of, spans

_CTX = system_context("bench")
_BATCH = 60
#: One of so many has changed when the house is warm.
_CHANGED = 100
_BEGAN = datetime(2025, 1, 1, 8, tzinfo=UTC)
_NOW = datetime(2026, 6, 1, tzinfo=UTC)
_SENTENCE = "The patient was seen and examined. The plan stands as it was and is continued today. "
_PRACTITIONERS = 40
#: Documents of a stay: LOINC code, hours after admission, and in how many of ten stays there is one.
_DOCUMENTS = (
    ("34878-9", -2, 8),
    ("34117-2", 3, 10),
    ("11506-3", 20, 10),
    ("11506-3", 44, 10),
    ("34746-8", 8, 10),
    ("34746-8", 16, 10),
    ("34746-8", 24, 10),
    ("34746-8", 32, 10),
    ("11488-4", 30, 4),
    ("18842-5", 90, 9),
    ("59284-0", 9, 3),
    ("11504-8", 14, 3),
)

Json = dict[str, Any]


def bench_completion(
    encounters: Annotated[
        list[int] | None,
        typer.Option(min=100, help="How many encounters, several times for several sizes, smallest first."),
    ] = None,
) -> None:
    """Analyse a whole house: cold, from the record on; again, from the facts that were kept; and
    warm, when one encounter of a hundred has changed. One statement only reads the same rows. The last line is
    JSON."""
    sizes = sorted(encounters or [10_000])
    measured = []
    with scratch_database("completion"):
        _people()
        done = 0
        for size in sizes:
            typer.echo(f"filing {size - done:,} encounters …", err=True)
            for begin in range(done, size, _BATCH):
                _file([one for number in range(begin, min(begin + _BATCH, size)) for one in stay(number)])
            done = size
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
            measured.append(_measured(size))
    print(json.dumps({"bench": "completion", "sizes": measured}))


def _measured(size: int) -> Json:
    ChartFacts.objects.all().delete()
    _vacuumed()
    cold = _timed(partial(_worked, _rebuilt_and_analysed), size)
    # What was kept is swept and counted by the server once, as it is in a living house.
    _vacuumed()
    again = _timed(partial(_worked, _analysed), size)
    for begin in range(0, size, _BATCH * _CHANGED):
        _file([_changed(number, size) for number in range(begin, min(begin + _BATCH * _CHANGED, size), _CHANGED)])
    warm = _timed(partial(_worked, _rebuilt_and_analysed), size)
    begun = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), sum(length(v.content)) FROM record_resource r "
            "JOIN record_version v ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
            "WHERE r.state = 0 AND r.type = ANY(%s)",
            [[record.TYPE_ID[each] for each in ("Encounter", "DocumentReference", "Procedure")]],
        )
        rows, size_read = cursor.fetchone()
        beside = time.perf_counter() - begun
        cursor.execute("SELECT pg_total_relation_size('completion_chart_facts')")
        (kept,) = cursor.fetchone()
    return {
        "encounters": size,
        "cold": cold,
        "again": again,
        "warm": warm,
        "kept_bytes_each": round(kept / size),
        "rows": rows,
        "bytes": size_read,
        "statement_seconds": round(beside, 3),
    }


def _timed(what: Callable[[], tuple[int, int, int, int]], size: int) -> Json:
    """How long something took that analyses all, and reads so many encounters from the record."""
    started, spent = time.perf_counter(), _spent()
    read, analysed, findings, peak = what()
    seconds, spent = time.perf_counter() - started, _spent() - spent
    if analysed != size:
        raise RuntimeError(f"{analysed} encounters were analysed of {size}.")
    return {
        "read_from_record": read,
        "findings": findings,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(spent, 2),
        "encounters_per_s": round(size / seconds),
        "encounters_per_cpu_s": round(size / spent),
        "peak_mb": peak,
    }


def _worked(work: Callable[[Span], tuple[int, int, int, int]], /) -> tuple[int, int, int, int]:
    """The whole house through ``work``, over all processors."""
    done = list(spread(work, spans(_CTX)))
    read, analysed, findings = (sum(each[place] for each in done) for place in range(3))
    return read, analysed, findings, max(each[3] for each in done)


def _rebuilt_and_analysed(span: Span) -> tuple[int, int, int, int]:
    return _judged(kept_facts(span))


def _analysed(span: Span) -> tuple[int, int, int, int]:
    return _judged((0, some) for some in all_encounters(_CTX, span))


def _judged(found: Iterable[tuple[int, Sequence[EncounterFacts]]]) -> tuple[int, int, int, int]:
    read = analysed = findings = 0
    for number, some in found:
        read += number
        analysed += len(some)
        findings += sum(len(findings_of(facts, 0, _NOW)) for facts in some)
    return read, analysed, findings, round(limits.getrusage(limits.RUSAGE_SELF).ru_maxrss / 1024)


def _spent() -> float:
    """The processor's seconds of this process and of those that it started and that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(limits.getrusage, (limits.RUSAGE_SELF, limits.RUSAGE_CHILDREN))
    )


def _vacuumed() -> None:
    with psycopg.connect(
        connection_info(owner=True, dbname=connection.settings_dict["NAME"]), autocommit=True
    ) as owner:
        owner.execute("VACUUM ANALYZE completion_chart_facts")


def _changed(number: int, size: int) -> Json:
    """The first document of a stay, in another version."""
    first = next(each for each in stay(number) if each["resourceType"] == "DocumentReference")
    return {**first, "description": f"Read again among {size}."}


def _file(resources: list[Json]) -> None:
    filings = []
    for each in resources:
        filing = record.prepare(each, orjson.dumps(each))
        filing.source = filing.message = filing.original = 1
        filings.append(filing)
    with transaction.atomic(), connection.cursor() as cursor:
        record.file_resources(cursor, filings, _BEGAN)


def _people() -> None:
    _file(
        [
            {"resourceType": "Practitioner", "id": f"bench-{number}", "name": [{"family": f"Doctor{number}"}]}
            for number in range(_PRACTITIONERS)
        ]
    )


def stay(number: int) -> Iterator[Json]:
    """A stay with about twenty items: as many documents as a short one has, orders, and at times an operation."""
    admitted = _BEGAN + timedelta(minutes=number % 500_000)
    patient, encounter = f"bench-p{number}", {"reference": f"Encounter/bench-{number}"}
    who = {"reference": f"Practitioner/bench-{number % _PRACTITIONERS}", "display": "Doctor"}
    subject = {"reference": f"Patient/{patient}"}
    yield {
        "resourceType": "Patient",
        "id": patient,
        "gender": "female",
        "identifier": [{"system": "urn:bench:patients", "value": patient}],
    }
    yield {
        "resourceType": "Encounter",
        "id": f"bench-{number}",
        "identifier": [{"system": "urn:bench:visits", "value": f"bench-{number}"}],
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "classHistory": [{"class": {"code": "EMER"}, "period": _period(admitted, -3, 0)}],
        "subject": subject,
        "period": _period(admitted, -3, 72),
        "participant": [
            {"type": [{"coding": [{"code": "ATND"}]}], "individual": who, "period": _period(admitted, -3, 72)}
        ],
        "diagnosis": [{"condition": {"display": "Pneumonia"}, "use": {"coding": [{"code": "DD"}]}}],
        "hospitalization": {"dischargeDisposition": {"coding": [{"code": "home"}]}},
    }
    operated = number % 10 < 3
    for place, (code, hours, often) in enumerate(_DOCUMENTS):
        if (number + place) % 10 >= often or (code in ("59284-0", "11504-8") and not operated):
            continue
        text = f"PROCEDURE: right knee\nDATE: {admitted:%m/%d/%Y}\n" + _SENTENCE * 20
        yield {
            "resourceType": "DocumentReference",
            "id": f"bench-d{number}-{place}",
            "status": "current",
            "docStatus": "preliminary" if (number + place) % 50 == 0 else "final",
            "type": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "subject": subject,
            "date": _at(admitted, hours),
            "author": [who],
            "authenticator": who,
            "content": [
                {"attachment": {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode()}}
            ],
            "context": {"encounter": [encounter], "period": {"start": _at(admitted, hours)}},
        }
    if operated:
        yield {
            "resourceType": "Procedure",
            "id": f"bench-o{number}",
            "status": "completed",
            "subject": subject,
            "encounter": encounter,
            "code": {"coding": [{"system": "http://www.cms.gov/Medicare/Coding/ICD10", "code": "0SRC0J9"}]},
            "performedPeriod": _period(admitted, 10, 12),
            "performer": [{"actor": who, "function": {"coding": [{"code": "304292004"}]}}],
        }
    for place in range(6):
        yield {
            "resourceType": "ServiceRequest",
            "id": f"bench-s{number}-{place}",
            "status": "active",
            "intent": "order",
            "subject": subject,
            "encounter": encounter,
            "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}], "text": "Hemoglobin"},
            "category": [{"coding": [{"code": "VE" if number % 20 == 0 and place == 0 else "WR"}]}],
            "authoredOn": _at(admitted, place),
            "requester": who,
        }


def _at(admitted: datetime, hours: float) -> str:
    return (admitted + timedelta(hours=hours)).isoformat()


def _period(admitted: datetime, start: float, end: float) -> dict[str, str]:
    return {"start": _at(admitted, start), "end": _at(admitted, end)}
