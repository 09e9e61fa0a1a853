"""Index rows are what R4's search parameters ask for."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from charthouse.exchange.fhir.api import (
    BEGINNING,
    END_OF_TIME,
    NOT_EXTRACTED,
    Extractor,
    Parameter,
    Rows,
    all_parameters,
    default_parameters,
    extract,
    instant_range,
    is_valid,
    parameter_ids,
    patient_of,
    read_reference,
    resource_types,
)
from charthouse.exchange.fhir.rows import TABLE_OF_KIND

IDS = parameter_ids()
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"


def only(resource: dict[str, Any], *codes: str) -> Rows:
    """The rows of some parameters, taken alone, without the columns' help."""
    assert is_valid(resource)
    kind = resource["resourceType"]
    return Extractor({f"{kind}.{code}" for code in codes}).extract(resource, None, None)


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **elements}


# One kind and datatype after the other ----------------------------------------------------------------------------


def test_tokens_of_concepts() -> None:
    concept = {
        "coding": [
            {"system": LOINC, "code": "8480-6", "display": "Systolic"},
            {"system": "urn:local", "code": "sys"},
            {"code": "bare", "display": "Bare"},
        ],
        "text": "Systolic pressure",
    }
    assert only(observation(code=concept), "code").tokens == [
        (IDS["code"], LOINC, "8480-6", "Systolic"),
        (IDS["code"], "urn:local", "sys", "Systolic pressure"),
        (IDS["code"], None, "bare", "Bare"),
    ]
    assert only(observation(), "code").tokens == [(IDS["code"], None, None, "x")]
    coded = {"coding": [{"system": LOINC, "code": "1", "display": "One"}], "text": "Uno"}
    assert only(observation(code=coded), "code").tokens == [
        (IDS["code"], LOINC, "1", "One"),
        (IDS["code"], None, None, "Uno"),
    ]


def test_tokens_of_other_datatypes() -> None:
    patient = {
        "resourceType": "Patient",
        "active": False,
        "gender": "female",
        "identifier": [
            {"system": "urn:mrn", "value": "7", "type": {"text": "MRN"}},
            {"value": "8"},
            {"system": "x"},
        ],
        "telecom": [{"system": "phone", "value": "555"}, {"system": "email", "value": "a@b"}, {"use": "home"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "de"}]}}],
    }
    assert only(patient, "active").tokens == [(IDS["active"], None, "false", None)]
    assert only(patient, "gender").tokens == [(IDS["gender"], None, "female", None)]
    assert only(patient, "identifier").tokens == [
        (IDS["identifier"], "urn:mrn", "7", "MRN"),
        (IDS["identifier"], None, "8", None),
    ]
    assert only(patient, "telecom").tokens == [
        (IDS["telecom"], "phone", "555", None),
        (IDS["telecom"], "email", "a@b", None),
    ]
    assert only(patient, "phone").tokens == [(IDS["phone"], "phone", "555", None)]
    assert only(patient, "language").tokens == [(IDS["language"], "urn:ietf:bcp:47", "de", None)]
    encounter = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "urn:act", "code": "AMB", "display": "ambulatory"},
    }
    assert only(encounter, "class").tokens == [(IDS["class"], "urn:act", "AMB", "ambulatory")]
    tagged = observation(meta={"tag": [{"code": "t"}], "security": [{"system": "s", "code": "R"}]})
    assert only(tagged, "_tag").tokens == [(IDS["_tag"], None, "t", None)]
    assert only(tagged, "_security").tokens == [(IDS["_security"], "s", "R", None)]


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({}, "false"),
        ({"deceasedBoolean": False}, "false"),
        ({"deceasedBoolean": True}, "true"),
        ({"deceasedDateTime": "2012"}, "true"),
    ],
)
def test_deceased_has_an_answer_for_everyone(elements: dict[str, Any], code: str) -> None:
    rows = only({"resourceType": "Patient", **elements}, "deceased")
    assert rows.tokens == [(IDS["deceased"], None, code, None)]


def test_strings() -> None:
    patient = {
        "resourceType": "Patient",
        "name": [
            {"family": "Müller-Lüdenscheidt", "given": ["Jo", None, "O'Neil"], "_given": [None, {"id": "a"}, None]},
            {"text": "Jo M.", "prefix": ["Dr."]},
        ],
        "address": [{"line": ["1 High St."], "city": "Köln", "postalCode": "50667"}],
    }
    assert only(patient, "family").strings == [(IDS["family"], "muller ludenscheidt")]
    assert only(patient, "given").strings == [(IDS["given"], "jo"), (IDS["given"], "oneil")]
    assert {value for _, value in only(patient, "name").strings} == {
        *("muller ludenscheidt", "jo", "oneil", "dr", "jo m"),
    }
    assert {value for _, value in only(patient, "address").strings} == {"1 high st", "koln", "50667"}
    assert only(patient, "address-postalcode").strings == [(IDS["address-postalcode"], "50667")]
    assert only(observation(valueCodeableConcept={"text": "Ja!"}), "value-string").strings == [
        (IDS["value-string"], "ja")
    ]


