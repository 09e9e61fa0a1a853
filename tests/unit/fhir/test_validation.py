"""Resources are held to R4's schema, and what is wrong is told in words without repeating what was sent."""

from __future__ import annotations

from typing import Any

import pytest

from charthouse.exchange.fhir.api import is_valid, resource_types, validate
from charthouse.exchange.fhir.definitions import schema_definitions
from charthouse.exchange.fhir.validation import missing_elements

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "name": [{"family": "Ångström", "given": ["A", None], "_given": [None, {"extension": [{"url": "u"}]}]}],
    "birthDate": "1950-02",
    "deceasedDateTime": "2020-02-29T23:59:60Z",
    "multipleBirthInteger": 2,
}


def problems(**changes: Any) -> dict[str, str]:
    """What is wrong with the patient after ``changes``: path to message."""
    return {problem.path: problem.message for problem in validate({**PATIENT, **changes})}


def test_a_right_resource_has_no_problems() -> None:
    assert is_valid(PATIENT)
    assert validate(PATIENT) == []


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"birthDate": "02/1950"}, "Patient.birthDate", "a date (YYYY, YYYY-MM or YYYY-MM-DD)"),
        ({"birthDate": 1950}, "Patient.birthDate", "found a whole number"),
        ({"deceasedDateTime": "2020-02-29T23:59"}, "Patient.deceasedDateTime", "seconds and zone"),
        ({"deceasedBoolean": "yes"}, "Patient.deceasedBoolean", "Expected true or false, found a string"),
        (
            {"multipleBirthInteger": 1.5},
            "Patient.multipleBirthInteger",
            "whole number, found a number with a fraction",
        ),
        ({"gender": "m"}, "Patient.gender", "'male', 'female', 'other' or 'unknown'"),
        ({"name": {"family": "A"}}, "Patient.name", "Expected a list, found an object"),
        ({"name": ["A"]}, "Patient.name[0]", "Expected an object (HumanName), found a string"),
        (
            {"name": [{"family": ""}]},
            "Patient.name[0].family",
            "a string that is not empty and has no control characters",
        ),
        (
            {"name": [{"given": [7]}]},
            "Patient.name[0].given[0]",
            "a string that is not empty and has no control characters, found a whole number",
        ),
        ({"maritalStatus": "M"}, "Patient.maritalStatus", "an object (CodeableConcept)"),
        ({"generalPractitioner": ["x"]}, "Patient.generalPractitioner[0]", "an object (Reference)"),
        ({"meta": None}, "Patient.meta", "found null"),
        ({"id": "a b"}, "Patient.id", "1 to 64 letters"),
        ({"photo": [{"size": -1}]}, "Patient.photo[0].size", "from 0 up"),
        ({"communication": [{}]}, "Patient.communication[0]", "'language' is required"),
        ({"ssn": "1"}, "Patient", "'ssn' is not part of R4"),
        (
            {"contained": [{"resourceType": "Medication", "code": 3}]},
            "Patient.contained[0].code",
            "CodeableConcept",
        ),
        ({"contained": [{"resourceType": "Nonsense"}]}, "Patient.contained[0].resourceType", "one of 146 codes"),
        ({"contained": [7]}, "Patient.contained[0]", "Expected a resource"),
        ({"contained": [{}]}, "Patient.contained[0]", "'resourceType' is required"),
        ({"text": {"status": "generated", "div": 7}}, "Patient.text.div", "XHTML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(change: dict[str, Any], path: str, words: str) -> None:
    found = problems(**change)
    assert path in found
    assert words in found[path]
    assert not is_valid({**PATIENT, **change})


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ({}, "resource"),
        ({"resourceType": 7}, "resource"),
        ({"resourceType": ["Patient"]}, "resource"),
        ({"resourceType": "Nonsense"}, "resource"),
        ({"resourceType": "DomainResource"}, "resource"),
        ({"resourceType": "Observation", "status": "final"}, "Observation"),
        (
            {
                "resourceType": "Bundle",
                "type": "batch",
                "entry": [{"resource": {"resourceType": "Patient", "x": 1}}],
            },
            "Bundle.entry[0].resource",
        ),
        (
            {
                "resourceType": "Bundle",
                "type": "batch-response",
                "entry": [
                    {"response": {"status": "400", "outcome": {"resourceType": "OperationOutcome", "issue": 1}}}
                ],
            },
            "Bundle.entry[0].response.outcome.issue",
        ),
        (
            {
                "resourceType": "Parameters",
                "parameter": [
                    {"name": "a", "part": [{"name": "b", "resource": {"resourceType": "Patient", "active": 1}}]}
                ],
            },
            "Parameters.parameter[0].part[0].resource.active",
        ),
    ],
)
def test_resources_within_and_types_are_checked(resource: dict[str, Any], path: str) -> None:
    assert [problem.path for problem in validate(resource)] == [path]


