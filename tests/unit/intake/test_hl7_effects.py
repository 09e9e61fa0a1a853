"""What HL7 messages do: the visit, the person, the account and the directory as the chart shows them afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from charthouse.intake.models import MessageState
from charthouse.record import api as record
from charthouse.record.chart import Encounter, SpanKind

WARD = "I|4W^401^A^GENERAL"
ICU = "I|ICU^3^A^GENERAL"


@pytest.fixture
def send(inbox: Any, make: Any) -> Any:
    count = 0

    def send(event: str, *segments: str, at: str = "20260105080000", **more: Any) -> Any:
        nonlocal count
        count += 1
        return inbox.take_one(make.hl7(f"ADT^{event}", *segments, at=at, control=f"M{count}", **more))

    return send


def visit(inbox: Any, make: Any) -> Encounter:
    """The one visit of the one chart."""
    (rows,) = inbox.charts()
    (found,) = record.encounters(make.system, rows).rows
    return found


def spans(row: Encounter, kind: SpanKind) -> list[tuple[str, str, str]]:
    return [(each.title, each.start.text[:10], each.end.text[:10]) for each in row.spans if each.kind is kind]


def places(row: Encounter) -> list[str]:
    return [each.title.split(",")[0] for each in row.spans if each.kind is SpanKind.LOCATION]


def test_an_admission_begins_a_visit(inbox: Any, make: Any, send: Any) -> None:
    assert send("A01", pv1=WARD).result.state is MessageState.FILED
    row = visit(inbox, make)
    assert (row.status, row.class_title, row.number) == ("in-progress", "Inpatient", "V100")
    assert row.when.text.startswith("2026-01-05")
    assert not row.end
    assert len(spans(row, SpanKind.LOCATION)) == 1


def test_a_transfer_ends_one_place_and_begins_the_next(inbox: Any, make: Any, send: Any) -> None:
    send("A01", pv1=WARD)
    send("A02", at="20260107090000", pv1=ICU)
    first, second = spans(visit(inbox, make), SpanKind.LOCATION)
    assert first[1:] == ("2026-01-05", "2026-01-07")
    assert second[1:] == ("2026-01-07", "")
    assert first[0] != second[0]


def test_a_cancelled_transfer_puts_the_patient_back(inbox: Any, make: Any, send: Any) -> None:
    send("A01", pv1=WARD)
    before = spans(visit(inbox, make), SpanKind.LOCATION)
    send("A02", at="20260107090000", pv1=ICU)
    send("A12", at="20260107100000", pv1=WARD)
    assert spans(visit(inbox, make), SpanKind.LOCATION) == before


def test_a_discharge_ends_the_visit(inbox: Any, make: Any, send: Any) -> None:
    send("A01", pv1=WARD)
    send("A03", at="20260109120000", pv1=WARD)
    row = visit(inbox, make)
    assert row.status == "finished"
    assert row.end.text.startswith("2026-01-09")
    assert spans(row, SpanKind.LOCATION)[0][2] == "2026-01-09"


def test_a_cancelled_discharge_opens_it_again(inbox: Any, make: Any, send: Any) -> None:
    send("A01", pv1=WARD)
    send("A03", at="20260109120000", pv1=WARD)
    send("A13", at="20260109130000", pv1=WARD)
    row = visit(inbox, make)
    assert row.status == "in-progress"
    assert not row.end
    assert spans(row, SpanKind.LOCATION)[-1][2] == ""


def test_a_cancelled_admission_is_no_stay(inbox: Any, make: Any, send: Any) -> None:
    send("A01", pv1=WARD)
    send("A11", at="20260105090000", pv1=WARD)
    assert visit(inbox, make).status == "cancelled"


def test_an_emergency_visit_that_becomes_a_stay_keeps_both_classes(inbox: Any, make: Any, send: Any) -> None:
    send("A04", pv1="E|ED^1^A^GENERAL")
    send("A06", at="20260106080000", pv1=WARD)
    row = visit(inbox, make)
    assert [each[0] for each in spans(row, SpanKind.CLASS)] == ["Emergency", "Inpatient"]
    assert row.class_title == "Inpatient"


def test_a_changed_number_nobody_knew_is_no_reason_to_refuse_a_visit(inbox: Any, make: Any, send: Any) -> None:
    taken = send("A06", "MRG|||NEVERSENT^^^GENERAL^AN", pv1=WARD)
    # Without PID-18 there is no account to speak of.
    assert taken.result.state is MessageState.UNFILED
    data = make.hl7("ADT^A06", "MRG|||NEVERSENT^^^GENERAL^AN", control="again", pv1=WARD)
    data = data.replace(b"^01060", b"^01060|||||||ACC9^^^GENERAL^AN")
    taken = inbox.take_one(data)
    assert taken.result.state is MessageState.FILED
    assert visit(inbox, make).class_title == "Inpatient"


def test_a_visit_that_moves_between_accounts_stays_its_patients(inbox: Any, make: Any) -> None:
    """A45 within one patient: MRG-3 is the account the visit leaves, PID-18 the one it goes to."""

    def with_account(number: str, event: str, *segments: str) -> Any:
        data = make.hl7(f"ADT^{event}", *segments, control=event, pv1=WARD)
        return inbox.take_one(data.replace(b"^01060", f"^01060|||||||{number}^^^GENERAL^AN".encode()))

    assert with_account("ACC1", "A01").result.state is MessageState.FILED
    assert (
        with_account("ACC2", "A45", "MRG|||ACC1^^^GENERAL^AN||V100^^^GENERAL^VN").result.state is MessageState.FILED
    )
    ((patient, number),) = inbox.rows(
        "SELECT p.public_id, e.public_id FROM record_resource e JOIN record_resource p ON p.id = e.patient "
        "WHERE e.type = %s AND p.type = %s",
        record.TYPE_ID["Encounter"],
        record.TYPE_ID["Patient"],
    )
    stored = record.current(inbox.cursor, make.system, [("Encounter", number)])[("Encounter", number)].resource
    assert stored["subject"]["reference"] == f"Patient/{patient}"
    (account,) = stored["account"]
    key = ("Account", account["reference"].removeprefix("Account/"))
    assert record.current(inbox.cursor, make.system, [key])[key].resource["identifier"][0]["value"] == "ACC2"


def test_an_update_changes_what_it_says_and_leaves_what_it_does_not(inbox: Any, make: Any, send: Any) -> None:
    send("A01", pv1=WARD, name="Marsh^Ida")
    send("A08", at="20260106080000", name="Marsh-Okafor^Ida")
    send("A31", "PD1||||", at="20260107080000", visit="", name="Marsh-Okafor^Ida^Ruth")
    (rows,) = inbox.charts()
    shown = record.chart_summary(make.system, rows)
    assert shown.name == "Marsh-Okafor, Ida Ruth"
    assert (shown.birth_date, shown.sex, shown.mrns) == ("1961-04-17", "female", ("100",))
    patient = inbox.only("Patient")
    assert [each.version for each in inbox.versions("Patient", patient["id"])] == [3, 2, 1]


def test_events_that_come_late_go_into_the_history(inbox: Any, make: Any, send: Any) -> None:
    send("A01", pv1=WARD)
    send("A03", at="20260109120000", pv1=ICU)
    send("A02", at="20260107090000", pv1=ICU)
    row = visit(inbox, make)
    assert row.status == "finished"
    assert row.end.text.startswith("2026-01-09")


# Merging


def admit_two(send: Any) -> None:
    send("A01", mrn="100", visit="V100", name="Marsh^Ida")
    send("A01", mrn="200", visit="V200", name="Marsch^Ida", at="20260106080000")


def test_a_merge_makes_two_records_one_chart_and_loses_nothing(inbox: Any, make: Any, send: Any) -> None:
    send("A01", mrn="100", visit="V100", name="Marsh^Ida")
    inbox.take(
        make.hl7("ADT^A01", mrn="200", visit="V200", name="Zeller^Ottilie").replace(b"19610417|F", b"19330101|F")
    )
    assert len(inbox.charts()) == 2
    taken = send("A40", "MRG|200^^^GENERAL^MR", mrn="100", visit="")
    assert taken.result.state is MessageState.FILED
    (rows,) = inbox.charts()
    assert len(rows) == 2
    assert {each.number for each in record.encounters(make.system, rows).rows} == {"V100", "V200"}
    assert record.chart_summary(make.system, rows).name == "Marsh, Ida"


def test_a_merge_of_somebody_unknown_waits_until_that_patient_comes(inbox: Any, make: Any, send: Any) -> None:
    taken = send("A40", "MRG|200^^^GENERAL^MR", mrn="100", visit="")
    message = taken.receipt.message
    assert taken.result.state is MessageState.PARTLY
    assert inbox.problems(message) == [("unknown-prior", "MRG[1]")]
    send("A01", mrn="200", visit="V200", name="Zeller^Ottilie")
    from charthouse.intake.api import UnfiledState, retry_message

    assert retry_message(make.technician(), message) is UnfiledState.FILED
    assert len(inbox.charts()) == 1
    assert inbox.items() == []


def test_perhaps_opens_a_work_item_and_mixes_nothing(inbox: Any, make: Any) -> None:
    for mrn, sender, number in (("100", "ADT|NORTH", b"219-41-6788"), ("900", "ADT|SOUTH", b"518-77-1204")):
        data = make.hl7("ADT^A01", mrn=mrn, visit=f"V{mrn}", sender=sender)
        inbox.take(data.replace(b"^01060", b"^01060||||||||" + number))
    assert len(inbox.charts()) == 2
    (item,) = inbox.items("identity.possible-duplicates")
    assert "social security numbers" in item[1]


# Accounts


def test_billing_segments_are_kept_raw_with_their_account(inbox: Any, make: Any) -> None:
    data = make.hl7(
        "ADT^A01",
        "DG1|1||I50.33^Acute on chronic\\T\\ heart failure^I10C||20260105|A",
        "PR1|1||02703ZZ^Dilation^I10P|Dilation|20260105",
        "GT1|1||Marsh^Ida||12 Alder St",
        "IN1|1|PLAN1|INS1|Blue Plan||||GRP9",
    ).replace(b"^01060", b"^01060|||||||ACC9^^^GENERAL^AN")
    taken = inbox.take_one(data)
    found = inbox.rows(
        "SELECT s.name, s.place, s.text, s.message = %s, s.patient = a.patient, s.encounter IS NOT NULL "
        "FROM record_account_segment s JOIN record_resource a ON a.id = s.account ORDER BY s.place",
        taken.receipt.message,
    )
    assert [each[0] for each in found] == ["DG1", "PR1", "GT1", "IN1"]
    assert [each[1] for each in found] == [5, 6, 7, 8]
    assert found[0][2] == "DG1|1||I50.33^Acute on chronic\\T\\ heart failure^I10C||20260105|A"
    assert all(each[3:] == (True, True, True) for each in found)
    from charthouse.record.api import TYPE_NAME

    kinds = inbox.rows(
        "SELECT DISTINCT r.type FROM record_account_segment s JOIN record_resource r ON r.id = s.account"
    )
    assert [TYPE_NAME[number] for (number,) in kinds] == ["Account"]


def test_charges_are_kept_with_their_account(inbox: Any, make: Any) -> None:
    data = make.hl7("DFT^P03", "FT1|1|||20260105||CG|99213^Office visit^CPT||1|1").replace(
        b"^01060", b"^01060|||||||ACC9^^^GENERAL^AN"
    )
    assert inbox.take_one(data).result.state is MessageState.FILED
    assert inbox.rows("SELECT name, text FROM record_account_segment") == [
        ("FT1", "FT1|1|||20260105||CG|99213^Office visit^CPT||1|1")
    ]


# The directory


def test_one_practitioner_from_xcn_and_from_fhir_is_one_entry(inbox: Any, make: Any) -> None:
    doctor = "I|4W^401^A^GENERAL||||1234567893^Lindqvist^Astrid^^^Dr^MD^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI"
    inbox.take(make.hl7("ADT^A01", pv1=doctor))
    inbox.take(
        {
            "resourceType": "Practitioner", "id": "x", "name": [{"family": "Lindqvist", "given": ["Astrid"]}],
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}],
        }
    )  # fmt: skip
    assert inbox.one("SELECT count(*) FROM people_practitioner WHERE npi = '1234567893' AND id = canonical_id") == 1
    named = [each for each in inbox.all_of("Practitioner") if each.get("name")]
    assert [each["name"][0]["family"] for each in named] == ["Lindqvist"]


def test_the_attending_of_a_visit_is_shown_with_his_period(inbox: Any, make: Any, send: Any) -> None:
    send("A01", pv1="I|4W^401^A^GENERAL||||7^Lindqvist^Astrid^^^Dr^MD")
    send("A08", at="20260107080000", pv1="I|4W^401^A^GENERAL||||8^Okafor^Ben^^^Dr^MD")
    found = spans(visit(inbox, make), SpanKind.ATTENDING)
    assert [each[1:] for each in found] == [("2026-01-05", "2026-01-07"), ("2026-01-07", "")]
    assert "Lindqvist" in found[0][0]
    assert "Okafor" in found[1][0]


def test_the_attending_ends_with_the_visit_and_goes_on_when_it_does(inbox: Any, make: Any, send: Any) -> None:
    def attending() -> list[tuple[str, str]]:
        return [each[1:] for each in spans(visit(inbox, make), SpanKind.ATTENDING)]

    who = "I|4W^401^A^GENERAL||||7^Lindqvist^Astrid^^^Dr^MD"
    send("A01", pv1=who)
    send("A03", at="20260109100000", pv1=who)
    assert attending() == [("2026-01-05", "2026-01-09")]
    send("A08", at="20260110080000", pv1=who)
    assert attending() == [("2026-01-05", "2026-01-09")], "named again after the discharge, nobody is added"
    send("A13", at="20260110090000", pv1=who)
    assert attending() == [("2026-01-05", "")]
    send("A03", at="20260111100000", pv1="I|4W^401^A^GENERAL||||8^Okafor^Ben^^^Dr^MD")
    assert [until for _since, until in attending()] == ["2026-01-11", "2026-01-11"]


# Results


def oru(make: Any, *observations: str, control: str = "R1", status: str = "F") -> bytes:
    data: bytes = make.hl7(
        "ORU^R01",
        "ORC|RE|ORD1|FIL1",
        f"OBR|1|ORD1|FIL1|718-7^Hemoglobin^LN|||20260105070000+0000|||||||20260105073000+0000||||||||||{status}",
        *observations,
        "SPM|1|S1||BLDV^Venous blood^HL70487|||||||||||||20260105070000+0000|20260105073000+0000",
        control=control,
    )
    return data


def test_a_result_is_shown_with_its_exact_number_specimen_and_times(inbox: Any, make: Any) -> None:
    taken = inbox.take_one(oru(make, "OBX|1|NM|718-7^Hemoglobin^LN||72.50|g/L^g/L^UCUM|60.0-80.0|H|||F"))
    assert taken.result.state is MessageState.FILED
    (rows,) = inbox.charts()
    (panel,) = record.results(make.system, rows).rows
    (result,) = panel.results
    assert (result.value, str(result.number), result.unit) == ("72.50", "72.50", "g/L")
    assert result.interpretation.words == "high"
    assert "60.0" in result.range
    assert "80.0" in result.range
    assert panel.specimen == "Venous blood"
    assert panel.collected.text.startswith("2026-01-05T07:00")
    assert panel.received.text.startswith("2026-01-05T07:30")


def test_a_correction_of_only_the_status_keeps_the_exact_number(inbox: Any, make: Any) -> None:
    from charthouse.record.api import decompress

    inbox.take(oru(make, "OBX|1|NM|718-7^Hemoglobin^LN||72.50|g/L|||||P", control="R1"))
    inbox.take(oru(make, "OBX|1|NM|718-7^Hemoglobin^LN||72.50|g/L|||||C", control="R2"))
    found = inbox.rows(
        "SELECT v.content FROM record_version v JOIN record_resource r ON r.type = v.type AND r.id = v.resource "
        "WHERE v.type = %s ORDER BY v.version",
        record.TYPE_ID["Observation"],
    )
    contents = [decompress(content) for (content,) in found]
    assert len(contents) == 2
    assert all(b"72.50" in each for each in contents)
    (rows,) = inbox.charts()
    (panel,) = record.results(make.system, rows).rows
    assert panel.results[0].mark.value == "corrected"


def test_a_vips_visit_carries_its_label_into_its_items(inbox: Any, make: Any) -> None:
    from charthouse.foundation.access.api import AccessContext, Label, Role

    vip = "I|4W^401^A^GENERAL" + "|" * 13 + "VIP"
    inbox.take(make.hl7("ADT^A01", "DG1|1||F32.1^Depressive episode^I10C||20260105|A", pv1=vip))
    clinical = [record.TYPE_ID["Encounter"], record.TYPE_ID["Condition"]]
    labels = inbox.rows("SELECT labels FROM record_resource WHERE type = ANY(%s)", clinical)
    assert labels == [(int(Label.VIP),)] * 2
    (rows,) = inbox.charts()
    reader = AccessContext("user:1", "A reader", frozenset({Role.CODER}))
    assert record.encounters(reader, rows).rows == ()
    assert record.problems(reader, rows).rows == ()


def test_after_a_merge_the_number_that_remains_leads_the_chart(inbox: Any, make: Any, send: Any) -> None:
    from charthouse.identity import api as identity

    send("A28", mrn="100", visit="")
    send("A28", mrn="200", visit="")
    send("A40", "MRG|200^^^GENERAL^MR", mrn="100", visit="")
    for trigger, mrn in (("A08", "100"), ("A08", "200"), ("A08", "100")):
        send(trigger, at="20260109080000", mrn=mrn, visit="")
        (hit,) = identity.find(make.system, "100")
        assert record.chart_summary(make.system, identity.patients_of(make.system, hit.person)).mrns == (
            "100",
            "200",
        )
        assert hit.mrns == ("100", "200")
