"""The rows of a chart: what is known in words, what is not known as unknown, and the mark of what is not final."""
# ruff: noqa: E501 (tables)

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from charthouse.record.chart import UNKNOWN, Code, Interpretation, Mark, PartKind, SpanKind
from charthouse.record.charting import clinical, documents, results
from charthouse.record.charting.elements import age, concept, instant, mark_of, person_name, when
from charthouse.record.charting.encounters import encounters
from charthouse.record.charting.item import Item
from charthouse.record.charting.summary import summary


def item(kind: str, stands: bool = True, **elements: Any) -> Item:
    content = json.dumps({"resourceType": kind, "id": "x", **elements}).encode()
    return Item(kind, "x", 1, 0, content, stands)


def observation(**elements: Any) -> Any:
    return results.results_of(item("Observation", **elements))[0]


# Marks


@pytest.mark.parametrize(
    ("resource", "mark"),
    [
        ({"resourceType": "Observation", "status": "final"}, Mark.NONE),
        ({"resourceType": "Observation", "status": "registered"}, Mark.DRAFT),
        ({"resourceType": "Observation", "status": "preliminary"}, Mark.DRAFT),
        ({"resourceType": "Observation", "status": "amended"}, Mark.CORRECTED),
        ({"resourceType": "Observation", "status": "corrected"}, Mark.CORRECTED),
        ({"resourceType": "Observation", "status": "cancelled"}, Mark.RETRACTED),
        ({"resourceType": "Observation", "status": "entered-in-error"}, Mark.RETRACTED),
        ({"resourceType": "Observation", "status": "unknown"}, Mark.NONE),
        ({"resourceType": "DiagnosticReport", "status": "partial"}, Mark.DRAFT),
        ({"resourceType": "DiagnosticReport", "status": "appended"}, Mark.CORRECTED),
        ({"resourceType": "DiagnosticReport", "status": "cancelled"}, Mark.RETRACTED),
        ({"resourceType": "DocumentReference", "status": "current"}, Mark.NONE),
        ({"resourceType": "DocumentReference", "status": "current", "docStatus": "final"}, Mark.NONE),
        ({"resourceType": "DocumentReference", "status": "current", "docStatus": "preliminary"}, Mark.UNSIGNED),
        ({"resourceType": "DocumentReference", "status": "current", "docStatus": "amended"}, Mark.CORRECTED),
        ({"resourceType": "DocumentReference", "status": "superseded"}, Mark.CORRECTED),
        ({"resourceType": "DocumentReference", "status": "current", "docStatus": "entered-in-error"}, Mark.RETRACTED),
        ({"resourceType": "Composition", "status": "preliminary"}, Mark.DRAFT),
        ({"resourceType": "Composition", "status": "final"}, Mark.NONE),
        ({"resourceType": "MedicationRequest", "status": "draft"}, Mark.DRAFT),
        ({"resourceType": "MedicationRequest", "status": "cancelled"}, Mark.NONE),
        ({"resourceType": "Appointment", "status": "cancelled"}, Mark.NONE),
        ({"resourceType": "Encounter", "status": "cancelled"}, Mark.NONE),
        ({"resourceType": "Immunization", "status": "not-done"}, Mark.NONE),
        ({"resourceType": "Condition"}, Mark.NONE),
        ({"resourceType": "Condition", "verificationStatus": {"coding": [{"code": "entered-in-error"}]}}, Mark.RETRACTED),
        ({"resourceType": "Condition", "verificationStatus": {"coding": [{"code": "refuted"}]}}, Mark.NONE),
        ({"resourceType": "AllergyIntolerance", "verificationStatus": {"coding": [{"code": "entered-in-error"}]}},
         Mark.RETRACTED),
    ],
)  # fmt: skip
def test_the_mark_of_what_is_not_final(resource: dict[str, Any], mark: Mark) -> None:
    assert mark_of(resource) is mark


def test_what_its_sender_deleted_is_retracted_whatever_it_says() -> None:
    assert item("Observation", status="final").row()["mark"] is Mark.NONE
    assert item("Observation", stands=False, status="final").row()["mark"] is Mark.RETRACTED


def test_entered_in_error_is_one_thing_for_the_state_and_the_mark() -> None:
    from charthouse.record.preparing import State, prepare

    for more in ({"status": "entered-in-error"}, {"docStatus": "entered-in-error", "status": "current"}):
        resource = {"resourceType": "DocumentReference", "id": "x", "content": [], **more}
        filing = prepare(resource, b"{}")
        assert list(State)[filing.state] is State.ENTERED_IN_ERROR
        assert mark_of(resource) is Mark.RETRACTED


