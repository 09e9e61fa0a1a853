"""Any resource that keeps to FHIR's schema makes rows, whatever is missing from it or odd in it."""
# ruff: noqa: E501 (tables)

from __future__ import annotations

import bz2
import copy
import json
import random
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.exchange.fhir.api import validate
from charthouse.record.charting import clinical, documents, results
from charthouse.record.charting.encounters import encounters
from charthouse.record.charting.item import Item
from charthouse.record.charting.summary import summary
from charthouse.record.preparing import prepare

CHARTED = {
    "Encounter", "DocumentReference", "Composition", "DiagnosticReport", "Media", "Observation", "Condition",
    "MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration",
    "AllergyIntolerance", "Immunization", "Procedure", "Appointment", "Coverage", "Flag", "RelatedPerson", "Patient",
    "Specimen",
}  # fmt: skip

#: Types the samples lack, or have only plainly.
RICH: list[dict[str, Any]] = [
    {"resourceType": "Appointment", "status": "booked", "start": "2026-01-01T08:00:00Z", "end": "2026-01-01T09:00:00Z",
     "appointmentType": {"text": "Follow-up"}, "reasonCode": [{"text": "Pain"}], "comment": "Bring films",
     "requestedPeriod": [{"start": "2026-01-01"}],
     "participant": [{"status": "accepted", "actor": {"reference": "Practitioner/1", "display": "Dr. A"}},
                     {"status": "accepted", "actor": {"reference": "Location/1", "display": "Room"}}]},
    {"resourceType": "Coverage", "status": "active", "beneficiary": {"reference": "Patient/1"}, "order": 1,
     "payor": [{"display": "Plan"}], "subscriberId": "7", "relationship": {"text": "self"},
     "class": [{"type": {"coding": [{"code": "group"}]}, "value": "G", "name": "Group"}], "period": {"end": "2026"}},
    {"resourceType": "Flag", "status": "active", "code": {"text": "Fall risk"}, "subject": {"reference": "Patient/1"},
     "category": [{"coding": [{"code": "safety"}]}], "period": {"start": "2026"}},
    {"resourceType": "RelatedPerson", "patient": {"reference": "Patient/1"}, "name": [{"family": "Marsh"}],
     "telecom": [{"system": "phone", "value": "1"}], "relationship": [{"text": "spouse"}]},
    {"resourceType": "Composition", "status": "final", "type": {"text": "Summary"}, "date": "2026-01-01", "title": "T",
     "author": [{"display": "Dr. A"}], "attester": [{"mode": "legal", "party": {"display": "Dr. A"}}],
     "section": [{"title": "S", "text": {"status": "generated", "div": "<div>x</div>"}}],
     "relatesTo": [{"code": "appends", "targetReference": {"reference": "Composition/2"}}]},
    {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/1"}, "code": {"text": "Peanut"},
     "type": "allergy", "category": ["food"], "criticality": "high", "onsetDateTime": "2001",
     "clinicalStatus": {"coding": [{"code": "active"}]}, "note": [{"text": "n"}],
     "reaction": [{"substance": {"text": "Peanut"}, "manifestation": [{"text": "Hives"}], "severity": "severe"}]},
    {"resourceType": "MedicationAdministration", "status": "completed", "subject": {"reference": "Patient/1"},
     "medicationCodeableConcept": {"text": "x"}, "effectiveDateTime": "2026", "dosage": {"dose": {"value": 1}}},
    {"resourceType": "Media", "status": "completed", "content": {"contentType": "image/png", "data": "AAAA"}},
    {"resourceType": "Specimen", "type": {"text": "Serum"}, "receivedTime": "2026-01-01T08:00:00Z",
     "collection": {"collectedPeriod": {"start": "2026"}, "collector": {"display": "R"}}},
    {"resourceType": "MedicationDispense", "status": "completed", "medicationReference": {"reference": "Medication/1"},
     "whenHandedOver": "2026-01-01", "performer": [{"actor": {"display": "R"}}],
     "dosageInstruction": [{"doseAndRate": [{"doseQuantity": {"value": 1}}], "asNeededCodeableConcept": {"text": "x"}}]},
    {"resourceType": "MedicationStatement", "status": "active", "subject": {"reference": "Patient/1"},
     "medicationCodeableConcept": {"text": "x"}, "effectivePeriod": {"start": "2026", "end": "2027"},
     "dosage": [{"timing": {"code": {"text": "BID"}, "repeat": {"frequency": 1}}}]},
    {"resourceType": "Observation", "status": "final", "code": {"text": "BP"}, "effectivePeriod": {"start": "2026"},
     "interpretation": [{"coding": [{"code": "HH"}]}], "note": [{"text": "n"}],
     "referenceRange": [{"low": {"value": 1.50}, "high": {"value": 2}, "text": "1–2"}],
     "component": [{"code": {"text": "S"}, "valueQuantity": {"value": 1.20, "unit": "u", "comparator": "<"}},
                   {"code": {"text": "D"}, "valueRatio": {"numerator": {"value": 1}}}]},
    {"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"}, "period": {"start": "2026-01-01"},
     "classHistory": [{"class": {"code": "EMER"}, "period": {"start": "2026-01-01"}}], "serviceType": {"text": "x"},
     "hospitalization": {"dischargeDisposition": {"text": "home"}, "preAdmissionIdentifier": {"value": "1"}},
     "extension": [{"url": "urn:charthouse:fhir:StructureDefinition:encounter-service-history", "extension": [
         {"url": "service", "valueCodeableConcept": {"text": "y"}}, {"url": "period", "valuePeriod": {"end": "2026"}}]}],
     "location": [{"location": {"display": "4W"}, "period": {"start": "2026"}}],
     "participant": [{"type": [{"coding": [{"code": "ATND"}]}], "individual": {"display": "Dr. A"}}]},
]  # fmt: skip

