"""A CCD out and in again is equal over its listed sections, over the synthetic hospital."""
# ruff: noqa: E501 (tables)

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from charthouse.exchange.cda.api import DocumentKind, Keeper, write
from charthouse.foundation.access.api import system_context
from tests.support.cda import converted
from tests.support.cda_essentials import essentials, gathered

HOW_MANY = 16
ZONE = ZoneInfo("America/Chicago")
SNOMED = "http://snomed.info/sct"
ANCHOR = datetime(2026, 3, 2, 12, tzinfo=ZONE)
KEEPER = Keeper("Harbor Regional Medical Center", "2.16.840.1.113883.19.5", "1 Harbor Way\nPortland", "555-0100")
#: Types that a CCD carries whole.
WHOLE = {
    "AllergyIntolerance",
    "Condition",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationDispense",
    "MedicationAdministration",
    "Immunization",
    "Procedure",
    "Coverage",
    "Appointment",
}
#: Kinds of the sections that a CCD is written with.
SECTIONS = {
    "allergies", "medications", "administered", "problems", "procedures", "results", "social", "vitals", "immunizations",
    "encounters", "payers", "plan",
}  # fmt: skip
CATEGORIES = {"laboratory", "vital-signs", "social-history"}


def given_of(patient: dict[str, Any], resources: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What of the orders was dispensed and given, and the other kinds that the synthetic hospital has none of."""
    subject = {"reference": f"Patient/{patient['id']}"}
    made: list[dict[str, Any]] = [
        {"resourceType": "Procedure", "id": "p1", "status": "completed", "subject": subject,
         "code": {"coding": [{"system": SNOMED, "code": "80146002", "display": "Appendectomy"}], "text": "Appendectomy"},
         "performedPeriod": {"start": "2026-01-05T09:00:00-06:00", "end": "2026-01-05T10:30:00-06:00"},
         "bodySite": [{"text": "Right lower abdomen"}], "note": [{"text": "Without complication."}]},
        {"resourceType": "Immunization", "id": "i1", "status": "completed", "patient": subject,
         "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "141"}], "text": "Influenza"},
         "occurrenceDateTime": "2025-10-02", "lotNumber": "L-7", "doseQuantity": {"value": 0.5, "code": "mL", "unit": "mL"}},
        {"resourceType": "MedicationStatement", "id": "s1", "status": "active", "subject": subject,
         "medicationCodeableConcept": {"text": "Fish oil"}, "effectivePeriod": {"start": "2024-05-01"},
         "dosage": [{"text": "One capsule a day"}]},
        {"resourceType": "Observation", "id": "o1", "status": "final", "subject": subject,
         "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "social-history"}]}],
         "code": {"coding": [{"system": "http://loinc.org", "code": "72166-2"}], "text": "Tobacco smoking status"},
         "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": "8517006"}], "text": "Former smoker"},
         "effectiveDateTime": "2025-12-01"},
        {"resourceType": "Appointment", "id": "v1", "status": "booked", "serviceType": [{"text": "Wound check"}],
         "start": "2026-04-02T09:00:00-05:00", "end": "2026-04-02T09:20:00-05:00",
         "participant": [{"actor": subject, "status": "accepted"}]},
    ]  # fmt: skip
    for number, order in enumerate(each for each in resources if each["resourceType"] == "MedicationRequest"):
        drug = {"medicationCodeableConcept": order["medicationCodeableConcept"], "subject": order["subject"]}
        at = f"2026-02-0{1 + number % 8}T08:15:00-06:00"
        supply = {"quantity": {"value": 30 + number, "unit": "{tablet}", "code": "{tablet}"}, "whenHandedOver": at}
        dose = {"dose": {"value": 1 + number, "unit": "mg", "code": "mg"}, "text": "With water"}
        of_order = [{"reference": f"MedicationRequest/{order['id']}"}]
        if number % 2:
            supply["authorizingPrescription"] = of_order
        status = "not-done" if number % 3 else "completed"
        given = {"effectiveDateTime": at, "dosage": dose}
        made += [
            {"resourceType": "MedicationDispense", "id": f"d{number}", "status": "completed", **drug, **supply},
            {"resourceType": "MedicationAdministration", "id": f"a{number}", "status": status, **drug, **given},
        ]
    return made


@pytest.fixture
def hospital(db: None) -> list[Any]:
    """The persons of a small synthetic hospital, filed."""
    from charthouse.intake.api import Connector, take_in
    from charthouse.teaching.domain.hospital import Hospital, patients
    from charthouse.teaching.domain.plants import DEFAULT_RATES

    for one in patients(Hospital(11, ANCHOR, dict(DEFAULT_RATES)), 1, HOW_MANY):
        for message in one.messages:
            list(take_in(io.BytesIO(message.data), connector=Connector.FILES))
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT person FROM identity_source_patient")
        return [person for (person,) in cursor.fetchall()]


@pytest.mark.slow
def test_a_ccd_out_and_in_again_is_equal(hospital: list[Any]) -> None:
    from charthouse.web.actions.export_document import _contents

    ctx = system_context("test")
    kinds: Counter[str] = Counter()
    filled: Counter[str] = Counter()
    for person in hospital:
        contents, _ = _contents(ctx, person, DocumentKind.CCD, "")
        contents = replace(
            contents, resources=[*contents.resources, *given_of(contents.patient, contents.resources)]
        )
        written = write(
            DocumentKind.CCD, contents, KEEPER, id="5f0c6d1e-6b0f-4b52-9a3c-51b7f6c3a001", at=ANCHOR, by="A. Clerk"
        )
        inside = set(written.items)
        sent = [each for each in contents.resources if (each["resourceType"], each["id"]) in inside]
        for each in contents.resources:
            held = {
                code["code"]
                for one in each.get("category", ())
                if isinstance(one, dict)
                for code in one.get("coding", ())
            }
            if each["resourceType"] in WHOLE or (each["resourceType"] == "Observation" and held & CATEGORIES):
                assert (each["resourceType"], each["id"]) in inside, each
        found = converted(written.content)
        assert not found.faults
        assert all(section.outcome in ("read", "empty") for section in found.sections), found.sections
        filled.update({section.kind: section.read for section in found.sections})
        back = [draft.resource for draft in found.drafts]
        kinds.update(each["resourceType"] for each in sent)
        reports = {
            repr(each) for one in sent if one["resourceType"] == "DiagnosticReport" for each in essentials(one)
        }
        assert reports <= set(gathered(each for each in back if each["resourceType"] == "DiagnosticReport"))
        here = gathered(each for each in sent if each["resourceType"] != "DiagnosticReport")
        there = gathered(each for each in back if each["resourceType"] not in ("DiagnosticReport",))
        lost, more = here - there, there - here
        assert not lost and not more, "\n".join(
            [*(f"- {each}" for each in sorted(lost)[:6]), *(f"+ {each}" for each in sorted(more)[:6])]
        )
    assert kinds["Observation"] > 100 and {
        "AllergyIntolerance",
        "Condition",
        "MedicationRequest",
        "MedicationDispense",
        "MedicationAdministration",
        "Encounter",
        "Coverage",
        "Procedure",
        "Immunization",
        "MedicationStatement",
        "Appointment",
        "DiagnosticReport",
    } <= set(kinds)
    # Each section that is written had something in it.
    assert all(filled.values()) and set(filled) >= SECTIONS, filled
