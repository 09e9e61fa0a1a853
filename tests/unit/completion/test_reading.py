"""Facts as resources tell them, and what is missing or broken is unknown, never an error."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charthouse.completion import reading
from charthouse.completion.domain.facts import Disposition, DocumentFact, EncounterKind, Party, Role, Side
from charthouse.record import api as record

LOINC = "http://loinc.org"
PCS = "http://www.cms.gov/Medicare/Coding/ICD10"


def stored(resource: dict[str, Any]) -> record.Stored:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return record.Stored(
        1,
        resource["resourceType"],
        "id",
        1,
        2,
        3,
        0,
        record.State.ACTIVE,
        at,
        1,
        1,
        None,
        "",
        at,
        orjson.dumps(resource),
    )


def at(hour: int, minute: int = 0) -> str:
    return f"2026-01-12T{hour:02d}:{minute:02d}:00-06:00"


def encounter(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "IMP"},
        "period": {"start": at(8), "end": at(20)},
        **more,
    }


@pytest.mark.parametrize(
    ("history", "now", "kind", "admitted"),
    [
        ([], "IMP", EncounterKind.INPATIENT, at(8)),
        ([], "EMER", EncounterKind.EMERGENCY, None),
        ([], "AMB", EncounterKind.CLINIC, None),
        ([], "OBSENC", EncounterKind.OBSERVATION, at(8)),
        (["EMER"], "IMP", EncounterKind.INPATIENT, at(10)),
        # HL7 v2 has no class for observation: an outpatient after the emergency department.
        (["EMER"], "AMB", EncounterKind.OBSERVATION, at(10)),
        (["PRENC"], "AMB", EncounterKind.CLINIC, None),
    ],
)
def test_an_encounter_is_the_most_that_it_became(
    history: list[str], now: str, kind: EncounterKind, admitted: str | None
) -> None:
    past = [{"class": {"code": each}, "period": {"start": at(8), "end": at(10)}} for each in history]
    found = reading.encounter_of(stored(encounter(classHistory=past, **{"class": {"code": now}})))
    assert found.kind is kind
    assert found.admitted == (datetime.fromisoformat(admitted) if admitted else None)


def test_an_encounter_tells_who_where_and_how_it_ended() -> None:
    told = encounter(
        participant=[
            {
                "type": [{"coding": [{"code": "ATND"}]}],
                "period": {"start": at(8)},
                "individual": {"reference": "Practitioner/a", "display": "Dr A"},
            },
            {"type": [{"coding": [{"code": "TRANS"}]}], "individual": {"reference": "Practitioner/b"}},
        ],
        location=[
            {"location": {"display": "ED"}, "period": {"start": at(8), "end": at(10)}},
            {"location": {"display": "Bed that was kept"}, "status": "reserved", "period": {"start": at(9)}},
        ],
        hospitalization={"dischargeDisposition": {"coding": [{"code": "aadvice"}, {"code": "07"}]}},
        diagnosis=[
            {"condition": {"reference": "Condition/w"}, "use": {"coding": [{"code": "W"}]}},
            {"condition": {"reference": "Condition/f"}, "use": {"coding": [{"code": "F"}]}, "rank": 1},
        ],
        identifier=[{"value": "A1"}, {"value": "V1", "type": {"coding": [{"code": "VN"}]}}],
    )
    found = reading.encounter_of(stored(told))
    who = [(each.role, each.who) for each in found.takings]
    assert who == [(Role.ATTENDING, Party("a", "Dr A")), (Role.OTHER, Party("b"))]
    assert [each.place for each in found.moves] == ["ED"]
    assert found.disposition is Disposition.AGAINST_ADVICE
    assert [(each.id, each.final) for each in found.diagnoses] == [("w", False), ("f", True)]
    assert found.number == "V1"
    assert reading.encounter_of(stored(encounter(status="in-progress"))).end is None


def document(code: str = "11504-8", text: str = "", **more: Any) -> DocumentFact | None:
    data = base64.b64encode(text.encode()).decode()
    told = {
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "final",
        "type": {"coding": [{"system": LOINC, "code": code}]},
        "date": at(15),
        "context": {"period": {"start": at(9)}},
        "masterIdentifier": {"value": "D1"},
        "content": [{"attachment": {"contentType": "text/plain", "data": data}}],
        **more,
    }
    return reading.document_of(stored(told))


def test_of_an_examination_it_counts_when_it_was_done_and_of_a_report_when_it_was_written() -> None:
    history, report = document("34117-2"), document("11504-8")
    assert history is not None and history.authored == datetime.fromisoformat(at(9))
    assert report is not None and report.authored == datetime.fromisoformat(at(15))
    assert report.number == "D1" and not report.unsigned
    # A time of service with an end is the whole visit's.
    visit = document("34117-2", context={"period": {"start": at(9), "end": at(20)}})
    assert visit is not None and visit.authored == datetime.fromisoformat(at(15))


def test_what_was_taken_back_or_replaced_is_no_fact() -> None:
    assert document(status="entered-in-error") is None
    assert document(docStatus="entered-in-error") is None
    assert document(status="superseded") is None
    unsigned = document(docStatus="preliminary")
    assert unsigned is not None and unsigned.unsigned


@pytest.mark.parametrize(
    ("text", "sides", "day"),
    [
        ("PROCEDURE: right knee\nDATE: 01/12/2026   IN 08:10", {Side.RIGHT}, date(2026, 1, 12)),
        (
            "Procedure performed: left hip\nPosition: right lateral\nDate of surgery: 2026-01-12",
            {Side.LEFT},
            date(2026, 1, 12),
        ),
        ("I consent to: bilateral knee replacement", {Side.BILATERAL}, None),
        ("The right knee was opened. The left was not.", {Side.RIGHT, Side.LEFT}, None),
        ("PROCEDURE: appendectomy\nDATE: 13/45/2026", set(), None),
    ],
)
def test_a_report_tells_side_and_day(text: str, sides: set[Side], day: date | None) -> None:
    found = document(text=text)
    assert found is not None
    assert (found.sides, found.operated_on) == (sides, day)


@pytest.mark.parametrize(
    ("code", "operation", "tissue"),
    [
        ("0SRC0J9", True, None),
        ("0FT44ZZ", True, True),
        ("0DBN8ZZ", True, True),
        ("10D00Z1", True, None),
        ("10E0XZZ", False, None),
        ("30233N1", False, None),
        ("0HQ0XZZ", False, None),
    ],
)
def test_an_operation_and_removed_tissue_are_known_by_the_code(
    code: str, operation: bool, tissue: bool | None
) -> None:
    found = reading.procedure_of(
        stored(
            {
                "resourceType": "Procedure",
                "status": "completed",
                "code": {"coding": [{"system": PCS, "code": code}]},
            }
        )
    )
    assert (found.operation, found.tissue, found.anesthesia) == (operation, tissue, None)


def test_a_procedure_tells_who_and_what_anesthesia() -> None:
    told = {
        "resourceType": "Procedure",
        "status": "completed",
        "performedPeriod": {"start": at(9), "end": at(10)},
        "code": {"text": "Replacement of Left Knee Joint"},
        "performer": [
            {"actor": {"reference": "Practitioner/n"}, "function": {"coding": [{"code": "88189002"}]}},
            {"actor": {"reference": "Practitioner/s"}, "function": {"coding": [{"code": "304292004"}]}},
        ],
        "extension": [{"url": reading.ANESTHESIA, "valueCodeableConcept": {"text": "General"}}],
    }
    found = reading.procedure_of(stored(told))
    surgeon = found.by(Role.SURGEON)
    assert surgeon is not None and surgeon.id == "s"
    assert (found.side, found.anesthesia, found.general) == (Side.LEFT, True, True)
    local = {
        **told,
        "performer": [],
        "extension": [{"url": reading.ANESTHESIA, "valueCodeableConcept": {"text": "Local"}}],
    }
    assert reading.procedure_of(stored(local)).anesthesia is False


@pytest.mark.parametrize(
    ("more", "emergency"),
    [
        ({}, False),
        ({"category": {"coding": [{"system": "http://snomed.info/sct", "code": "387713003"}]}}, False),
        ({"category": {"coding": [{"system": "http://snomed.info/sct", "code": "373110003"}]}}, True),
        ({"category": {"coding": [{"code": "Emergency"}]}}, True),
        ({"code": {"coding": [{"system": PCS, "code": "0DTJ4ZZ"}, {"system": PCS, "code": "0DTJ4ZZ:ET"}]}}, True),
    ],
)
def test_an_operation_says_whether_it_could_wait(more: dict[str, Any], emergency: bool) -> None:
    found = reading.procedure_of(stored({"resourceType": "Procedure", "status": "completed", **more}))
    assert found.emergency is emergency


def test_the_first_and_the_last_year_there_is_are_no_times() -> None:
    found = reading.encounter_of(
        stored(encounter(period={"start": "0001-01-01T00:00:00+14:00", "end": "9999-12-31T23:59:59-12:00"}))
    )
    assert (found.start, found.end) == (None, None)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8) | st.just(at(9)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "coding",
                    "code",
                    "system",
                    "period",
                    "start",
                    "end",
                    "reference",
                    "display",
                    "url",
                    "text",
                    "class",
                    "type",
                    "individual",
                    "actor",
                    "function",
                    "value",
                    "at",
                    "valueDateTime",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
ELEMENTS = [
    "status",
    "class",
    "classHistory",
    "period",
    "participant",
    "location",
    "hospitalization",
    "diagnosis",
    "identifier",
    "type",
    "date",
    "docStatus",
    "context",
    "author",
    "authenticator",
    "extension",
    "content",
    "relatesTo",
    "attester",
    "code",
    "category",
    "performer",
    "performedPeriod",
    "performedDateTime",
    "bodySite",
    "requester",
    "authoredOn",
    "collection",
    "masterIdentifier",
    "serviceProvider",
    "issued",
    "resultsInterpreter",
    "event",
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(
        [
            "Encounter",
            "DocumentReference",
            "Composition",
            "DiagnosticReport",
            "Procedure",
            "ServiceRequest",
            "Specimen",
        ]
    ),
    st.dictionaries(st.sampled_from(ELEMENTS), values, max_size=8),
)
def test_whatever_a_resource_says_reading_it_is_no_error(kind: str, told: dict[str, Any]) -> None:
    one = stored({**told, "resourceType": kind})
    match kind:
        case "Encounter":
            reading.encounter_of(one)
        case "Procedure":
            reading.procedure_of(one)
        case "Specimen":
            reading.specimen_of(one)
        case "ServiceRequest":
            reading.order_of(one)
            reading.consult_of(one)
        case _:
            reading.document_of(one)