# Results


def test_decimals_are_printed_as_they_came() -> None:
    content = b'{"resourceType":"Observation","id":"x","valueQuantity":{"value":72.50,"unit":"kg"}}'
    (row,) = results.results_of(Item("Observation", "x", 1, 0, content))
    assert (row.value, row.unit, row.number) == ("72.50", "kg", Decimal("72.50"))


@pytest.mark.parametrize(
    ("elements", "value"),
    [
        ({"valueQuantity": {"value": 5, "comparator": "<", "unit": "mg"}}, "<5"),
        ({"valueQuantity": {"unit": "mg"}}, ""),
        ({"valueCodeableConcept": {"coding": [{"code": "260385009", "display": "Negative"}]}}, "Negative"),
        ({"valueCodeableConcept": {"coding": [{"code": "260385009"}]}}, "260385009"),
        ({"valueString": "clear"}, "clear"),
        ({"valueBoolean": False}, "no"),
        ({"valueBoolean": True}, "yes"),
        ({"valueInteger": 0}, "0"),
        ({"valueRange": {"low": {"value": 1}, "high": {"value": 3, "unit": "cells"}}}, "1–3 cells"),
        ({"valueRange": {"low": {"value": 1}}}, "≥ 1"),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 64}}}, "1:64"),
        ({"valueTime": "08:15:00"}, "08:15:00"),
        ({"valueDateTime": "2026-01"}, "2026-01"),
        ({"valuePeriod": {"start": "2026"}}, "2026–"),
        ({"valueSampledData": {"origin": {"value": 0}, "period": 1, "dimensions": 1}}, ""),
        ({}, ""),
    ],
)
def test_every_kind_of_value_has_words(elements: dict[str, Any], value: str) -> None:
    assert observation(**elements).value == value


def test_an_absent_value_says_why_and_is_no_number() -> None:
    row = observation(dataAbsentReason={"coding": [{"code": "not-performed", "display": "Not performed"}]})
    assert (row.value, row.number, row.absent_reason) == ("", None, "Not performed")


def test_what_the_record_does_not_say_is_unknown() -> None:
    row = observation()
    assert (row.title, row.status, row.unit, row.range, row.note, row.code) == ("", "", "", "", "", None)
    assert row.when is UNKNOWN
    assert not row.when
    assert row.interpretation is Interpretation.NONE


@pytest.mark.parametrize(
    ("code", "expected"),
    [("H", "H"), ("HH", "HH"), ("LU", "LL"), ("A", "A"), ("POS", "POS"), ("weird", ""), ("", "")],
)
def test_interpretations_are_those_results_use(code: str, expected: str) -> None:
    row = observation(interpretation=[{"coding": [{"code": code}]}])
    assert row.interpretation == Interpretation(expected)


def test_components_are_rows_of_their_own() -> None:
    rows = results.results_of(
        item(
            "Observation", code={"text": "Blood pressure"},
            component=[
                {"code": {"text": "Systolic"}, "valueQuantity": {"value": 120, "unit": "mmHg"}},
                {"code": {"text": "Diastolic"}, "valueQuantity": {"value": 80, "unit": "mmHg"}},
            ],
        )
    )  # fmt: skip
    assert [(each.title, each.value) for each in rows] == [("Systolic", "120"), ("Diastolic", "80")]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([{"low": {"value": 3.5, "unit": "mmol/L"}, "high": {"value": 5.1, "unit": "mmol/L"}}], "3.5–5.1 mmol/L"),
        ([{"high": {"value": 5, "unit": "mg"}}], "≤ 5 mg"),
        ([{"text": "negative"}], "negative"),
        ([{"low": {}}, {"text": "see report"}], "see report"),
        ([], ""),
    ],
)
def test_reference_ranges_in_words(given: list[Any], words: str) -> None:
    assert observation(referenceRange=given).range == words


