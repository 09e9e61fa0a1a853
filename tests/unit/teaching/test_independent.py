"""What a validator that is not ours (fhirkit, made from the FHIR specification) says of a hospital's resources."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import fhirkit
import orjson

from charthouse.exchange.hl7v2.api import parse, to_fhir
from charthouse.teaching.domain.hospital import Hospital, patients

ZONE = ZoneInfo("America/Chicago")
HOSPITAL = Hospital(23, datetime(2026, 3, 2, 12, tzinfo=ZONE))


def errors(resource: Any) -> list[str]:
    return [f"{issue.path}: {issue.message}" for issue in fhirkit.validate(resource) if issue.severity == "error"]


def test_the_validator_finds_what_is_wrong() -> None:
    assert errors({"resourceType": "Observation", "status": "final"}) == [
        "Observation.code: required element missing"
    ]


def test_the_clinics_bundles_are_valid_fhir() -> None:
    bundles = [each.data for one in patients(HOSPITAL, 1, 48) for each in one.messages if each.bundle]
    assert len(bundles) > 10
    wrong = [error for data in bundles for error in errors(data)]
    wrong += [
        error for data in bundles for entry in orjson.loads(data)["entry"] for error in errors(entry["resource"])
    ]
    assert wrong == []


def test_what_the_hospitals_messages_become_is_valid_fhir() -> None:
    kinds: set[str] = set()
    wrong: set[str] = set()
    for one in patients(HOSPITAL, 1, 48):
        for each in one.messages:
            if each.bundle:
                continue
            plan = to_fhir(parse(each.data), zone=ZONE, mint=lambda kind, key: f"{kind}-{len(key)}")
            for draft in plan.drafts:
                kinds.add(draft.type)
                wrong.update(f"{each.kind} {error}" for error in errors(orjson.dumps(draft.resource)))
    assert wrong == set()
    assert kinds >= {
        "Patient", "Observation", "DiagnosticReport", "DocumentReference", "Practitioner",
        "MedicationRequest", "MedicationAdministration", "Coverage", "Condition", "Appointment", "Immunization",
    }  # fmt: skip