ODD = ["", " ", "0", "9999-99-99", "0001-01-01T00:00:00+14:00", "<script>alert(1)</script>", "'; DROP TABLE x; --",
       "\u202e\u200fevil", "é" * 300, "x" * 5_000, "Patient/", "a/b/c/d", "—", "1–", "–"]  # fmt: skip


@cache
def samples(folder: Path | None) -> tuple[dict[str, Any], ...]:
    """Several resources of each charted type."""
    found: dict[str, list[dict[str, Any]]] = {each["resourceType"]: [{**each, "id": "r"}] for each in RICH}
    for path in sorted((folder / "fhir" / "synthea").glob("[0-9a-f]*.json.bz2"))[3:6] if folder else ():
        for entry in json.loads(bz2.decompress(path.read_bytes()))["entry"]:
            resource = entry["resource"]
            kept = found.setdefault(resource["resourceType"], [])
            if resource["resourceType"] in CHARTED and len(kept) < 6:
                kept.append(resource)
    return tuple(each for kind, kept in sorted(found.items()) for each in kept if kind in CHARTED)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def mutated(resource: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    resource = copy.deepcopy(resource)
    for _ in range(chance.randint(1, 6)):
        choices = [each for each in places(resource) if each[1] not in ("resourceType", "id")]
        if not choices:
            break
        container, key = chance.choice(choices)
        old = container[key]
        match chance.randint(0, 5):
            case 0 | 1:
                del container[key]
            case 2 if isinstance(old, list):
                container[key] = chance.choice([[], old * 2, old[::-1]])
            case 2 | 3 if isinstance(old, str):
                container[key] = chance.choice(ODD)
            case 4 if isinstance(old, dict):
                container[key] = {} if chance.random() < 0.5 else {"extension": [{"url": "x", "valueString": "y"}]}
            case _ if isinstance(old, bool):
                container[key] = not old
            case _ if isinstance(old, int | float):
                container[key] = chance.choice([0, -1, 1e-9, 123456789012345, 0.5])
    return resource


def rows_of(items: list[Item]) -> list[Any]:
    """Everything a chart makes of these resources."""
    by_type: dict[str, list[Item]] = {}
    for each in items:
        by_type.setdefault(each.type, []).append(each)
    get = by_type.get
    rows: list[Any] = []
    rows += encounters(get("Encounter", []))
    rows += clinical.problems(get("Condition", []))
    rows += clinical.allergies(get("AllergyIntolerance", []))
    rows += clinical.flags(get("Flag", []))
    rows += clinical.immunizations(get("Immunization", []))
    rows += clinical.procedures(get("Procedure", []))
    rows += clinical.appointments(get("Appointment", []))
    rows += clinical.coverages(get("Coverage", []))
    for kind in ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"):
        rows += clinical.medications(get(kind, []), {})
    papers = [
        each for kind in ("DocumentReference", "Composition", "Media", "DiagnosticReport") for each in get(kind, [])
    ]
    rows += documents.entries(papers)
    rows += [documents.document(each, {}) for each in papers]
    observed = get("Observation", [])
    rows += results.panels(
        get("DiagnosticReport", []), observed, {f"Specimen/{each.id}": each for each in get("Specimen", [])}
    )
    measured = [row for each in observed for row in results.results_of(each)]
    rows += measured
    results.matrix(measured)
    results.vital_series(observed)
    if "Patient" in by_type:
        summary(by_type["Patient"], items, date(2026, 3, 2), {})
    return rows


def as_items(resources: list[dict[str, Any]]) -> list[Item]:
    return [Item(each["resourceType"], each["id"], 1, 0, orjson.dumps(each)) for each in resources]


def folder_of_samples() -> Path | None:
    import os

    named = os.environ.get("CHARTHOUSE_SAMPLES")
    return Path(named) if named and Path(named).is_dir() else None


def test_the_samples_themselves_make_rows() -> None:
    found = samples(folder_of_samples())
    assert all(validate(each) == [] for each in found)
    if folder_of_samples():
        assert {each["resourceType"] for each in found} == CHARTED
    rows = rows_of(as_items(list(found)))
    assert len(rows) > (20 if folder_of_samples() else 10)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_whatever_is_missing_or_odd_rows_are_made(seed: int) -> None:
    chance = random.Random(seed)
    changed = [mutated(each, chance) for each in chance.sample(samples(folder_of_samples()), 12)]
    valid = [each for each in changed if validate(each) == []]
    rows = rows_of(as_items(valid))
    for row in rows:
        assert isinstance(row.title, str)
        assert isinstance(row.status, str)
        assert row.when.instant is None or row.when.instant.tzinfo is not None
    for each in valid:
        filing = prepare(each, orjson.dumps(each))
        assert filing.main_low <= filing.main_high


@pytest.mark.parametrize("kind", sorted(CHARTED))
def test_a_resource_that_says_nothing_at_all_makes_a_row(kind: str) -> None:
    rows = rows_of(as_items([{"resourceType": kind, "id": "x"}]))
    for row in rows:
        assert not row.when
        assert row.code is None