def test_a_panel_has_its_specimen_and_times() -> None:
    specimen = item(
        "Specimen", type={"text": "Serum"}, receivedTime="2026-02-03T09:00:00Z",
        collection={"collectedDateTime": "2026-02-03T08:00:00Z", "collector": {"display": "R. Vale"}},
    )  # fmt: skip
    report = item(
        "DiagnosticReport", status="final", code={"text": "Basic panel"}, conclusion="Within limits",
        result=[{"reference": "Observation/x"}], specimen=[{"reference": "Specimen/s"}],
    )  # fmt: skip
    (panel,) = results.panels([report], [item("Observation", valueString="x")], {"Specimen/s": specimen})
    assert (panel.title, panel.specimen, panel.conclusion) == ("Basic panel", "Serum", "Within limits")
    assert panel.collected.instant == datetime(2026, 2, 3, 8, tzinfo=UTC)
    assert panel.received.text == "2026-02-03T09:00:00Z"
    assert panel.detail == {"Collected by": "R. Vale"}


def test_vital_signs_stand_in_their_order_and_oldest_first() -> None:
    def vital(code: str, day: int, value: float) -> Item:
        return item(
            "Observation", code={"coding": [{"system": "http://loinc.org", "code": code}], "text": code},
            effectiveDateTime=f"2026-02-{day:02}", valueQuantity={"value": value, "unit": "u"},
        )  # fmt: skip

    series = results.vital_series([vital("29463-7", 3, 70), vital("8867-4", 9, 80), vital("8867-4", 2, 90)])
    assert [each.title for each in series] == ["8867-4", "29463-7"]
    assert [point.value for point in series[0].points] == ["90", "80"]


def test_a_matrix_has_a_cell_for_each_moment_and_none_where_nothing_was_measured() -> None:
    def at(title: str, day: int, value: float) -> Any:
        return observation(
            code={"text": title}, effectiveDateTime=f"2026-02-{day:02}", valueQuantity={"value": value}
        )

    table = results.matrix([at("K", 1, 4), at("K", 3, 5), at("Na", 3, 140)])
    assert [column.text for column in table.columns] == ["2026-02-03", "2026-02-01"]
    assert [[cell.value if cell else None for cell in row.cells] for row in table.rows] == [
        ["5", "4"],
        ["140", None],
    ]


# Words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"text": "Gout", "coding": [{"display": "Gouty arthritis"}]}, "Gout"),
        ({"coding": [{"code": "1"}, {"code": "2", "display": "Gouty arthritis"}]}, "Gouty arthritis"),
        ({"coding": [{"code": "M10"}]}, "M10"),
        ({"coding": [{"system": "urn:x"}]}, ""),
        ([{}, {"text": "second"}], "second"),
        ({}, ""), (None, ""), ([], ""), ("text", ""),
    ],
)  # fmt: skip
def test_a_concept_in_words(value: Any, words: str) -> None:
    assert concept(value) == words


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([{"family": "Marsh", "given": ["Ida", "Ruth"], "suffix": ["MD"]}], "Marsh, Ida Ruth MD"),
        ([{"use": "old", "family": "Old"}, {"use": "official", "family": "New"}], "New"),
        ([{"given": ["Ida"]}], "Ida"),
        ([{"text": "Ida Marsh"}], "Ida Marsh"),
        ([{}], ""), ([], ""), (None, ""), ({"family": "Solo"}, "Solo"),
    ],
)  # fmt: skip
def test_names_in_words(names: Any, words: str) -> None:
    assert person_name(names) == words


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ("2026", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-03", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-04", datetime(2026, 3, 4, tzinfo=UTC)),
        ("2026-03-04T05:06:07Z", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("2026-03-04T05:06:07.123+02:00", datetime(2026, 3, 4, 3, 6, 7, 123000, tzinfo=UTC)),
        ("sometime", None), ("2026-13", None), ("", None), ("0", None),
    ],
)  # fmt: skip
def test_moments_keep_their_text_and_precision(text: str, beginning: datetime | None) -> None:
    assert instant(text) == beginning
    assert when(text).text == text
    assert when(7) is UNKNOWN


def test_age_is_in_completed_years() -> None:
    assert age("1961-04-17", date(2026, 4, 16)) == 64
    assert age("1961-04-17", date(2026, 4, 17)) == 65
    assert age("2026-05-01", date(2026, 4, 17)) is None
    assert age("", date(2026, 4, 17)) is None
    assert age("about 1960", date(2026, 4, 17)) is None


# Encounters


def visit(**more: Any) -> Any:
    return encounters(
        [
            item(
                "Encounter",
                **{"class": {"code": "IMP"}, "period": {"start": "2026-01-01", "end": "2026-01-09"}, **more},
            )
        ]
    )[0]


def spans(row: Any, kind: SpanKind) -> list[tuple[str, str, str]]:
    return [(each.title, each.start.text, each.end.text) for each in row.spans if each.kind is kind]


