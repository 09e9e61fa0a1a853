"""Two persons are merged, and it is undone: whole, once, and with what came since."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from charthouse.foundation.access.api import AccessContext, Label, PermissionRefused, Role, system_context
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from charthouse.identity.domain.history import Moved, replay
from tests.support.threads import together

Make = Callable[..., dict[str, Any]]
SYSTEM = system_context("tests")


def technician(number: int = 1) -> AccessContext:
    return AccessContext(f"user:{number}", f"Technician {number}", frozenset({Role.HIT}))


def place(row: int, resource: dict[str, Any], source: int = 1, labels: int = 0) -> UUID:
    with transaction.atomic():
        arrival = identity.Arrival(row, f"patient-{row}", source, resource, labels, message=row)
        return identity.place([arrival])[0].person


def persons() -> dict[int, UUID]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient, person FROM identity_source_patient ORDER BY patient")
        return dict(cursor.fetchall())


def states() -> dict[UUID, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, state FROM identity_person")
        return dict(cursor.fetchall())


def replayed() -> dict[int, UUID]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient, person_from, person_to FROM identity_link ORDER BY id")
        return replay(Moved(*row) for row in cursor.fetchall())


@pytest.fixture
def two(patient: Make) -> Callable[[], tuple[UUID, UUID]]:
    """Two persons, the first with two records of two senders, the second with one."""

    def make() -> tuple[UUID, UUID]:
        one = place(1, patient(mrn="A1", ssn="219-41-6788"))
        assert place(2, patient(mrn="B7", ssn="219-41-6788"), source=2) == one
        return one, place(3, patient("Lindquist", "Joan", born="1961-04-18", mrn="A9", phone=None, address=None))

    return make


Two = Callable[[], tuple[UUID, UUID]]


@pytest.mark.django_db
def test_a_merge_is_kept_whole_and_is_undone_whole(two: Two) -> None:
    one, other = two()
    before = persons()
    decision = identity.merge(technician(), other, one, "Both cards seen.")
    assert persons() == {1: other, 2: other, 3: other} == replayed()
    assert states() == {one: 2, other: 1}
    assert identity.surviving(technician(), one) == other
    identity.undo(technician(2), decision, "They are sisters.")
    assert persons() == before == replayed()
    assert states() == {one: 1, other: 1}
    lines = identity.decisions_of(technician(), one)
    assert [(each.kind, each.actor, each.reason) for each in lines] == [
        ("undo", "user:2", "They are sisters."), ("merge", "user:1", "Both cards seen."),
    ]  # fmt: skip
    assert lines[1].undone_by == lines[0].id and lines[1].moved == (1, 2)
    (merged,) = entries(SYSTEM, Filters(action="identity.merge")).lines
    (undone,) = entries(SYSTEM, Filters(action="identity.undo-merge")).lines
    assert (merged.actor, undone.actor) == ("user:1", "user:2")
    assert {each.id for each in undone.subjects} >= {"patient-1", "patient-2", str(one), str(other)}


@pytest.mark.django_db
def test_a_merge_changes_nothing_that_patients_own_but_whose_they_are(two: Two) -> None:
    from charthouse.foundation.tables import TableClass, declared

    one, other = two()

    def rows() -> dict[str, Any]:
        found = {}
        with connection.cursor() as cursor:
            for model, kind in declared():
                table = model._meta.db_table
                if kind is TableClass.PATIENT:
                    cursor.execute(f"SELECT to_jsonb(t) - 'person' FROM {table} t ORDER BY to_jsonb(t)::text")
                    found[table] = cursor.fetchall()
        return found

    before = rows()
    assert before["identity_traits"]
    identity.merge(technician(), one, other, "x")
    assert rows() == before


@pytest.mark.django_db
def test_it_needs_the_right_a_reason_and_two_persons(two: Two) -> None:
    one, other = two()
    for role in (Role.COORDINATOR, Role.CODER, Role.PRIVACY, Role.AUDITOR):
        with pytest.raises(PermissionRefused):
            identity.merge(AccessContext("user:9", "x", frozenset({role})), one, other, "x")
    with pytest.raises(identity.CannotDecide, match="Say why"):
        identity.merge(technician(), one, other, " ")
    with pytest.raises(identity.CannotDecide, match="Two persons"):
        identity.merge(technician(), one, one, "x")
    with pytest.raises(identity.CannotDecide, match="Two persons"):
        identity.merge(technician(), one, UUID(int=7), "x")
    with pytest.raises(identity.CannotDecide, match="no field"):
        identity.merge(technician(), one, other, "x", shown={"shoe": 1})
    with pytest.raises(identity.CannotDecide, match="among the records"):
        identity.merge(technician(), one, other, "x", shown={"name": 99})
    assert len(set(persons().values())) == 2


@pytest.mark.django_db
def test_who_may_not_see_a_record_does_not_merge_it(two: Two, patient: Make) -> None:
    one, _ = two()
    hidden = place(8, patient("Quill", "Ada", born="1950-01-02", ssn=None), labels=int(Label.VIP))
    with pytest.raises(identity.CannotDecide, match="may not see"):
        identity.merge(technician(), one, hidden, "x")


@pytest.mark.django_db
def test_who_was_found_to_be_two_is_refused_until_that_is_taken_back(two: Two) -> None:
    one, other = two()
    identity.tell_apart(technician(), 2, 3, "Two passports.")
    with pytest.raises(identity.NotMerged, match="two persons") as refused:
        identity.merge(technician(), one, other, "x", confirmed=["identity.merge-told-apart"])
    assert [each.rule for each in refused.value.findings] == ["identity.merge-told-apart"]
    identity.revoke_apart(technician(2), 3, 2, "One passport was another's.")
    identity.merge(technician(), one, other, "x")
    lines = identity.apart_of(technician(), one)
    assert [(each.verdict, each.actor, each.reason, each.in_force) for each in lines] == [
        ("revoked", "user:2", "One passport was another's.", False), ("apart", "user:1", "Two passports.", False),
    ]  # fmt: skip
    with pytest.raises(identity.CannotDecide, match="nothing to take back"):
        identity.revoke_apart(technician(), 2, 3, "x")


@pytest.mark.django_db
def test_told_apart_again_after_it_was_taken_back(two: Two) -> None:
    one, _ = two()
    for _ in range(2):
        identity.tell_apart(technician(), 1, 3, "a")
        identity.revoke_apart(technician(), 1, 3, "b")
    identity.tell_apart(technician(), 3, 1, "c")
    assert [each.in_force for each in identity.apart_of(technician(), one)] == [True, *[False] * 4]


@pytest.mark.django_db
def test_two_days_of_death_are_two_persons(patient: Make) -> None:
    one = place(1, patient(ssn="219-41-6788", deceasedDateTime="2024-02-03"))
    other = place(2, patient("Quill", "Ada", born="1950-01-02", deceasedDateTime="2024-02-04T10:00:00Z"))
    with pytest.raises(identity.NotMerged, match="different days"):
        identity.merge(technician(), one, other, "x")


@pytest.mark.django_db
def test_it_is_not_undone_twice_and_only_by_those_who_may(two: Two) -> None:
    one, other = two()
    decision = identity.merge(technician(), one, other, "x")
    with pytest.raises(PermissionRefused):
        identity.undo(AccessContext("user:9", "x", frozenset({Role.COORDINATOR})), decision, "x")
    with pytest.raises(identity.CannotDecide, match="Say why"):
        identity.undo(technician(), decision, "")
    undone = identity.undo(technician(), decision, "x")
    with pytest.raises(identity.CannotDecide, match="undone before"):
        identity.undo(technician(), decision, "x")
    for number in (undone, 4711):
        with pytest.raises(identity.CannotDecide, match="no such decision"):
            identity.undo(technician(), number, "x")


@pytest.mark.django_db
def test_the_later_decision_is_undone_first(two: Two, patient: Make) -> None:
    one, other = two()
    third = place(4, patient("Quill", "Ada", born="1950-01-02"))
    first = identity.merge(technician(), one, other, "x")
    second = identity.merge(technician(), third, one, "y")
    with pytest.raises(identity.CannotDecide, match=f"decision {second}"):
        identity.undo(technician(), first, "z")
    identity.undo(technician(), second, "z")
    identity.undo(technician(), first, "z")
    assert persons() == {1: one, 2: one, 3: other, 4: third} == replayed()


@pytest.mark.django_db
def test_a_record_that_came_since_is_asked_about(two: Two, patient: Make) -> None:
    one, other = two()
    decision = identity.merge(technician(), one, other, "x")
    assert place(5, patient(mrn="C5", ssn="219-41-6788"), source=3) == one
    assert place(6, patient(mrn="D6", ssn="219-41-6788"), source=4) == one
    with pytest.raises(identity.NotAsked) as asked:
        identity.undo(technician(), decision, "x", going_back={5: True})
    assert asked.value.patients == (6,)
    assert identity.undoing(technician(), decision).arrived == (5, 6)
    identity.undo(technician(), decision, "x", going_back={5: True, 6: False})
    assert persons() == {1: one, 2: one, 3: other, 5: other, 6: one} == replayed()


@pytest.mark.django_db
def test_those_who_are_parted_are_told_apart_where_it_is_asked(two: Two) -> None:
    one, other = two()
    decision = identity.merge(technician(), one, other, "x")
    identity.undo(technician(), decision, "Sisters.", apart=True)
    assert {(each.mine.patient, each.other.patient) for each in identity.apart_of(technician(), other)} == {
        (3, 1),
        (3, 2),
    }
    with pytest.raises(identity.NotMerged):
        identity.merge(technician(), one, other, "x")


@pytest.mark.django_db
def test_what_the_banner_shows_is_chosen_and_falls_back_when_undone(two: Two, patient: Make) -> None:
    one, other = two()
    third = place(4, patient("Quill", "Ada", born="1950-01-02"))
    identity.merge(technician(), one, other, "x", shown={"name": 3, "birth_date": 1})
    assert identity.shown_of(one) == {"name": 3, "birth_date": 1}
    found = identity.summary(technician(), one)
    assert found is not None and found.name == "Lindquist, Joan" and found.birth_date == "1961-04-17"
    again = identity.merge(technician(), one, third, "x", shown={"name": 4})
    assert identity.shown_of(one) == {"name": 4}
    identity.undo(technician(), again, "x")
    assert identity.shown_of(one) == {"name": 3, "birth_date": 1}


@pytest.mark.django_db
def test_many_persons_in_short_are_each_as_alone_in_as_many_queries(two: Two, patient: Make) -> None:
    one, other = two()
    third = place(4, patient("Quill", "Ada", born="1950-01-02"))
    hidden = place(5, patient("Rusk", "Ida", born="1949-05-02"), labels=int(Label.RESTRICTED))
    identity.merge(technician(), one, other, "x", shown={"name": 3, "birth_date": 1})
    with CaptureQueriesContext(connection) as alone:
        each = {person: identity.summary(technician(), person) for person in (one,)}
    with CaptureQueriesContext(connection) as together_:
        found = identity.summaries(technician(), [third, hidden, other, one])
    assert found == each | {third: identity.summary(technician(), third)}
    assert found[one].name == "Lindquist, Joan" and len(found[one].sources) == 3
    assert identity.summary(technician(), hidden) is None is identity.summary(technician(), other)
    assert len(together_) == len(alone)
    named = {f"patient-{row}": person for row, person in ((1, one), (3, one), (4, third))}
    assert identity.persons_of_public(technician(), [*named, "patient-5", "patient-9"]) == named
    assert identity.person_of_public(technician(), "patient-5") is None


@pytest.mark.django_db
def test_items_that_asked_are_answered(two: Two) -> None:
    one, other = two()
    work.open_item(
        identity.POSSIBLE_DUPLICATES, subject=work.Subject("patient", "patient-3"), reason="x", dedupe="2-3",
        detail={"patients": [3, 2]},
    )  # fmt: skip
    identity.merge(technician(), one, other, "x")
    assert [item.dedupe for item in work.items(SYSTEM, identity.POSSIBLE_DUPLICATES).items] == []


@pytest.mark.django_db
def test_one_record_is_taken_away_and_that_is_undone(two: Two) -> None:
    one, _ = two()
    with pytest.raises(identity.CannotDecide, match="only record"):
        identity.unlink(technician(), 3, "x")
    decision = identity.unlink(technician(), 2, "A cousin.")
    apart = persons()
    assert apart[2] not in {one, apart[3]} and apart[1] == one
    assert [each.in_force for each in identity.apart_of(technician(), one)] == [True]
    identity.undo(technician(), decision, "The same after all.")
    assert persons()[2] == one and states()[apart[2]] == 2
    assert [each.in_force for each in identity.apart_of(technician(), one)] == [False, False]
    again = identity.unlink(technician(), 2, "A cousin.", apart=False)
    assert persons()[2] == apart[2], "a person left empty takes its record back"
    identity.undo(technician(), again, "x")
    assert persons()[2] == one == replayed()[2]


@pytest.mark.django_db
def test_a_link_and_a_sender_s_notice_are_undone_like_a_merge(two: Two) -> None:
    one, other = two()
    before = persons()
    identity.link(technician(), 3, 1, "x")
    (line,) = [each for each in identity.decisions_of(technician(), one) if each.kind == "link"]
    identity.undo(technician(), line.id, "y")
    assert persons() == before == replayed()
    with transaction.atomic():
        assert identity.link_by_notice("patient-1", "patient-3", 1).linked
    (line,) = [each for each in identity.decisions_of(technician(), other) if each.kind == "notice"]
    identity.undo(technician(), line.id, "The sender was wrong.")
    assert persons() == before == replayed()


def test_two_merge_the_same_pair(committed_db: str, patient: Make) -> None:
    for turn in range(3):
        one = place(10 * turn + 1, patient("Quill", born=f"196{turn}-04-17", ssn=f"219-4{turn}-6788"))
        other = place(10 * turn + 2, patient("Wren", "Ada", born=f"195{turn}-01-02", phone=None, address=None))
        assert one != other
        found = together(
            [
                partial(identity.merge, technician(1), one, other, "x"),
                partial(identity.merge, technician(2), other, one, "y"),
                partial(identity.merge, technician(3), one, other, "z"),
            ]
        )
        assert found == {"done": 1, "CannotDecide": 2}
        assert len({persons()[10 * turn + 1], persons()[10 * turn + 2]}) == 1
    assert persons() == replayed()


def test_two_undo_the_same_merge(committed_db: str, two: Two) -> None:
    one, other = two()
    for _ in range(3):
        decision = identity.merge(technician(), one, other, "x")
        found = together([partial(identity.undo, technician(n), decision, "x") for n in (1, 2, 3)])
        assert found == {"done": 1, "CannotDecide": 2}
        assert persons() == {1: one, 2: one, 3: other} == replayed()


def test_a_merge_beside_records_that_arrive(committed_db: str, patient: Make) -> None:
    """Whoever is first: what arrives for the one who is merged is with the survivor in the end, with nobody
    else."""
    for turn in range(4):
        base = 100 * turn
        ssn = f"219-41-{6780 + turn}"
        arriving = patient("Wren", born=f"196{turn}-04-17", ssn=ssn)
        one = place(base + 1, patient("Quill", "Ada", born=f"195{turn}-01-02", phone=None, address=None))
        other = place(base + 2, arriving)
        acts: list[Callable[[], object]] = [partial(identity.merge, technician(), one, other, "x")]
        acts += [partial(place, base + n, arriving, n) for n in range(3, 7)]
        assert together(acts) == {"done": 5}
        now = persons()
        assert {now[base + n] for n in range(1, 7)} == {one}
        assert states()[other] == 2 and states()[one] == 1
    assert persons() == replayed()


@pytest.mark.django_db
def test_the_board_says_which_sender_brought_records_that_were_duplicates(two: Two, patient: Make) -> None:
    one, other = two()
    place(4, patient("Quill", "Ada", born="1950-01-02", mrn="B9", phone=None, address=None), source=2)
    manager = AccessContext("user:9", "M", frozenset({Role.MANAGER}))

    def brought() -> list[tuple[str, tuple[int, ...]]]:
        return [(each.key, each.counts) for each in identity.board(manager).places]

    assert brought() == []
    decision = identity.merge(technician(), one, other, "Both cards seen.")
    # The third record came of the first sender, which sent two in all.
    assert brought() == [("1", (2, 1))]
    identity.undo(technician(), decision, "They are sisters.")
    assert brought() == []
