"""Labels: no function that reads gives out what the asker may not see."""

from __future__ import annotations

from typing import Any

import pytest

from charthouse.foundation.access.api import ALL_LABELS, Label
from charthouse.record import api as record

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

#: How each label comes in on the wire.
ON_THE_WIRE = {
    Label.PSYCHOTHERAPY: (ACT, "PSYTHPN"),
    Label.SUBSTANCE_USE: (ACT, "ETH"),
    Label.HIV: (ACT, "HIV"),
    Label.GENETIC: (ACT, "GDIS"),
    Label.REPRODUCTIVE: (ACT, "STD"),
    Label.MENTAL_HEALTH: (ACT, "PSY"),
    Label.VIP: (ACT, "CEL"),
    Label.EMPLOYEE: (ACT, "EMP"),
    Label.RESTRICTED: (CONFIDENTIALITY, "R"),
    Label.VERY_RESTRICTED: (CONFIDENTIALITY, "V"),
}


def labelled(resource: dict[str, Any], *labels: Label) -> dict[str, Any]:
    security = [{"system": ON_THE_WIRE[each][0], "code": ON_THE_WIRE[each][1]} for each in labels]
    return {**resource, "meta": {"security": security}}


def resources(of: str = "p1") -> list[dict[str, Any]]:
    """One of every kind a chart lists."""
    subject = {"subject": {"reference": f"Patient/{of}"}}
    patient = {"patient": {"reference": f"Patient/{of}"}}
    code = {"code": {"text": "Something"}}
    return [
        {"resourceType": "Encounter", "id": "enc", "status": "finished", "class": {"code": "AMB"}, **subject},
        {"resourceType": "Condition", "id": "con", **code, **subject},
        {"resourceType": "AllergyIntolerance", "id": "all", **code, **patient},
        {"resourceType": "Flag", "id": "fla", "status": "active", **code, **subject},
        {"resourceType": "MedicationRequest", "id": "med", "status": "active", "intent": "order",
         "medicationCodeableConcept": {"text": "Something"}, **subject},
        {"resourceType": "Immunization", "id": "imm", "status": "completed", "vaccineCode": {"text": "Something"},
         "occurrenceDateTime": "2026-01-01", **patient},
        {"resourceType": "Procedure", "id": "pro", "status": "completed", **code, **subject},
        {"resourceType": "Appointment", "id": "app", "status": "booked",
         "participant": [{"actor": {"reference": f"Patient/{of}"}, "status": "accepted"}]},
        {"resourceType": "Coverage", "id": "cov", "status": "active", "beneficiary": {"reference": f"Patient/{of}"},
         "payor": [{"display": "Something"}]},
        {"resourceType": "Observation", "id": "obs", "status": "final", **code, **subject, "valueString": "x"},
        {"resourceType": "Observation", "id": "vit", "status": "final", **code, **subject, "valueString": "x",
         "category": [{"coding": [{"code": "vital-signs"}]}]},
        {"resourceType": "DocumentReference", "id": "doc", "status": "current", **subject,
         "content": [{"attachment": {"contentType": "application/pdf", "data": "JVBERg=="}}]},
    ]  # fmt: skip


def seen(ctx: Any, row: int) -> set[str]:
    """The ids of everything every reading function of a chart gives this asker."""
    pages = (
        record.encounters, record.problems, record.allergies, record.medications, record.immunizations,
        record.procedures, record.appointments, record.coverage, record.results, record.documents,
    )  # fmt: skip
    found = {each.id for read in pages for each in read(ctx, [row]).rows}
    found |= {point.id for series in record.vitals(ctx, [row]) for point in series.points}
    found |= {each.id for each in record.chart_summary(ctx, [row]).flags}
    return found