def test_a_visit_in_one_class_and_service_has_one_span_of_each() -> None:
    row = visit(serviceType={"text": "Surgery"})
    assert spans(row, SpanKind.CLASS) == [("Inpatient", "2026-01-01", "2026-01-09")]
    assert spans(row, SpanKind.SERVICE) == [("Surgery", "2026-01-01", "2026-01-09")]


def test_what_a_visit_was_and_what_it_is_now_stand_one_after_the_other() -> None:
    row = visit(
        classHistory=[{"class": {"code": "EMER"}, "period": {"start": "2026-01-01", "end": "2026-01-03"}}],
        serviceType={"text": "Surgery"},
        extension=[
            {
                "url": "urn:charthouse:fhir:StructureDefinition:encounter-service-history",
                "extension": [
                    {"url": "service", "valueCodeableConcept": {"text": "Medicine"}},
                    {"url": "period", "valuePeriod": {"start": "2026-01-01", "end": "2026-01-04"}},
                ],
            }
        ],
    )
    assert spans(row, SpanKind.CLASS) == [
        ("Emergency", "2026-01-01", "2026-01-03"),
        ("Inpatient", "2026-01-03", "2026-01-09"),
    ]
    assert spans(row, SpanKind.SERVICE) == [
        ("Medicine", "2026-01-01", "2026-01-04"),
        ("Surgery", "2026-01-04", "2026-01-09"),
    ]


def test_a_stay_is_headed_by_its_class_and_not_by_how_the_patient_was_admitted() -> None:
    admitted = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0007", "code": "E"}],
        "text": "Emergency",
    }
    row = visit(type=[admitted])
    assert row.title == "Inpatient" and row.detail["Admission"] == "Emergency"
    assert visit(type=[admitted, {"text": "Hip replacement"}]).title == "Hip replacement"
    assert visit(type=[admitted], **{"class": {}}).title == "Emergency"


def test_a_history_that_holds_the_present_class_repeats_it_not() -> None:
    row = visit(classHistory=[{"class": {"code": "IMP"}, "period": {"start": "2026-01-01"}}])
    assert spans(row, SpanKind.CLASS) == [("Inpatient", "2026-01-01", "")]


def test_places_and_attending_people_of_a_visit() -> None:
    row = visit(
        location=[{"location": {"display": "4W 401"}, "period": {"start": "2026-01-02"}}, {"location": {}}],
        participant=[
            {"type": [{"coding": [{"code": "ATND"}]}], "individual": {"display": "Dr. Lindqvist"}},
            {"type": [{"coding": [{"code": "REF"}]}], "individual": {"display": "Dr. Other"}},
            {},
        ],
    )
    assert spans(row, SpanKind.LOCATION) == [
        ("4W 401", "2026-01-02", ""),
        ("not stated", "2026-01-01", "2026-01-09"),
    ]
    assert spans(row, SpanKind.ATTENDING) == [("Dr. Lindqvist", "2026-01-01", "2026-01-09")]


def test_a_visit_that_says_nothing_shows_nothing() -> None:
    (row,) = encounters([item("Encounter")])
    assert (row.title, row.status, row.class_title, row.number, row.facility) == ("Encounter", "", "", "", "")
    assert row.spans == ()
    assert row.when is UNKNOWN


# Documents


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>Stable<script>alert(1)</script></p>", "<p>Stable</p>"),
        ('<p onclick="x()">Stable</p>', "<p>Stable</p>"),
        ('<a href="javascript:x()">here</a>', "<a>here</a>"),
        ('<img src="https://a.example/x.png">after', "after"),
        ('<td colspan="2" style="position:fixed">x</td>', "x"),
        ("<style>p{display:none}</style><p>x</p>", "<p>x</p>"),
        ('<iframe src="//a.example"></iframe>x', "x"),
        ("<svg/onload=alert(1)>x", "x"),
    ],
)
def test_narratives_run_load_and_style_nothing(html: str, shown: str) -> None:
    assert documents.sanitized(html) == shown


def test_a_report_whose_text_stands_in_a_document_is_listed_once() -> None:
    form = [{"contentType": "text/plain", "data": "UmVwb3J0"}]
    report = Item(
        "DiagnosticReport",
        "r",
        1,
        0,
        json.dumps({"resourceType": "DiagnosticReport", "id": "r", "presentedForm": form}).encode(),
    )
    reference = Item(
        "DocumentReference",
        "d",
        1,
        0,
        json.dumps({"resourceType": "DocumentReference", "id": "d", "content": [{"attachment": form[0]}]}).encode(),
    )
    assert [each.id for each in documents.entries([report, reference])] == ["d"]
    assert [each.id for each in documents.entries([report])] == ["r"]
    assert documents.entries([item("DiagnosticReport")]) == []


