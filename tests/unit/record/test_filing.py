"""Filing: versions, states, compartments, exact numbers, and the walls that keep versions for good."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from charthouse.record.api import FilingBatch, FilingError, Outcome, State


def test_what_is_filed_is_read_back_byte_for_byte(book: Any, make: Any) -> None:
    book.patient()
    content = (
        b'{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"K"},'
        b'"subject":{"reference":"Patient/p1"},  "valueQuantity":{"value":72.50,"unit":"kg"}}'
    )
    (filed,) = book.file(content)
    assert (filed.outcome, filed.version) == (Outcome.CREATED, 1)
    assert book.current("Observation", "o1").content == content


def test_the_same_again_is_unchanged_and_makes_no_version(book: Any, make: Any) -> None:
    book.patient()
    first = book.file(make.observation())[0]
    again = book.file(make.observation())[0]
    assert (again.outcome, again.version, again.row) == (Outcome.UNCHANGED, 1, first.row)
    assert len(book.versions("Observation", "o1")) == 1


def test_a_change_adds_a_version_and_the_earlier_stays_as_it_was(book: Any, make: Any) -> None:
    book.patient()
    book.file(make.observation())
    changed = book.file(make.observation(status="amended"))[0]
    assert (changed.outcome, changed.version) == (Outcome.UPDATED, 2)
    newest, oldest = book.versions("Observation", "o1")
    assert (newest.version, newest.resource["status"]) == (2, "amended")
    assert (oldest.version, oldest.resource["status"]) == (1, "final")
    assert newest.message != oldest.message
    assert newest.original != oldest.original
    assert newest.filed_at > oldest.filed_at


def test_one_and_many_are_updated_alike(book: Any, make: Any) -> None:
    times = [
        {"effectiveDateTime": "0001-01-01"}, {"effectiveDateTime": "1752-09-14T03:04:05.678901Z"}, {},
        {"effectiveDateTime": "2026-11-28T10:11:12.000001+02:00"}, {"effectiveDateTime": "9999-12-31"},
        {"effectiveDateTime": "1999-12-31T23:59:59.999999Z"}, {"effectiveDateTime": "2023-02-30"},
    ]  # fmt: skip
    book.patient()
    for name in ("one", "many"):
        book.file(*(make.observation(id=f"{name}{number}") for number in range(len(times))))
    for number, when in enumerate(times):
        book.file(make.observation(id=f"one{number}", status="amended", **when))
    book.file(
        *(make.observation(id=f"many{number}", status="amended", **when) for number, when in enumerate(times))
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT main_low::text, main_high::text, patient, encounter, source, version, labels, state, type "
            "FROM record_resource WHERE type = 96 ORDER BY regexp_replace(public_id, '[a-z]', '', 'g'), public_id"
        )
        rows = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM record_superseded")
        assert cursor.fetchone() == (14,)
    assert len(rows) == 14 and rows[::2] == rows[1::2]
    assert len({row[0] for row in rows}) == 7, "seven different times, one of them none"


def test_several_versions_of_one_resource_in_one_batch_are_all_kept(book: Any, make: Any) -> None:
    done = book.file(
        make.patient(), make.observation(status="preliminary"), make.observation(status="final"),
        make.observation(status="final"), make.observation(status="corrected"),
    )  # fmt: skip
    assert [each.outcome for each in done[1:]] == [
        Outcome.CREATED,
        Outcome.UPDATED,
        Outcome.UNCHANGED,
        Outcome.UPDATED,
    ]
    assert [each.version for each in done[1:]] == [1, 2, 2, 3]
    found = book.versions("Observation", "o1")
    assert [each.resource["status"] for each in found] == ["corrected", "final", "preliminary"]
    assert book.current("Observation", "o1").resource["status"] == "corrected"


def test_going_back_to_an_earlier_text_is_a_new_version(book: Any, make: Any) -> None:
    book.patient()
    for status in ("final", "amended", "final"):
        book.file(make.observation(status=status))
    assert [each.resource["status"] for each in book.versions("Observation", "o1")] == ["final", "amended", "final"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record_version SET state = 1",
        "DELETE FROM record_version",
        "TRUNCATE record_version",
        "DELETE FROM record_version_observation",
        "TRUNCATE record_version_observation",
        "UPDATE record_account_segment SET text = ''",
    ],
)
def test_versions_cannot_be_overwritten_by_the_application(book: Any, make: Any, statement: str) -> None:
    book.patient()
    book.file(make.observation())
    book.rows("SELECT 1")
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert len(book.versions("Observation", "o1")) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record_version SET state = 1",
        "DELETE FROM record_version",
        "TRUNCATE record_version",
        "TRUNCATE record_version_observation",
    ],
)
def test_not_even_the_owner_overwrites_versions(
    committed_db: str, owner_conninfo: str, make: Any, statement: str
) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        make.book(cursor).file(make.patient(), make.observation())
    with psycopg.connect(owner_conninfo, autocommit=True) as owner:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(statement.encode())
        assert owner.execute("SELECT count(*) FROM record_version").fetchone() == (2,)


# States


@pytest.mark.parametrize(
    "more",
    [
        {"status": "entered-in-error"},
        {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}},
        {"docStatus": "entered-in-error"},
    ],
)
def test_what_says_that_it_is_wrong_does_not_stand_any_more(book: Any, make: Any, more: dict[str, Any]) -> None:
    from charthouse.record.api import of_patients

    row = book.patient()
    book.file(make.observation())
    book.file(make.observation(**more))
    stored = book.current("Observation", "o1")
    assert stored.state is State.ENTERED_IN_ERROR
    assert of_patients(book.cursor, make.system, [row], ["Observation"]) == []
    assert [each.state for each in book.versions("Observation", "o1")] == [State.ENTERED_IN_ERROR, State.ACTIVE]


def test_what_its_sender_deletes_is_kept_with_its_history(book: Any, make: Any) -> None:
    from charthouse.record.api import of_patients

    row = book.patient()
    book.file(make.observation())
    deleted = book.file(make.observation(), deleted=True)[0]
    assert (deleted.outcome, deleted.version) == (Outcome.UPDATED, 2)
    assert book.current("Observation", "o1").state is State.DELETED
    assert of_patients(book.cursor, make.system, [row], ["Observation"]) == []
    back = book.file(make.observation())[0]
    assert (back.outcome, back.version) == (Outcome.UPDATED, 3)
    assert len(of_patients(book.cursor, make.system, [row], ["Observation"])) == 1


# Compartments


def test_items_carry_their_patient_and_encounter(book: Any, make: Any) -> None:
    row = book.patient()
    visit = {
        "resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p1"},
    }  # fmt: skip
    encounter = book.file(visit)[0].row
    book.file(make.observation(encounter={"reference": "Encounter/e1"}))
    stored = book.current("Observation", "o1")
    assert (stored.patient, stored.encounter) == (row, encounter)
    assert book.current("Patient", "p1").patient == row


def test_a_patient_in_the_same_batch_is_known_wherever_it_stands(book: Any, make: Any) -> None:
    done = book.file(make.observation(), make.patient())
    assert done[0].patient == done[1].row
    assert book.current("Observation", "o1").patient == done[1].row


def test_an_item_of_nobody_known_is_refused_and_nothing_is_written(book: Any, make: Any) -> None:
    with pytest.raises(FilingError) as refused:
        book.file(make.patient(), make.observation(), make.observation("o2", of="nobody"))
    assert "not in the record" in str(refused.value)
    assert refused.value.filing.public_id == "o2"
    assert book.one("SELECT count(*) FROM record_resource") == 0
    assert book.one("SELECT count(*) FROM record_version") == 0


def test_what_names_no_patient_any_more_stays_its_patients(book: Any, make: Any) -> None:
    row = book.patient()
    book.file(make.observation())
    unowned = make.observation(status="amended")
    del unowned["subject"]
    book.file(unowned)
    assert book.current("Observation", "o1").patient == row


def test_an_item_of_one_patient_is_noticed_on_its_way_to_another(book: Any, make: Any) -> None:
    one, two = book.patient("p1"), book.patient("p2")
    book.file(make.observation())
    filings = book.prepare(make.observation(of="p2"), make.observation("o2", of="p2"))
    (moved,) = FilingBatch(book.cursor, filings).moved()
    assert (moved.filing.public_id, moved.from_row, moved.to_row) == ("o1", one, two)


def test_an_item_given_to_two_patients_in_one_batch_is_noticed(book: Any, make: Any) -> None:
    book.patient("p1"), book.patient("p2")
    filings = book.prepare(
        make.observation(), make.observation(of="p2"), make.observation(of="p1", status="amended")
    )
    moved = FilingBatch(book.cursor, filings).moved()
    assert [each.filing for each in moved] == [filings[1]]


def test_a_patient_who_is_new_in_the_batch_is_named(book: Any, make: Any) -> None:
    filings = book.prepare(make.patient(), make.observation(), make.observation("o2", of="p9"))
    assert FilingBatch(book.cursor, filings).without_patient() == [filings[2]]


# Shared resources


def test_a_mention_never_replaces_what_is_known(book: Any, make: Any) -> None:
    known = {"resourceType": "Practitioner", "id": "x", "name": [{"family": "Okafor"}]}
    book.file(known)
    (stub,) = book.prepare({"resourceType": "Practitioner", "id": "x"})
    stub.only_if_absent = True
    (filed,) = FilingBatch(book.cursor, [stub]).file([stub], datetime.now(UTC))
    assert filed.outcome is Outcome.UNCHANGED
    assert book.current("Practitioner", "x").resource == known


def test_a_mention_stands_until_the_real_one_comes(book: Any, make: Any) -> None:
    (stub,) = book.prepare({"resourceType": "Practitioner", "id": "x"})
    stub.only_if_absent = True
    (filed,) = FilingBatch(book.cursor, [stub]).file([stub], datetime.now(UTC))
    assert filed.outcome is Outcome.CREATED
    real = book.file({"resourceType": "Practitioner", "id": "x", "name": [{"family": "Okafor"}]})[0]
    assert (real.outcome, real.version, real.row) == (Outcome.UPDATED, 2, filed.row)


# Times


def test_occurred_authored_and_filed_are_three_times(book: Any, make: Any) -> None:
    book.patient()
    book.file(make.observation(issued="2026-02-04T10:00:00Z"))
    stored = book.current("Observation", "o1")
    assert stored.main == datetime(2026, 2, 3, 13, 15, tzinfo=UTC)
    assert stored.authored == datetime(2026, 2, 4, 10, 0, tzinfo=UTC)
    assert stored.filed_at == book.now


def test_an_item_without_a_time_is_filed_without_one(book: Any, make: Any) -> None:
    book.patient()
    undated = make.observation()
    del undated["effectiveDateTime"]
    book.file(undated)
    assert book.current("Observation", "o1").main.year == 1
    assert book.one("SELECT main_low = '-infinity' FROM record_resource WHERE public_id = 'o1'")


def test_a_hundred_resources_cost_as_many_round_trips_as_one(book: Any, make: Any) -> None:
    from django.test.utils import CaptureQueriesContext

    book.patient()
    with CaptureQueriesContext(connection) as one:
        book.file(make.observation("first"))
    with CaptureQueriesContext(connection) as hundred:
        book.file(*(make.observation(f"o{number}") for number in range(100)))
    assert len(hundred) == len(one)


def test_content_is_kept_compressed_and_whole(book: Any, make: Any) -> None:
    book.patient()
    long = make.observation(note=[{"text": "as before " * 500}])
    book.file(long)
    stored = book.one(
        "SELECT length(content) FROM record_version WHERE type = "
        "(SELECT type FROM record_resource WHERE public_id = 'o1') AND resource = "
        "(SELECT id FROM record_resource WHERE public_id = 'o1')"
    )
    assert stored < 1_000
    assert book.current("Observation", "o1").content == orjson.dumps(long)
