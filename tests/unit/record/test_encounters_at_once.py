"""Many encounters read at once: what stands, belongs to them and may be seen, and no more."""

from __future__ import annotations

from typing import Any

from charthouse.foundation.access.api import Label
from charthouse.record import api as record

from .conftest import SYSTEM, Book, asker
from .test_labels import labelled


def encounter(id: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "IMP"},
        "subject": {"reference": "Patient/p1"}, "identifier": [{"value": f"V-{id}"}], **more,
    }  # fmt: skip


def order(id: str, of: str, code: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest", "id": id, "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"}, "encounter": {"reference": f"Encounter/{of}"},
        "code": {"coding": [{"code": code}]}, "category": [{"coding": [{"code": "VE"}]}], **more,
    }  # fmt: skip


def test_what_stands_of_these_encounters_and_may_be_seen(book: Book) -> None:
    book.file({"resourceType": "Patient", "id": "p1"}, *(encounter(each) for each in ("e1", "e2", "e3")))
    book.file(encounter("gone"))
    book.file(encounter("gone"), deleted=True)
    book.file(
        order("o1", "e1", "A"), order("o2", "e2", "B"), order("o3", "e3", "A"),
        labelled(order("o4", "e1", "A"), Label.HIV), order("o5", "e1", "A", status="entered-in-error"),
    )  # fmt: skip
    book.file(order("o6", "e1", "A"))
    book.file(order("o6", "e1", "C"))  # changed: what it was before is not found

    listed = record.encounter_rows_after(SYSTEM, 0, 2)
    assert [id for _, id in listed] == ["e1", "e2"]
    rows = [row for row, _ in listed]
    assert [id for _, id in record.encounter_rows_after(SYSTEM, rows[-1], 9)] == ["e3"]
    assert record.encounters_standing(SYSTEM, ["e2", "gone", "e1", "none"]) == listed
    assert [each.public_id for each in record.encounters_at(SYSTEM, rows)] == ["e1", "e2"]

    def ids(found: list[record.Stored]) -> list[str]:
        return sorted(each.public_id for each in found)

    few, all_labels = asker(Label(0)), SYSTEM
    assert ids(record.of_encounters(all_labels, rows, ("ServiceRequest",))) == ["o1", "o2", "o4", "o6"]
    assert ids(record.of_encounters(few, rows, ("ServiceRequest",))) == ["o1", "o2", "o6"]
    coded = ("ServiceRequest", ("code", "category"))
    assert ids(record.coded_of_encounters(all_labels, rows, *coded, ("A",))) == ["o1", "o4"]
    assert ids(record.coded_of_encounters(few, rows, *coded, ("A", "B"))) == ["o1", "o2"]
    assert ids(record.coded_of_encounters(few, rows, *coded, ("VE",))) == ["o1", "o2", "o6"]
    assert record.encounters_numbered(SYSTEM, "V-e2") == ["e2"]
    assert record.encounters_numbered(SYSTEM, "V-gone") == []


def test_an_encounters_stamp_is_another_whenever_anything_of_it_is(book: Book) -> None:
    book.file({"resourceType": "Patient", "id": "p1"}, encounter("e1"), encounter("e2"))
    rows = [row for row, _ in record.encounter_rows_after(SYSTEM, 0, 9)]
    seen = [record.stamps_of(rows, ("ServiceRequest",))]

    def after(*resources: dict[str, Any], deleted: bool = False) -> tuple[bool, bool]:
        """Whether the stamps of both became ones that they never were."""
        book.file(*resources, deleted=deleted)
        seen.append(record.stamps_of(rows, ("ServiceRequest",)))
        one, other = (seen[-1][row] not in {each[row] for each in seen[:-1]} for row in rows)
        return one, other

    assert after(order("o1", "e1", "A")) == (True, False)
    assert after(order("o2", "e2", "A")) == (False, True)
    assert after(order("o1", "e1", "B")) == (True, False)
    assert after(labelled(order("o1", "e1", "B"), Label.HIV)) == (True, False)
    assert after(order("o1", "e2", "B")) == (False, True)  # moved: where it was it is as before it came
    assert seen[-1][rows[0]] == seen[0][rows[0]]
    assert after(order("o2", "e1", "A")) == (True, True)
    assert after(order("o1", "e2", "B"), deleted=True) == (False, True)
    assert after(encounter("e1", status="in-progress")) == (True, False)