@pytest.mark.parametrize(
    ("media_type", "data", "text"),
    [
        ("text/plain", "SGVsbG8=", "Hello"),
        ("text/plain; charset=iso-8859-1", "6Q==", "é"),
        ("text/plain", "6Q==", "é"),
        ("text/plain; charset=nonsense", "w6k=", "é"),
    ],
)
def test_text_documents_are_read_in_their_charset(media_type: str, data: str, text: str) -> None:
    found = documents.document(
        item("DocumentReference", content=[{"attachment": {"contentType": media_type, "data": data}}]), {}
    )
    assert [(part.kind, part.text) for part in found.parts] == [(PartKind.TEXT, text)]


def test_who_signed_a_composition_and_when() -> None:
    found = documents.document(
        item(
            "Composition", title="Discharge summary", status="final",
            attester=[{"mode": "legal", "party": {"display": "Dr. Lindqvist"}, "time": "2026-02-03"}],
            section=[{"title": "Course", "text": {"div": "<div>Well</div>"}, "section": [{"text": {"div": "<p>Inner</p>"}}]}],
            relatesTo=[{"code": "replaces", "targetReference": {"reference": "Composition/before"}}],
        ),
        {},
    )  # fmt: skip
    assert found.final
    assert [part.text for part in found.parts] == ["<div>Well</div>", "<p>Inner</p>"]
    assert found.relations == (("replaces", "Composition", "before"),)


# The banner


def banner(*others: Item, **patient: Any) -> Any:
    return summary([item("Patient", **patient)], others, date(2026, 3, 2), {})


def test_nothing_recorded_is_not_none() -> None:
    shown = banner()
    assert (shown.name, shown.birth_date, shown.age, shown.sex, shown.mrns) == ("", "", None, "", ())
    assert (shown.allergies, shown.allergy_statement, shown.interpreter, shown.language) == ((), "", None, "")
    assert shown.deceased is False


def test_a_statement_of_no_allergies_is_told_from_silence_and_from_an_allergy() -> None:
    none = item("AllergyIntolerance", code={"coding": [{"code": "716186003", "display": "No known allergy"}]})
    nuts = item("AllergyIntolerance", code={"text": "Peanut"}, criticality="high")
    resolved = item("AllergyIntolerance", code={"text": "Latex"}, clinicalStatus={"coding": [{"code": "resolved"}]})
    assert banner(none).allergy_statement == "No known allergy"
    assert banner(none, nuts).allergy_statement == ""
    assert [each.title for each in banner(none, nuts, resolved).allergies] == ["Peanut"]


CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def spoken(code: str, text: str) -> dict[str, Any]:
    """A status as senders write it who give words beside the code."""
    return {"coding": [{"system": CLINICAL, "code": code, "display": text}], "text": text}


def test_a_status_is_decided_by_its_code_whatever_its_words() -> None:
    latex = item("AllergyIntolerance", code={"text": "Latex"}, clinicalStatus=spoken("resolved", "Has gone"))
    dust = item(
        "AllergyIntolerance", code={"text": "Dust"}, verificationStatus=spoken("refuted", "Refuted by test")
    )
    nuts = item("AllergyIntolerance", code={"text": "Peanut"}, clinicalStatus=spoken("active", "Active"))
    assert [each.title for each in banner(latex, dust, nuts).allergies] == ["Peanut"]


@pytest.mark.parametrize(
    ("status", "active"),
    [
        (spoken("active", "Active"), True),
        (spoken("recurrence", "Back again"), True),
        (spoken("relapse", "Relapse"), True),
        (spoken("remission", "In remission"), False),
        (spoken("resolved", "Resolved"), False),
        ({"text": "active"}, True),
        (None, False),
    ],
)
def test_a_problem_that_came_back_is_one_the_patient_has(status: dict[str, Any] | None, active: bool) -> None:
    (row,) = clinical.problems([item("Condition", code={"text": "Asthma"}, clinicalStatus=status)])
    assert row.active is active


