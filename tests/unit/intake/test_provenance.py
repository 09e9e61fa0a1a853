"""Where an item came from: the message, its four times, and the very segment or entry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from charthouse.foundation.access.api import AccessContext, Label, PermissionRefused, Role
from charthouse.intake.api import provenance
from charthouse.intake.originals import fhir_original, hl7_original
from charthouse.intake.provenance import Format

READER = AccessContext("user:7", "R. Vale", frozenset({Role.HIT}))


def oru(make: Any) -> bytes:
    data: bytes = make.hl7(
        "ORU^R01",
        "ORC|RE|ORD1|FIL1",
        "OBR|1|ORD1|FIL1|24321-2^Panel^LN|||20260105070000+0000|||||||||||||||20260105090000+0000|||F",
        "OBX|1|NM|2823-3^Potassium^LN||4.2|mmol/L|||||F|||20260105070000+0000",
        "OBX|2|NM|2951-2^Sodium^LN||140|mmol/L|||||F|||20260105070000+0000",
        "NTE|1||Fasting",
        "OBX|3|NM|2345-7^Glucose^LN||98|mg/dL|||||F|||20260105070000+0000",
    )
    return data


def of(inbox: Any, kind: str, text: str) -> str:
    (found,) = [each["id"] for each in inbox.all_of(kind) if text in str(each.get("code"))]
    return str(found)


@pytest.mark.parametrize(
    ("title", "line", "segment"), [("Potassium", 7, "OBX|1"), ("Sodium", 8, "OBX|2"), ("Glucose", 10, "OBX|3")]
)
def test_an_hl7_result_leads_to_its_very_segment(
    inbox: Any, make: Any, title: str, line: int, segment: str
) -> None:
    data = oru(make)
    inbox.take(data)
    found = provenance(READER, "Observation", of(inbox, "Observation", title))
    assert found is not None
    assert (found.kind, found.control_id, found.sender, found.connector) == (
        "ORU^R01",
        "C1",
        "ADT|GENERAL",
        "Files",
    )
    assert found.original is not None
    (marked,) = [each for each in found.original.lines if each.marked]
    assert (marked.number, marked.text[:5]) == (line, segment)
    assert len(found.original.lines) == data.count(b"\r")
    assert (found.original.format, found.original.size) == (Format.HL7V2, len(data))


def test_the_four_times_are_kept_apart(inbox: Any, make: Any) -> None:
    inbox.take(oru(make))
    found = provenance(READER, "Observation", of(inbox, "Observation", "Sodium"))
    assert found is not None
    assert found.occurred.instant == datetime(2026, 1, 5, 7, tzinfo=UTC)
    assert found.received is not None
    assert found.received <= found.filed
    assert (datetime.now(UTC) - found.filed).total_seconds() < 600


def test_a_fhir_item_leads_to_its_entry(inbox: Any, make: Any) -> None:
    inbox.take(make.bundle("collection", make.patient(), make.observation()), sender="north")
    found = provenance(READER, "Observation", inbox.only("Observation")["id"])
    assert found is not None
    assert found.original is not None
    text = "\n".join(each.text for each in found.original.lines)
    assert '"resourceType": "Observation"' in text
    assert '"id": "o1"' in text
    assert "Marsh" not in text
    assert (found.original.format, found.sender, found.kind) == (Format.FHIR, "north", "Bundle collection")


def test_every_version_says_who_made_it_and_which_message(inbox: Any, make: Any) -> None:
    inbox.take(make.bundle("collection", make.patient(), make.observation()), sender="north")
    inbox.take(make.bundle("collection", make.observation(status="amended")), sender="north")
    inbox.take(make.bundle("collection", make.observation(status="entered-in-error")), sender="north")
    number = inbox.rows("SELECT public_id FROM record_resource WHERE patient <> id")[0][0]
    newest = provenance(READER, "Observation", number)
    assert newest is not None
    assert [(each.number, each.change, each.actor) for each in newest.versions] == [
        (3, "retracted: entered in error", "north"),
        (2, "updated", "north"),
        (1, "created", "north"),
    ]
    assert len({each.message for each in newest.versions}) == 3
    first = provenance(READER, "Observation", number, version=1)
    assert first is not None
    assert first.original is not None
    assert any('"final"' in each.text for each in first.original.lines)


def test_what_is_not_there_or_not_for_this_reader_has_no_origin(inbox: Any, make: Any) -> None:
    from charthouse.record.domain.labels import _ACT_CODE

    secret = make.observation(meta={"security": [{"system": _ACT_CODE, "code": "HIV"}]})
    inbox.take(make.bundle("collection", make.patient(), secret))
    number = inbox.only("Observation")["id"]
    assert provenance(READER, "Observation", number) is None
    seeing = AccessContext("user:7", "R. Vale", frozenset({Role.HIT}), clearance=Label.HIV)
    assert provenance(seeing, "Observation", number) is not None
    assert provenance(READER, "Observation", "nothing") is None
    assert provenance(READER, "Unicorn", number) is None
    with pytest.raises(PermissionRefused):
        provenance(AccessContext("user:9", "", frozenset({Role.COORDINATOR})), "Observation", number)


def test_a_message_that_also_brought_what_is_hidden_shows_only_the_items_own_lines(inbox: Any, make: Any) -> None:
    inbox.take(oru(make))
    number = of(inbox, "Observation", "Sodium")
    inbox.cursor.execute(
        "UPDATE record_resource SET labels = %s WHERE public_id = %s",
        [int(Label.HIV), of(inbox, "Observation", "Potassium")],
    )
    found = provenance(READER, "Observation", number)
    assert found is not None
    assert found.original is not None
    assert [each.text[:5] for each in found.original.lines] == ["OBX|2"]
    assert found.original.omitted > 100
    seeing = AccessContext("user:7", "R. Vale", frozenset({Role.HIT}), clearance=Label.HIV)
    whole = provenance(seeing, "Observation", number)
    assert whole is not None
    assert whole.original is not None
    assert len(whole.original.lines) == 10


def test_a_visit_and_a_person_lead_to_their_segments(inbox: Any, make: Any) -> None:
    inbox.take(make.hl7("ADT^A01"))
    for kind, segment in (("Patient", "PID"), ("Encounter", "PV1")):
        found = provenance(READER, kind, inbox.only(kind)["id"])
        assert found is not None
        assert found.original is not None
        assert [each.text[:3] for each in found.original.lines if each.marked] == [segment]


# Originals as lines


@pytest.mark.parametrize(
    ("place", "marked", "field"),
    [
        ("PID[1]", "PID", ""),
        ("PID-5", "PID", "Marsh^Ida"),
        ("PID-3 (line 3)", "PID", "100^^^GENERAL^MR"),
        ("MSH-9", "MSH", "ADT^A01^ADT_A01"),
        ("MSH-2", "MSH", "^~\\&"),
        ("OBX[7]", "", ""),
        ("ZZZ", "", ""),
        ("", "", ""),
        ("(line 99)", "", ""),
    ],
)
def test_places_in_hl7_are_found(make: Any, place: str, marked: str, field: str) -> None:
    shown = hl7_original(make.hl7("ADT^A01"), place)
    lines = [each for each in shown.lines if each.marked]
    assert [each.text[:3] for each in lines] == ([marked] if marked else [])
    if field:
        ((start, end),) = lines[0].spans
        assert lines[0].text[start:end] == field


def test_long_lines_are_cut_unless_marked(make: Any) -> None:
    data = make.hl7("ADT^A01", "OBX|1|ED|x||" + "A" * 50_000)
    shown = hl7_original(data)
    assert max(len(each.text) for each in shown.lines) < 3_000
    assert shown.omitted > 40_000
    assert max(len(each.text) for each in hl7_original(data, "OBX[1]").lines) > 50_000


@pytest.mark.parametrize("data", [b"", b"garbage", b"\xff\x00", b"MSH", b"{", b'{"a":' * 2_000, b"\r\r\r"])
def test_originals_that_cannot_be_read_are_shown_as_they_are(data: bytes) -> None:
    for shown in (hl7_original(data, "PID-3"), fhir_original(data, "entry 1 Patient.name")):
        assert shown.size == len(data)
        assert len(shown.lines) >= 0


def test_the_element_of_a_fhir_entry_is_marked() -> None:
    shown = fhir_original(b'{"resource":{"resourceType":"Observation","status":"x"}}', "entry 4 Observation.status")
    assert [each.text.strip() for each in shown.lines if each.marked] == ['"status": "x"']
