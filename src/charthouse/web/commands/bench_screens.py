"""``charthouse bench screens``: server time of patient search and of opening a chart, in a full record."""

from __future__ import annotations

import base64
import io
import json
import os
import random
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Annotated, Any

import orjson
import typer
from django.db import connection
from rich.console import Console
from rich.progress import Progress

from charthouse.configuration import configuration
from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.database.scratch import scratch_database

_SYLLABLES = (
    "al", "an", "ar", "bel", "ber", "car", "cor", "da", "del", "do", "en", "er", "fa", "fer", "gar", "go", "ha",
    "hol", "is", "ja", "kel", "ko", "la", "len", "li", "lo", "mar", "mer", "mi", "mo", "na", "nel", "no", "ol",
    "or", "pa", "per", "po", "ra", "ren", "ri", "ro", "sa", "sal", "si", "so", "ta", "ter", "to", "ul", "va", "ver",
    "vi",
    "wal", "win", "yo", "za",
)  # fmt: skip
_TESTS = (
    ("718-7", "Hemoglobin", "g/dL", 12.0, 17.0),
    ("2951-2", "Sodium", "mmol/L", 133.0, 147.0),
    ("2823-3", "Potassium", "mmol/L", 3.2, 5.4),
    ("2160-0", "Creatinine", "mg/dL", 0.5, 1.9),
    ("8867-4", "Heart rate", "/min", 52.0, 110.0),
)
_PROBLEMS = ("Essential hypertension", "Type 2 diabetes mellitus", "Asthma", "Migraine", "Hypothyroidism")
_NOTE = base64.b64encode(b"Stable on current doses. Continue present plan, return in three months.").decode()
#: The longest work of a screen is the largest chart; every so many patients have this many times the results.
_LARGE_EVERY, _LARGE_TIMES = 500, 40


def _mrn(number: int) -> str:
    return str(10_000_000 + number)


def invented_name(pick: random.Random, parts: int) -> str:
    return "".join(pick.choice(_SYLLABLES) for _ in range(parts)).capitalize()


def _resources(number: int, pick: random.Random) -> Iterator[dict[str, Any]]:
    """One invented person with an encounter, results, a problem, an allergy and a note."""
    born = date(1925, 1, 1) + timedelta(days=pick.randrange(36_000))
    patient = f"bench-{number}"
    subject = {"reference": f"Patient/{patient}"}
    yield {
        "resourceType": "Patient",
        "id": patient,
        "identifier": [
            {
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
                "system": "urn:bench:mrn",
                "value": _mrn(number),
            }
        ],
        "name": [
            {
                "family": invented_name(pick, pick.choice((2, 3))),
                "given": [invented_name(pick, 2), invented_name(pick, 1)],
            }
        ],
        "gender": pick.choice(("male", "female")),
        "birthDate": born.isoformat(),
        "telecom": [{"system": "phone", "value": f"217-{pick.randrange(200, 999)}-{pick.randrange(10_000):04}"}],
        "address": [
            {"line": [f"{pick.randrange(1, 9999)} {invented_name(pick, 2)} Street"], "city": invented_name(pick, 2)}
        ],
    }
    day = date(2026, 1, 1) - timedelta(days=pick.randrange(2_000))
    encounter = f"bench-{number}-e"
    visit = {"reference": f"Encounter/{encounter}"}
    yield {
        "resourceType": "Encounter",
        "id": encounter,
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": subject,
        "period": {"start": f"{day}T09:00:00Z", "end": f"{day}T09:40:00Z"},
    }
    times = _LARGE_TIMES if number % _LARGE_EVERY == 0 else 1
    for turn in range(times):
        at = day - timedelta(days=7 * turn)
        for code, name, unit, low, high in _TESTS:
            category = "vital-signs" if name == "Heart rate" else "laboratory"
            yield {
                "resourceType": "Observation",
                "id": f"bench-{number}-o{turn}-{code}",
                "status": "final",
                "category": [
                    {
                        "coding": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                "code": category,
                            }
                        ]
                    }
                ],
                "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": name}]},
                "subject": subject,
                "encounter": visit,
                "effectiveDateTime": f"{at}T09:10:00Z",
                "valueQuantity": {"value": round(pick.uniform(low, high), 1), "unit": unit},
            }
    yield {
        "resourceType": "Condition",
        "id": f"bench-{number}-c",
        "subject": subject,
        "encounter": visit,
        "code": {"text": pick.choice(_PROBLEMS)},
        "recordedDate": day.isoformat(),
    }
    yield {
        "resourceType": "AllergyIntolerance",
        "id": f"bench-{number}-a",
        "patient": subject,
        "code": {"text": pick.choice(("Penicillin", "Latex", "Sulfonamide", "Peanut"))},
    }
    yield {
        "resourceType": "DocumentReference",
        "id": f"bench-{number}-d",
        "status": "current",
        "type": {"text": "Progress note"},
        "subject": subject,
        "date": f"{day}T10:00:00Z",
        "content": [{"attachment": {"contentType": "text/plain", "data": _NOTE}}],
        "context": {"encounter": [visit]},
    }