def test_a_problem_said_by_several_messages_stands_once_and_confirmed() -> None:
    def said(code: str, day: str, sure: str) -> Any:
        coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}
        status = {"coding": [{"code": sure}]}
        return item("Condition", code={"coding": [coding]}, onsetDateTime=day, verificationStatus=status)

    rows = clinical.problems(
        [
            said("G45.9", "2025-08-05", "provisional"),
            said("G45.9", "2025-08-04", "confirmed"),
            said("I10", "2025-08-04", "confirmed"),
            said("I10", "2020-01-01", "confirmed"),
            item("Condition", code={"text": "Low back  pain"}),
            item("Condition", code={"text": "low back pain"}),
        ]
    )
    kept = clinical.once(rows)
    assert [(row.title, row.onset.text[:10]) for row in kept][:2] == [
        (rows[1].title, "2025-08-04"), (rows[2].title, "2025-08-04"),
    ]  # fmt: skip
    assert len(kept) == 3 and kept[2] is rows[4]


def test_age_stops_at_death() -> None:
    shown = banner(birthDate="1950-01-01", deceasedDateTime="2000-06-01")
    assert (shown.age, shown.deceased, shown.died.text) == (50, True, "2000-06-01")
    assert banner(birthDate="1950-01-01", deceasedBoolean=True).deceased is True


def test_record_numbers_are_those_of_their_kind() -> None:
    shown = banner(
        identifier=[
            {"system": "urn:ssn", "value": "1", "type": {"coding": [{"code": "SS"}]}},
            {"system": "urn:mrn", "value": "77", "type": {"coding": [{"code": "MR"}]}},
        ]
    )
    assert shown.mrns == ("77",)


# Lists


def test_an_allergy_two_senders_name_is_one_warning() -> None:
    mild = item("AllergyIntolerance", code={"text": "Penicillin  g"}, criticality="low")
    grave = item("AllergyIntolerance", code={"text": "Penicillin G"}, criticality="high")
    code = [{"system": "urn:x", "code": "7980"}]
    one = item("AllergyIntolerance", code={"text": "Contrast, iodinated", "coding": code})
    other = item("AllergyIntolerance", code={"text": "Contrast, any", "coding": code})
    shown = banner(mild, grave, one, other).allergies
    assert [each.title for each in shown] == ["Penicillin G", "Contrast, any", "Contrast, iodinated"]
    assert shown[0].criticality == "high"
    unnamed = item("AllergyIntolerance", code={})
    assert len(banner(unnamed, unnamed).allergies) == 2


def test_the_critical_allergies_come_first() -> None:
    rows = clinical.allergies(
        item("AllergyIntolerance", code={"text": name}, criticality=level)
        for name, level in (("Dust", "low"), ("Bee sting", "high"), ("Aspirin", "unable-to-assess"))
    )
    assert [each.title for each in rows] == ["Bee sting", "Aspirin", "Dust"]


@pytest.mark.parametrize(
    ("dosage", "words"),
    [
        ({"text": "One tablet daily"}, "One tablet daily"),
        ({"doseAndRate": [{"doseQuantity": {"value": 5, "unit": "mg"}}], "route": {"text": "oral"},
          "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}, "asNeededBoolean": True},
         "5 mg oral 2 × per 1 d as needed"),
        ({"timing": {"code": {"text": "BID"}}}, "BID"),
        ({}, ""),
    ],
)  # fmt: skip
def test_dosages_in_words(dosage: dict[str, Any], words: str) -> None:
    (row,) = clinical.medications([item("MedicationRequest", dosageInstruction=[dosage])], {})
    assert row.dosage == words


def test_a_medication_named_by_another_resource() -> None:
    pointing = item("MedicationRequest", medicationReference={"reference": "Medication/m"})
    assert clinical.medications([pointing], {"Medication/m": "Warfarin"})[0].title == "Warfarin"
    assert clinical.medications([pointing], {})[0].title == ""


def test_primary_coverage_comes_first_and_an_unstated_order_last() -> None:
    rows = clinical.coverages(
        item("Coverage", payor=[{"display": name}], **({"order": order} if order else {}))
        for name, order in (("Third", None), ("Second", 2), ("First", 1))
    )
    assert [(each.payer, each.order) for each in rows] == [("First", 1), ("Second", 2), ("Third", None)]
    assert rows[0].code is None


def test_codes_are_shown_by_their_systems_short_title() -> None:
    (row,) = clinical.problems(
        [item("Condition", code={"coding": [{"system": "http://snomed.info/sct", "code": "73211009"}]})]
    )
    assert row.code == Code("SNOMED CT", "73211009")