def test_no_value_is_repeated() -> None:
    secret = "Quvenzhane-1944"
    told = " ".join(
        str(problem)
        for problem in validate(
            {
                **PATIENT,
                secret + " ": 1,
                "birthDate": secret,
                "gender": secret,
                "active": secret,
                "name": [{"given": secret}],
                "contact": secret,
                "contained": [{"resourceType": secret}],
                "extension": [{"url": secret + " x", "valueDate": secret}],
            }
        )
    )
    assert told.count("Expected") > 5
    assert secret not in told


def test_a_flood_of_problems_is_cut() -> None:
    assert len(validate({**PATIENT, "name": [{"family": 1}] * 5000})) == 100


def test_every_type_has_a_schema_that_compiles() -> None:
    assert len(resource_types()) == 146
    for kind in resource_types():
        assert validate({"resourceType": kind, "madeUp": 1})


def test_a_canonical_may_have_extensions_like_every_primitive() -> None:
    extended = {"extension": [{"url": "http://example.org/why", "valueString": "moved"}]}
    meta = {"profile": ["http://example.org/p", None], "_profile": [None, extended]}
    assert validate({"resourceType": "Patient", "meta": meta}) == []
    measure = {
        "resourceType": "Measure",
        "status": "draft",
        "_url": extended,
        "library": [None],
        "_library": [extended],
    }
    assert validate(measure) == []
    (wrong,) = validate({"resourceType": "Patient", "meta": {"_profile": [5]}})
    assert wrong.path == "Patient.meta._profile[0]"


def test_what_must_be_there_is_asked_for_as_value_or_with_an_extension() -> None:
    coded = {"text": "Sodium"}
    observation: dict[str, Any] = {"resourceType": "Observation", "code": coded, "component": [{"code": coded}, {}]}
    assert [str(each) for each in missing_elements(observation)] == [
        "Observation: The element 'status' is required and missing.",
        "Observation.component[1]: The element 'code' is required and missing.",
    ]
    unknown = {"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]}
    assert missing_elements({"resourceType": "Observation", "code": coded, "_status": unknown}) == []
    order = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"display": "X"},
    }
    (wrong,) = missing_elements(
        {**order, "contained": [{"resourceType": "Patient", "link": [{"type": "seealso"}]}]}
    )[:1]
    assert "medication[x]" in wrong.message
    (wrong,) = missing_elements(
        {
            **order,
            "medicationReference": {},
            "contained": [{"resourceType": "Patient", "link": [{"type": "seealso"}]}],
        }
    )
    assert wrong.path == "MedicationRequest.contained[0].link[0]"


def test_nothing_of_other_authors_is_in_the_schema() -> None:
    definitions = schema_definitions()
    assert set(definitions["Meta"]["properties"]) == {
        *("id", "extension", "versionId", "_versionId", "lastUpdated", "_lastUpdated", "source", "_source"),
        *("profile", "_profile", "security", "tag"),
    }
    assert set(definitions["Reference"]["properties"]) == {
        *("id", "extension", "reference", "_reference", "type", "_type", "identifier", "display", "_display"),
    }
    assert "Project" not in definitions


def test_any_blank_may_stand_in_a_string_and_no_control_character() -> None:
    """People paste no-break spaces; the S of HL7's schema would refuse the whole record for one."""
    for text in ("Van\u00a0Dyke", "a\u2003b", "a\tb\r\n", "\u0085"):
        assert is_valid({"resourceType": "Patient", "name": [{"family": text}]})
    for text in ("", "a\x0bb", "\x1f"):
        assert not is_valid({"resourceType": "Patient", "name": [{"family": text}]})
