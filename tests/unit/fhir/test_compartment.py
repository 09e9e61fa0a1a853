"""Whose a resource is, its encounter, its main date, its labels and state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from charthouse.exchange.fhir.api import (
    encounter_of,
    main_date,
    patient_of,
    patients_of,
    resource_types,
    security_codes,
    status_of,
)
from charthouse.exchange.fhir.compartment import MAIN_DATES
from charthouse.exchange.fhir.definitions import patient_compartment, schema_definitions

P1 = {"reference": "Patient/1"}
P2 = {"reference": "Patient/2"}
DOCTOR = {"reference": "Practitioner/3"}
URN = {"reference": "urn:uuid:4"}


@pytest.mark.parametrize(
    ("resource", "patient"),
    [
        ({"resourceType": "Patient", "id": "1", "link": [{"other": P2}]}, "Patient/1"),
        ({"resourceType": "Patient"}, None),
        ({"resourceType": "Observation", "subject": P1, "performer": [P2]}, "Patient/1"),
        ({"resourceType": "Observation", "performer": [DOCTOR, P2]}, "Patient/2"),
        ({"resourceType": "Observation", "performer": [DOCTOR]}, None),
        ({"resourceType": "Observation", "subject": {"reference": "Group/1"}}, None),
        ({"resourceType": "Observation", "subject": {"reference": "#c"}}, None),
        ({"resourceType": "Observation", "subject": {"display": "x"}}, None),
        ({"resourceType": "Observation", "subject": URN}, "urn:uuid:4"),
        ({"resourceType": "Observation", "subject": {**URN, "type": "Group"}}, None),
        ({"resourceType": "Observation", "performer": [URN]}, None),
        ({"resourceType": "Observation", "performer": [{**URN, "type": "Patient"}]}, "urn:uuid:4"),
        (
            {"resourceType": "Observation", "subject": {"reference": "Patient?identifier=a|b"}},
            "Patient?identifier=a|b",
        ),
        (
            {"resourceType": "Condition", "subject": {"reference": "http://x/fhir/Patient/1"}},
            "http://x/fhir/Patient/1",
        ),
        ({"resourceType": "Coverage", "policyHolder": P2, "beneficiary": P1}, "Patient/1"),
        (
            {"resourceType": "Appointment", "participant": [{"actor": DOCTOR}, {"actor": P1}, {"actor": P2}]},
            "Patient/1",
        ),
        ({"resourceType": "Provenance", "target": [{"reference": "Observation/1"}, P1]}, "Patient/1"),
        ({"resourceType": "AuditEvent", "agent": [{"who": DOCTOR}], "entity": [{"what": P1}]}, "Patient/1"),
        ({"resourceType": "Task", "for": P1}, "Patient/1"),
        ({"resourceType": "Device", "patient": P1}, "Patient/1"),
        ({"resourceType": "GuidanceResponse", "subject": P1}, "Patient/1"),
        ({"resourceType": "Organization"}, None),
        ({"resourceType": "Medication"}, None),
    ],
)
def test_whose_it_is(resource: dict[str, Any], patient: str | None) -> None:
    assert patient_of(resource) == patient


def test_types_behind_urns_are_asked_for() -> None:
    types = {"urn:uuid:4": "Patient", "urn:uuid:5": "Observation"}
    resource = {
        "resourceType": "Provenance",
        "target": [{"reference": "urn:uuid:5"}, URN, {"reference": "urn:uuid:6"}],
    }
    assert patient_of(resource, types.get) == "urn:uuid:4"
    assert patient_of({"resourceType": "Observation", "subject": {"reference": "urn:uuid:5"}}, types.get) is None
    assert encounter_of({"resourceType": "Observation", "encounter": URN}, types.get) is None


def test_all_patients_of_an_appointment() -> None:
    resource = {"resourceType": "Appointment", "participant": [{"actor": P1}, {"actor": P2}, {"actor": P1}]}
    assert patients_of(resource) == ["Patient/1", "Patient/2"]


@pytest.mark.parametrize("kind", sorted(patient_compartment()))
def test_every_type_of_the_compartment_finds_its_patient(
    kind: str, random_resource: Callable[[str, int], dict[str, Any]]
) -> None:
    assert any(patients_of(random_resource(kind, seed)) for seed in range(300))


@pytest.mark.parametrize(
    ("resource", "encounter"),
    [
        ({"resourceType": "Encounter", "id": "9"}, "Encounter/9"),
        ({"resourceType": "Observation", "encounter": {"reference": "Encounter/9"}}, "Encounter/9"),
        (
            {"resourceType": "DocumentReference", "context": {"encounter": [{"reference": "Encounter/9"}]}},
            "Encounter/9",
        ),
        (
            {
                "resourceType": "DocumentReference",
                "context": {"encounter": [{"reference": "EpisodeOfCare/1"}, {"reference": "Encounter/9"}]},
            },
            "Encounter/9",
        ),
        ({"resourceType": "MedicationAdministration", "context": {"reference": "Encounter/9"}}, "Encounter/9"),
        ({"resourceType": "Claim", "item": [{}, {"encounter": [{"reference": "Encounter/9"}]}]}, "Encounter/9"),
        ({"resourceType": "Procedure", "encounter": URN}, "urn:uuid:4"),
        ({"resourceType": "Observation", "encounter": {"display": "x"}}, None),
        ({"resourceType": "Patient", "id": "1"}, None),
    ],
)
def test_its_encounter(resource: dict[str, Any], encounter: str | None) -> None:
    assert encounter_of(resource) == encounter


@pytest.mark.parametrize(
    ("resource", "text"),
    [
        (
            {"resourceType": "Observation", "effectiveDateTime": "2012-03", "issued": "2013-01-01T00:00:00Z"},
            "2012-03",
        ),
        ({"resourceType": "Observation", "issued": "2013-01-01T00:00:00Z"}, "2013-01-01T00:00:00Z"),
        ({"resourceType": "Observation", "effectivePeriod": {"start": "2012", "end": "2013"}}, "2012"),
        ({"resourceType": "Observation", "effectiveTiming": {"event": [None, "2012"]}}, "2012"),
        (
            {"resourceType": "Observation", "effectiveDateTime": "2012-02-30", "issued": "2013-01-01T00:00:00Z"},
            "2013-01-01T00:00:00Z",
        ),
        ({"resourceType": "Encounter", "period": {"start": "2012"}}, "2012"),
        ({"resourceType": "Encounter", "period": {"end": "2012"}}, None),
        ({"resourceType": "Condition", "onsetString": "as a child", "recordedDate": "2012"}, "2012"),
        (
            {
                "resourceType": "DocumentReference",
                "date": "2013-01-01T00:00:00Z",
                "context": {"period": {"start": "2012"}},
            },
            "2012",
        ),
        ({"resourceType": "Immunization", "occurrenceDateTime": "2012"}, "2012"),
        ({"resourceType": "MedicationRequest", "authoredOn": "2012"}, "2012"),
        ({"resourceType": "Claim", "billablePeriod": {"end": "2013"}, "created": "2012"}, "2012"),
        ({"resourceType": "Appointment", "requestedPeriod": [{"start": "2012"}, {"start": "2013"}]}, "2012"),
        ({"resourceType": "Organization"}, None),
        ({"resourceType": "Patient", "birthDate": "2012"}, None),
    ],
)
def test_its_main_date(resource: dict[str, Any], text: str | None) -> None:
    found = main_date(resource)
    assert (found and found.text) == text


@pytest.mark.parametrize("kind", sorted(MAIN_DATES))
def test_every_main_date_is_found(kind: str, random_resource: Callable[[str, int], dict[str, Any]]) -> None:
    assert any(main_date(random_resource(kind, seed)) for seed in range(100))


def test_main_dates_are_elements_of_r4() -> None:
    definitions = schema_definitions()
    for kind, paths in MAIN_DATES.items():
        assert kind in resource_types()
        for path in paths:
            name = kind
            for key in path.split("."):
                schema = definitions[name]["properties"][key]
                name = (schema.get("$ref") or schema["items"]["$ref"]).rpartition("/")[2].removesuffix("OrNull")
            assert name in ("date", "dateTime", "instant"), path


def test_labels_from_everywhere() -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    assert security_codes({"resourceType": "Patient"}) == []
    assert security_codes({"resourceType": "Patient", "meta": {"security": [label, label, {"display": "x"}]}}) == [
        (label["system"], "R")
    ]
    assert security_codes(
        {"resourceType": "DocumentReference", "meta": {}, "securityLabel": [{"coding": [label, {"code": "HIV"}]}]}
    ) == [(label["system"], "R"), (None, "HIV")]
    assert security_codes({"resourceType": "Composition", "confidentiality": "V"}) == [(label["system"], "V")]
    inside = {"resourceType": "Observation", "meta": {"security": [{"system": "s", "code": "PSY"}]}}
    assert security_codes({"resourceType": "DiagnosticReport", "contained": [inside]}) == [("s", "PSY")]


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        ({"resourceType": "Observation", "status": "final"}, "final"),
        (
            {"resourceType": "Condition", "clinicalStatus": {"coding": [{"display": "x"}, {"code": "active"}]}},
            "active",
        ),
        ({"resourceType": "Condition", "clinicalStatus": {"text": "x"}}, None),
        ({"resourceType": "Patient"}, None),
    ],
)
def test_its_state(resource: dict[str, Any], status: str | None) -> None:
    assert status_of(resource) == status