@pytest.mark.parametrize("label", ON_THE_WIRE, ids=lambda label: label.name)
def test_no_list_shows_what_a_label_forbids(book: Any, make: Any, label: Label) -> None:
    row = book.patient()
    plain = resources()
    hidden = [labelled({**each, "id": f"x-{each['id']}"}, label) for each in plain]
    book.file(*plain, *hidden)
    everyone = {each["id"] for each in plain}
    secret = {each["id"] for each in hidden}
    without = make.asker(ALL_LABELS & ~label)
    assert seen(without, row) == everyone
    assert seen(make.asker(label), row) == everyone | secret
    for each in hidden:
        kind, number = each["resourceType"], each["id"]
        assert record.resource(without, [row], kind, number) is None
        assert record.current(book.cursor, without, [(kind, number)]) == {}
        assert record.versions(book.cursor, without, kind, number) == []
        assert record.of_patients(book.cursor, without, [row], [kind]) != []
        assert number not in {s.public_id for s in record.of_patients(book.cursor, without, [row], [kind])}
        assert record.resource(make.asker(label), [row], kind, number) is not None
    assert record.document(without, [row], "DocumentReference", "x-doc") is None
    assert record.document_file(without, [row], "DocumentReference", "x-doc", 0) is None
    assert record.document_file(without, [row], "DocumentReference", "doc", 0) is not None
    assert {s.public_id for s in record.filed_by(book.cursor, without, book.messages)} == everyone


def test_counts_are_what_this_reader_sees(book: Any, make: Any) -> None:
    row = book.patient()
    book.file(*resources(), *(labelled({**each, "id": f"x-{each['id']}"}, Label.HIV) for each in resources()))
    assert record.chart_summary(make.asker(), [row]).counts["problems"] == 1
    assert record.chart_summary(make.asker(Label.HIV), [row]).counts["problems"] == 2


def test_one_of_two_labels_is_not_enough(book: Any, make: Any) -> None:
    row = book.patient()
    book.file(labelled(make.observation(), Label.HIV, Label.VIP))
    assert record.results(make.asker(Label.HIV), [row]).rows == ()
    assert len(record.results(make.asker(Label.HIV | Label.VIP), [row]).rows) == 1


def test_a_hidden_patient_has_no_chart(book: Any, make: Any) -> None:
    row = book.file(labelled(make.patient(), Label.VIP))[0].row
    with pytest.raises(LookupError):
        record.chart_summary(make.asker(), [row])
    assert record.chart_summary(make.asker(Label.VIP), [row]).labels == Label.VIP


def test_a_label_taken_off_later_still_covers_what_was_written_under_it(book: Any, make: Any) -> None:
    book.patient()
    book.file(labelled(make.observation(valueString="reactive"), Label.HIV))
    book.file(make.observation(valueString="withdrawn"))
    assert [each.version for each in book.versions("Observation", "o1", make.asker())] == [2]
    assert [each.version for each in book.versions("Observation", "o1", make.asker(Label.HIV))] == [2, 1]
    assert record.filed_by(book.cursor, make.asker(), book.messages - 1) == []


def test_a_label_put_on_later_covers_what_came_before(book: Any, make: Any) -> None:
    book.patient()
    book.file(make.observation())
    book.file(labelled(make.observation(), Label.HIV))
    assert book.versions("Observation", "o1", make.asker()) == []


def test_results_of_a_visible_report_stay_hidden_themselves(book: Any, make: Any) -> None:
    row = book.patient()
    report = {
        "resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "Panel"},
        "subject": {"reference": "Patient/p1"},
        "result": [{"reference": "Observation/open"}, {"reference": "Observation/secret"}],
    }  # fmt: skip
    book.file(make.observation("open"), labelled(make.observation("secret"), Label.HIV), report)
    (panel,) = record.results(make.asker(), [row]).rows
    assert [each.id for each in panel.results] == ["open"]
    (panel,) = record.results(make.asker(Label.HIV), [row]).rows
    assert [each.id for each in panel.results] == ["open", "secret"]


def test_another_patients_items_are_in_no_chart_that_names_them(book: Any, make: Any) -> None:
    row, other = book.patient("p1"), book.patient("p2")
    book.file(make.observation("theirs", of="p2"), {
        "resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "Panel"},
        "subject": {"reference": "Patient/p1"}, "result": [{"reference": "Observation/theirs"}],
    })  # fmt: skip
    assert record.results(make.system, [row]).rows == ()
    assert record.resource(make.system, [row], "Observation", "theirs") is None
    assert record.resource(make.system, [other], "Observation", "theirs") is not None


def test_index_rows_carry_the_labels(book: Any, make: Any) -> None:
    book.patient()
    book.file(labelled(make.observation(), Label.HIV))
    for table in ("token", "date", "quantity"):
        assert book.rows(
            f"SELECT DISTINCT i.labels FROM record_index_{table} i JOIN record_resource r "
            "ON r.id = i.resource WHERE r.public_id = 'o1'"
        ) == [(int(Label.HIV),)]