def test_references() -> None:
    resource = observation(
        subject={"reference": "Group/1"},
        performer=[
            {"reference": "Practitioner/2/_history/3"},
            {"reference": "https://else.example/fhir/Patient/3"},
            {"reference": "urn:uuid:4", "type": "CareTeam"},
            {"reference": "#contained"},
            {"identifier": {"system": "urn:npi", "value": "5"}, "type": "Practitioner"},
            {"reference": "Practitioner/6", "identifier": {"value": "6"}},
            {"display": "someone"},
        ],
    )
    performer = IDS["performer"]
    assert only(resource, "performer").references == [
        (performer, "Practitioner", "2", None),
        (performer, "Patient", "3", "https://else.example/fhir/Patient/3"),
        (performer, "CareTeam", None, "urn:uuid:4"),
        (performer, "Practitioner", None, "urn:npi|5"),
        (performer, "Practitioner", "6", None),
        (performer, "Practitioner", None, "|6"),
    ]
    assert only(resource, "subject").references == [(IDS["subject"], "Group", "1", None)]
    assert only(resource, "patient").references == []
    response = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": "http://a.example/q|2",
    }
    assert only(response, "questionnaire").references == [
        (IDS["questionnaire"], None, None, "http://a.example/q"),
        (IDS["questionnaire"], None, None, "http://a.example/q|2"),
    ]


@pytest.mark.parametrize(
    ("elements", "low", "high"),
    [
        ({"effectiveDateTime": "2012"}, "2012-01-01", "2013-01-01"),
        ({"effectiveInstant": "2012-03-04T05:06:07Z"}, "2012-03-04T05:06:07Z", "2012-03-04T05:06:08Z"),
        ({"effectivePeriod": {"start": "2012-03", "end": "2012-04"}}, "2012-03-01", "2012-05-01"),
        ({"effectivePeriod": {"start": "2012-03"}}, "2012-03-01", None),
        ({"effectivePeriod": {"end": "2012-03-04"}}, None, "2012-03-05"),
        ({"effectiveTiming": {"event": ["2012-03-04", "2012-02-01"]}}, "2012-02-01", "2012-03-05"),
        ({"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2012"}}}}, "2012-01-01", None),
    ],
)
def test_dates(elements: dict[str, Any], low: str | None, high: str | None) -> None:
    expected = (
        BEGINNING if low is None else (instant_range(low) or (0, 0))[0],
        END_OF_TIME if high is None else (instant_range(high) or (0, 0))[0],
    )
    assert only(observation(**elements), "date").dates == [(IDS["date"], *expected)]


@pytest.mark.parametrize(
    "elements",
    [
        {"effectiveDateTime": "2023-02-30"},
        {"effectivePeriod": {}},
        {"effectivePeriod": {"start": "2023-02-30", "end": "2024"}},
        {"effectiveTiming": {"code": {"text": "BID"}}},
    ],
)
def test_no_date_no_row(elements: dict[str, Any]) -> None:
    assert only(observation(**elements), "date").dates == []


@pytest.mark.parametrize(
    ("elements", "low", "high"),
    [
        ({"valueQuantity": {"value": 72.50, "unit": "kg", "system": UCUM, "code": "kg"}}, 72.5, 72.5),
        ({"valueQuantity": {"value": 5, "comparator": "<", "unit": "kg", "system": UCUM, "code": "kg"}}, -inf, 5),
        ({"valueQuantity": {"value": 5, "comparator": ">=", "unit": "kg", "system": UCUM, "code": "kg"}}, 5, inf),
    ],
)
def test_quantities(elements: dict[str, Any], low: float, high: float) -> None:
    rows = only(observation(**elements), "value-quantity").quantities
    assert rows == [(IDS["value-quantity"], low, high, UCUM, "kg", "kg")]


