"""The second tier on single resources: bindings, targets of references, invariants, and what it must not find."""

from __future__ import annotations

import bz2
from pathlib import Path
from typing import Any

import orjson
import pytest

from charthouse.exchange.fhir.api import is_valid
from charthouse.exchange.fhir.conformance.api import check
from charthouse.exchange.fhir.conformance.checking import all_invariants
from charthouse.exchange.fhir.conformance.fhirpath import NotEvaluable, holds
from charthouse.exchange.fhir.conformance.invariants import BY_HAND
from charthouse.exchange.fhir.definitions import conformance_definitions

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
    "subject": {"reference": "Patient/p"},
}
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
CONDITION: dict[str, Any] = {
    "resourceType": "Condition",
    "subject": {"reference": "Patient/p"},
    "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
}


def found(resource: dict[str, Any]) -> list[tuple[str, str]]:
    assert is_valid(resource), "the door would refuse this"
    return [(each.code, each.path) for each in check(resource).findings]


def test_nothing_is_found_in_what_is_right() -> None:
    assert found(OBSERVATION) == [] and found(CONDITION) == []


@pytest.mark.parametrize(
    ("concept", "wrong"),
    [
        ({"coding": [{"system": CLINICAL, "code": "aktiv"}]}, True),
        ({"coding": [{"system": "urn:own", "code": "active"}]}, True),
        ({"coding": [{"code": "active"}]}, True),
        ({"text": "active"}, True),
        ({"coding": [{"system": "urn:own", "code": "x"}, {"system": CLINICAL, "code": "resolved"}]}, False),
        ({"extension": [{"url": "urn:why", "valueCode": "unknown"}]}, False),
    ],
)
def test_a_required_binding_wants_one_code_of_the_set(concept: dict[str, Any], wrong: bool) -> None:
    expected = [("code-invalid", "Condition.clinicalStatus")] if wrong else []
    assert found({**CONDITION, "clinicalStatus": concept}) == expected


def test_an_extensible_binding_lets_others_stand_and_names_what_its_own_system_has_not() -> None:
    def history(system: str, code: str) -> dict[str, Any]:
        return {
            "resourceType": "FamilyMemberHistory",
            "status": "completed",
            "patient": {"reference": "Patient/p"},
            "relationship": {"text": "Mother"},
            "sex": {"coding": [{"system": system, "code": code}]},
        }

    gender = "http://hl7.org/fhir/administrative-gender"
    assert found(history(gender, "female")) == [] and found(history("urn:own", "F")) == []
    (warning,) = check(history(gender, "F")).findings
    assert warning.severity == "warning" and "'F'" not in warning.message


def test_a_reference_to_a_type_that_may_not_be_there() -> None:
    wrong = {
        **OBSERVATION,
        "subject": {"reference": "Medication/m"},
        "encounter": {"reference": "https://a.b/Patient/x"},
    }
    checked = check(wrong)
    assert [each.path for each in checked.findings] == ["Observation.subject", "Observation.encounter"]
    assert checked.references == {"Observation.subject.reference": ("Medication/m", "Observation.subject")}
    by_type = {**OBSERVATION, "subject": {"type": "Organization", "display": "a clinic"}}
    assert found(by_type) == [("value", "Observation.subject")]
    inside = {"resourceType": "Organization", "id": "o", "name": "A clinic"}
    assert found({**OBSERVATION, "contained": [inside], "subject": {"reference": "#o"}}) == [
        ("value", "Observation.subject")
    ]