def fill_people(patients: int, seed: int, told: Callable[[int], None]) -> int:
    """Send the people through intake, in chunks; how many resources were filed."""
    from charthouse.intake.api import Connector, take_in

    filed = 0
    for start in range(0, patients, 50):
        lines = [
            orjson.dumps(resource)
            for number in range(start, min(start + 50, patients))
            for resource in _resources(number, random.Random(seed * 1_000_003 + number))  # noqa: S311
        ]
        for taken in take_in(io.BytesIO(b"\n".join(lines)), connector=Connector.FILES, sender="bench"):
            if taken.result is not None:
                filed += sum(taken.result.counts.values())
        told(min(start + 50, patients))
    return filed


def bench_screens(
    patients: Annotated[int, typer.Option(min=10, help="Invented people; about ten resources each.")] = 100_000,
    requests: Annotated[int, typer.Option(min=10, help="How often each screen is asked for.")] = 400,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Measure the server time of patient search (as typed: three letters, two parts, birth date, MRN) and of
    opening charts (the overview, and results of the largest), through the whole web application."""
    console = Console(stderr=True)
    with scratch_database("bench"):
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task("Sending invented people through intake", total=patients)
            resources = fill_people(patients, seed, lambda done: progress.update(bar, completed=done))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        console.print(f"{patients:,} patients, {resources:,} resources")
        figures = _measure(patients, requests, seed)
    print(json.dumps({"bench": "screens", "patients": patients, "resources": resources, **figures}))


def _measure(patients: int, requests: int, seed: int) -> dict[str, float]:
    from django.conf import settings

    from charthouse.identity.api import find

    settings.ALLOWED_HOSTS = ["*"]
    client = _signed_in()
    pick = random.Random(seed)  # noqa: S311
    ctx = system_context("bench")
    everybody = [find(ctx, _mrn(number), 1)[0] for number in _sample(pick, patients, requests)]
    searches: list[float] = []
    charts: list[float] = []
    for turn, hit in enumerate(everybody):
        family, _, given = hit.name.partition(", ")
        typed = (family[:3], f"{given[:2]} {family[:2]}", hit.birth_date, hit.mrns[0], family)[turn % 5]
        searches.append(timed(client.post, "/find/suggest", {"text": typed}))
        charts.append(timed(client.get, f"/chart/{hit.person}/"))
    large = [find(ctx, _mrn(number), 1)[0] for number in range(0, min(patients, 20_000), _LARGE_EVERY)]
    results = [timed(client.get, f"/chart/{hit.person}/results") for hit in large]
    return {
        "search_p50_ms": percentile(searches, 50),
        "search_p95_ms": percentile(searches, 95),
        "chart_p50_ms": percentile(charts, 50),
        "chart_p95_ms": percentile(charts, 95),
        "large_results_p95_ms": percentile(results, 95),
    }


def _sample(pick: random.Random, patients: int, requests: int) -> list[int]:
    return [pick.randrange(patients) for _ in range(requests)]


def _signed_in() -> Any:
    from charthouse.people.api import add_account

    # The scratch database is no real site: its one account needs no authenticator.
    os.environ["CHARTHOUSE_KIND"] = "demo"
    configuration.cache_clear()
    password = secrets.token_urlsafe(16)
    add_account(
        system_context("bench"),
        username="bench",
        display_name="Bench",
        roles=[Role.HIT],
        password=password,
        temporary=False,
        require_totp=False,
    )
    return signed_in_as("bench", password)


def signed_in_as(user: str, password: str) -> Any:
    """A client in whose session an account of the scratch database has signed in by its form."""
    from django.test import Client

    client = Client()
    client.post("/sign-in/", {"login": user, "password": password})
    answer = client.get("/")
    if answer.status_code != 200:
        raise RuntimeError(f"The bench could not sign in as {user}: {answer.status_code}.")
    return client


def timed(ask: Callable[..., Any], *given: Any, wanted: int = 200, name: str = "A screen") -> float:
    """Milliseconds of one request. Raises RuntimeError where it has another status than ``wanted``."""
    began = time.perf_counter()
    answer = ask(*given)
    took = time.perf_counter() - began
    if answer.status_code != wanted:
        raise RuntimeError(f"{name} answered {answer.status_code} instead of {wanted}.")
    return took * 1000


def percentile(values: list[float], percent: int) -> float:
    if len(values) < 2:
        return round(values[0], 1) if values else 0.0
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 1)