def test_quantities_of_other_datatypes() -> None:
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
    age = {"value": 50, "system": UCUM, "code": "a"}
    assert only({**condition, "onsetAge": age}, "onset-age").quantities == [
        (IDS["onset-age"], 50, 50, UCUM, "a", None)
    ]
    assert only({**condition, "onsetRange": {"low": age}}, "onset-age").quantities == [
        (IDS["onset-age"], 50, inf, UCUM, "a", None)
    ]
    invoice = {"resourceType": "Invoice", "status": "issued", "totalNet": {"value": 9.99, "currency": "EUR"}}
    assert only(invoice, "totalnet").quantities == [
        (IDS["totalnet"], 9.99, 9.99, "urn:iso:std:iso:4217", "EUR", "EUR")
    ]
    sampled = {
        "origin": {"value": 0, "unit": "mV"},
        "period": 1,
        "dimensions": 1,
        "lowerLimit": -3,
        "upperLimit": 3,
    }
    assert only(observation(valueSampledData=sampled), "value-quantity").quantities == [
        (IDS["value-quantity"], -3, 3, None, None, "mV")
    ]


def test_numbers_and_uris() -> None:
    risk = {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": {"reference": "Patient/1"},
        "prediction": [
            {"probabilityDecimal": 0.25},
            {"probabilityRange": {"low": {"value": 1}, "high": {"value": 2}}},
        ],
    }
    assert only(risk, "probability").numbers == [(IDS["probability"], 0.25, 0.25), (IDS["probability"], 1, 2)]
    value_set = {"resourceType": "ValueSet", "status": "active", "url": "http://a.example/vs"}
    assert only(value_set, "url").uris == [(IDS["url"], "http://a.example/vs")]
    assert only(observation(meta={"profile": ["http://p"]}), "_profile").uris == [(IDS["_profile"], "http://p")]


def test_composites_pair_what_stands_together() -> None:
    def part(code: str, value: float) -> dict[str, Any]:
        return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": {"value": value}}

    pressure = observation(component=[part("8480-6", 120), part("8462-4", 80)])
    id = IDS["component-code-value-quantity"]
    assert only(pressure, "component-code-value-quantity").composites == [
        (id, (LOINC, "8480-6", None), (120, 120, None, None, None)),
        (id, (LOINC, "8462-4", None), (80, 80, None, None, None)),
    ]
    weight = {**part("29463-7", 70), "resourceType": "Observation", "status": "final"}
    assert only(weight, "code-value-quantity").composites == [
        (IDS["code-value-quantity"], (LOINC, "29463-7", None), (70, 70, None, None, None))
    ]
    sequence = {
        "resourceType": "MolecularSequence",
        "coordinateSystem": 0,
        "referenceSeq": {"chromosome": {"text": "1"}, "windowStart": 1, "windowEnd": 5},
        "variant": [{"start": 2, "end": 3}],
    }
    assert only(sequence, "chromosome-variant-coordinate").composites == [
        (IDS["chromosome-variant-coordinate"], (None, None, "1"), (2, 2), (3, 3))
    ]
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {}}],
        "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/1"}}],
    }
    assert only(document, "relationship").composites == [
        (IDS["relationship"], (None, "replaces", None), ("DocumentReference", "1", None))
    ]


def test_a_row_is_not_given_twice() -> None:
    resource = observation(category=[{"coding": [{"code": "a"}]}, {"coding": [{"code": "a"}]}])
    assert only(resource, "category").tokens == [(IDS["category"], None, "a", None)]


def test_endless_values_are_cut() -> None:
    long = "x" * 100_000
    resource = observation(
        code={"coding": [{"system": long, "code": long, "display": long}]},
        valueString=long,
        performer=[{"reference": "http://" + long}, {"identifier": {"value": long}}],
        meta={"profile": [long]},
    )
    rows = Extractor(all_parameters()).extract(resource)
    assert len(rows) > 5
    assert max(len(value) for row in rows for value in row if isinstance(value, str)) <= 512


# Columns and shared rows ------------------------------------------------------------------------------------------


def test_what_the_columns_hold_needs_no_row() -> None:
    resource = observation(
        subject={"reference": "Patient/1"},
        encounter={"reference": "Encounter/2"},
        performer=[{"reference": "Patient/1"}],
        meta={"lastUpdated": "2020-01-01T00:00:00Z", "profile": ["http://p"]},
    )
    rows = extract(resource)
    assert [row[:3] for row in rows.references] == [(IDS["performer"], "Patient", "1")]
    assert rows.uris == [(IDS["_profile"], "http://p")]
    assert rows.dates == []