@pytest.mark.parametrize(
    ("change", "key", "path"),
    [
        ({"valueString": "x", "dataAbsentReason": {"text": "y"}}, "obs-6", "Observation"),
        (
            {"valueString": "x", "component": [{"code": OBSERVATION["code"], "valueString": "z"}]},
            "obs-7",
            "Observation",
        ),
        ({"effectivePeriod": {"start": "2024-05-02", "end": "2024-05-01"}}, "per-1", "Observation.effectivePeriod"),
        ({"valueQuantity": {"value": 1, "code": "kg"}}, "qty-3", "Observation.valueQuantity"),
        ({"referenceRange": [{"age": {"low": {"value": 1}}}]}, "obs-3", "Observation.referenceRange[0]"),
        ({"extension": [{"url": "urn:x"}]}, "ext-1", "Observation.extension[0]"),
        ({"performer": [{"reference": "#gone"}]}, "ref-1", "Observation.performer[0]"),
        ({"contained": [{"resourceType": "Patient", "id": "a"}]}, "dom-3", "Observation"),
        ({"valueRange": {"low": {"value": 5}, "high": {"value": 2}}}, "rng-2", "Observation.valueRange"),
        ({"valueRatio": {"numerator": {"value": 5}}}, "rat-1", "Observation.valueRatio"),
    ],
)
def test_invariants(change: dict[str, Any], key: str, path: str) -> None:
    resource = {**OBSERVATION, **change}
    assert is_valid(resource)
    assert [(each.message.partition(":")[0], each.path) for each in check(resource).findings] == [(key, path)]


@pytest.mark.parametrize(
    "change",
    [
        {"effectivePeriod": {"start": "2024-05-02T10:00:00Z", "end": "2024-05-02"}},
        {"effectivePeriod": {"start": "2024", "end": "2024-01-01"}},
        {"effectivePeriod": {"start": "2024-05-02T10:00:00+02:00", "end": "2024-05-02T09:00:00Z"}},
        {"valueRange": {"low": {"value": 5, "unit": "g"}, "high": {"value": 2, "unit": "kg"}}},
        {"performer": [{"reference": "#a"}], "contained": [{"resourceType": "Practitioner", "id": "a"}]},
    ],
)
def test_what_is_not_certain_is_not_found(change: dict[str, Any]) -> None:
    assert found({**OBSERVATION, **change}) == []


def test_within_bundles_and_contained_resources_each_resource_is_checked_in_its_place() -> None:
    inner = {**CONDITION, "id": "c", "clinicalStatus": {"text": "?"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x", "resource": inner}]}
    (finding,) = check(bundle).findings
    assert finding.path == "Bundle.entry[0].resource.clinicalStatus" and finding.rule.endswith(
        ":Bundle.entry.resource.clinicalStatus"
    )


def test_every_invariant_of_r4_can_be_asked_but_those_named() -> None:
    cannot = {key for key, made in all_invariants().items() if made is None}
    assert cannot == {"ctm-1"}, "which needs what a reference leads to"


def test_invariants_by_hand_answer_as_their_expressions_do(synthea: list[Path]) -> None:
    known = conformance_definitions()["invariants"]
    asked = 0
    for path in synthea[2:4]:
        for entry in orjson.loads(bz2.decompress(path.read_bytes()))["entry"][:150]:
            resource = entry["resource"]
            for key, value in _elements(resource, resource):
                expression = known[key]["expression"]
                try:
                    by_path = holds(expression, value, resource, resource)
                except NotEvaluable:
                    continue
                from charthouse.exchange.fhir.conformance.fhirpath import Scope

                asked += 1
                assert (BY_HAND[key](value, Scope(resource, resource, value)) is not False) is by_path, key
    assert asked > 1_000


def _elements(value: Any, resource: Any) -> list[tuple[str, Any]]:
    """Elements with the keys of invariants by hand that may be asked of them."""
    pairs: list[tuple[str, Any]] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            waiting.extend(each.values())
            if "start" in each or "end" in each:
                pairs.append(("per-1", each))
            if "reference" in each and isinstance(each["reference"], str):
                pairs.append(("ref-1", each))
            if "value" in each and isinstance(each["value"], int | float):
                pairs.append(("qty-3", each))
            if each.get("resourceType") == "Observation":
                pairs += [("obs-6", each), ("obs-7", each)]
    return pairs


def test_nothing_is_found_in_the_sample_patients(synthea: list[Path]) -> None:
    said = {
        (each.rule, each.message)
        for path in synthea[:6]
        for entry in orjson.loads(bz2.decompress(path.read_bytes()))["entry"]
        for each in check(entry["resource"]).findings
    }
    assert said == set()