def test_where_answers_are_found() -> None:
    def answers(kind: str, code: str) -> set[tuple[int | None, str | None, str | None, str | None]]:
        found = Extractor().parameters(kind)[code].answers
        return {(answer.id, answer.target, answer.system, answer.column) for answer in found}

    assert answers("Observation", "patient") == {
        (None, None, None, "patient"),
        (IDS["subject"], "Patient", None, None),
    }
    assert answers("Observation", "subject") == {(None, None, None, "patient"), (IDS["subject"], None, None, None)}
    assert answers("Observation", "combo-code") == {
        (IDS["code"], None, None, None),
        (IDS["component-code"], None, None, None),
    }
    assert answers("Patient", "phone") == {(IDS["telecom"], None, "phone", None)}
    assert answers("Encounter", "practitioner") == {(IDS["participant"], "Practitioner", None, None)}
    assert answers("Patient", "name") == {(IDS[code], None, None, None) for code in ("name", "family", "given")}
    assert answers("Patient", "_id") == {(None, None, None, "id")}
    assert answers("Patient", "link") == {(IDS["link"], None, None, None)}
    assert answers("Appointment", "location") == {(IDS["actor"], "Location", None, None)}


def found_by(parameter: Parameter, rows: Rows, resource: dict[str, Any]) -> set[tuple[Any, ...]]:
    """The values that a search by ``parameter`` meets, looked up where its answers are."""
    values: set[tuple[Any, ...]] = set()
    for answer in parameter.answers:
        if answer.column in ("patient", "encounter"):
            held = rows.patient if answer.column == "patient" else rows.encounter
            if held is not None:
                values.add(read_reference(held))
            continue
        for row in getattr(rows, TABLE_OF_KIND[parameter.kind]):
            if row[0] != answer.id:
                continue
            if answer.target is not None and row[1] != answer.target:
                continue
            if answer.system is not None and row[1] != answer.system:
                continue
            values.add(row[1:])
    return values


Random = Callable[[str, int], dict[str, Any]]


@pytest.mark.parametrize("kind", sorted(resource_types()))
def test_every_parameter_is_answered_as_if_it_stood_alone(kind: str, random_resource: Random) -> None:
    """Sharing rows and leaving out columns loses nothing, for random resources of every type."""
    extractor = Extractor(all_parameters())
    resources = [random_resource(kind, seed) for seed in range(4)]
    assert all(map(is_valid, resources))
    rows = [extractor.extract(resource) for resource in resources]
    for parameter in extractor.parameters(kind).values():
        if parameter.reason is not None or parameter.code in ("_id", "_lastUpdated"):
            continue
        alone = Extractor({parameter.name})
        for resource, shared in zip(resources, rows, strict=True):
            own = getattr(alone.extract(resource, None, None), TABLE_OF_KIND[parameter.kind])
            expected = {row[1:] for row in own}
            met = found_by(parameter, shared, resource)
            assert expected <= met, parameter.name
            # The patient's column may hold one by another element where the first is missing.
            assert met - expected <= {read_reference(patient_of(resource) or "")}, parameter.name


def test_every_parameter_is_extracted_or_its_reason_known() -> None:
    extractor = Extractor(all_parameters())
    reasons: dict[str, set[str]] = {}
    count = 0
    for kind in resource_types():
        for parameter in extractor.parameters(kind).values():
            count += 1
            assert bool(parameter.answers) == (parameter.reason is None), parameter.name
            if parameter.reason is not None:
                name = parameter.name if parameter.name in NOT_EXTRACTED else parameter.code
                reasons.setdefault(parameter.reason, set()).add(name)
    assert count == len(all_parameters()) > 2700
    assert {name for names in reasons.values() for name in names} == {
        *("_text", "_content", "_query", "near", "phonetic", "Bundle.composition", "Bundle.message"),
    }
    assert set(reasons) == set(NOT_EXTRACTED.values())


def test_parameters_are_switched_on_and_off() -> None:
    resource = observation(code={"text": "a"}, valueString="b", meta={"profile": ["http://p"]})
    assert len(Extractor(()).extract(resource)) == 0
    assert len(Extractor({"Observation.code"}).extract(resource)) == 1
    off = Extractor(default_parameters() - {"Observation.subject"})
    assert off.parameters("Observation")["subject"].reason == "switched off"
    assert off.parameters("Observation")["patient"].answers
    assert extract(resource).uris == [(IDS["_profile"], "http://p")]
    assert Extractor(default_parameters() - {"Observation._profile"}).extract(resource).uris == []


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match="not a resource type"):
        extract({"resourceType": "Nonsense"}, None, None)


def test_ids_never_change() -> None:
    """Rows in databases carry these."""
    assert {code: IDS[code] for code in ("_id", "code", "date", "identifier", "patient", "subject", "status")} == {
        "_id": 2,
        "code": 73,
        "date": 122,
        "identifier": 191,
        "patient": 275,
        "subject": 397,
        "status": 393,
    }
    assert sorted(IDS.values()) == list(range(1, len(IDS) + 1))
    assert len(IDS) >= 449
