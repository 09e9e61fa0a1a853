"""A technician decides about two patients: one person, or two; and two technicians decide at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from tests.support.threads import together

Make = Callable[..., dict[str, Any]]
SYSTEM = system_context("tests")
QUEUE = identity.POSSIBLE_DUPLICATES


def technician(number: int = 1) -> AccessContext:
    return AccessContext(f"user:{number}", f"Technician {number}", frozenset({Role.HIT}))


def place(row: int, resource: dict[str, Any], source: int = 1) -> identity.Placement:
    with transaction.atomic():
        return identity.place([identity.Arrival(row, f"patient-{row}", source, resource, message=row)])[0]


def persons() -> dict[int, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient, person FROM identity_source_patient")
        return dict(cursor.fetchall())


def waiting() -> list[str]:
    return sorted(item.dedupe for item in work.items(SYSTEM, QUEUE).items)


@pytest.fixture
def pair(patient: Make) -> Callable[[], tuple[int, int]]:
    """Two patients of whom nobody can say by rule whether they are one."""

    def make() -> tuple[int, int]:
        place(1, patient(ssn="219-41-6788"))
        place(2, patient(ssn="518-77-1204"))
        assert waiting() == ["1-2"]
        return 1, 2

    return make


@pytest.mark.django_db
def test_two_found_to_be_one_are_under_the_person_who_was_here_first(pair: Callable[[], tuple[int, int]]) -> None:
    one, other = pair()
    before = persons()
    person = identity.link(technician(), other, one, "Both cards seen.")
    assert person == before[one] and persons() == {one: person, other: person}
    assert waiting() == []
    line = identity.history(technician(), person)[-1]
    assert (line.kind, line.actor, line.reason, line.person_from) == (
        "linked", "user:1", "Both cards seen.", before[other],
    )  # fmt: skip
    assert line.waterfall and line.weight is not None and line.model
    assert identity.surviving(technician(), before[other]) == person
    (entry,) = entries(SYSTEM, Filters(action="identity.link")).lines
    assert entry.actor == "user:1"
    assert {each.id for each in entry.subjects} == {f"patient-{other}", str(before[one]), str(before[other])}
    with connection.cursor() as cursor:
        cursor.execute("SELECT payload->>'patient' FROM events_event WHERE kind = 'identity.linked'")
        assert cursor.fetchall() == [(str(other),)]


@pytest.mark.django_db
def test_linking_needs_the_right_a_reason_and_two_who_are_not_decided(pair: Callable[[], tuple[int, int]]) -> None:
    one, other = pair()
    coder = AccessContext("user:2", "Coder", frozenset({Role.CODER}))
    with pytest.raises(PermissionRefused):
        identity.link(coder, one, other, "x")
    with pytest.raises(ValueError, match="Say why"):
        identity.link(technician(), one, other, "  ")
    with pytest.raises(ValueError, match="Two different"):
        identity.link(technician(), one, one, "x")
    with pytest.raises(ValueError, match="Two different"):
        identity.link(technician(), one, 99, "x")
    identity.tell_apart(technician(), one, other, "Two passports.")
    with pytest.raises(identity.ToldApart, match="two persons"):
        identity.link(technician(), one, other, "x")
    assert len(set(persons().values())) == 2


@pytest.mark.django_db
def test_one_already_is_not_linked_again(pair: Callable[[], tuple[int, int]]) -> None:
    one, other = pair()
    identity.link(technician(), one, other, "x")
    with pytest.raises(identity.SamePerson, match="already"):
        identity.link(technician(), one, other, "x")
    with pytest.raises(identity.SamePerson):
        identity.tell_apart(technician(), one, other, "x")


@pytest.mark.django_db
def test_a_pair_told_apart_is_not_joined_by_way_of_a_third(patient: Make) -> None:
    place(1, patient(ssn="219-41-6788"))
    place(2, patient(ssn="518-77-1204"))
    place(3, patient(ssn="646-12-0917"))
    identity.tell_apart(technician(), 1, 3, "Two passports.")
    identity.link(technician(), 1, 2, "Both cards seen.")
    with pytest.raises(identity.ToldApart, match="another record"):
        identity.link(technician(), 2, 3, "x")


@pytest.mark.django_db
def test_every_item_the_decision_answers_is_finished(patient: Make) -> None:
    place(1, patient(ssn="219-41-6788"))
    place(2, patient(ssn="518-77-1204"))
    place(3, patient(ssn="646-12-0917"))
    asked = set(waiting())
    identity.link(technician(), 1, 2, "x")
    identity.link(technician(), 3, 1, "x")
    assert len(set(persons().values())) == 1 and asked
    assert waiting() == []


def test_two_technicians_say_the_same_of_one_pair(committed_db: str, pair: Callable[[], tuple[int, int]]) -> None:
    one, other = pair()
    found = together(
        [
            lambda: identity.link(technician(1), one, other, "x"),
            lambda: identity.link(technician(2), other, one, "y"),
        ]
    )
    assert found == {"done": 1, "SamePerson": 1}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM identity_link WHERE kind = 'linked'")
        assert cursor.fetchone() == (1,)


def test_two_technicians_contradict_each_other(committed_db: str, patient: Make) -> None:
    for turn in range(4):
        one, other = 10 * turn + 1, 10 * turn + 2
        place(one, patient(f"Quill{'abcd'[turn]}", ssn="219-41-6788"))
        place(other, patient(f"Quill{'abcd'[turn]}", ssn="518-77-1204"))

        def same(one: int = one, other: int = other) -> None:
            identity.link(technician(1), one, other, "x")

        def different(one: int = one, other: int = other) -> None:
            identity.tell_apart(technician(2), one, other, "y")

        found = together([same, different])
        assert found in ({"done": 1, "SamePerson": 1}, {"done": 1, "ToldApart": 1})
        now = persons()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM identity_not_same WHERE low = %s", [one])
            told_apart = cursor.fetchone()[0] == 1
        assert told_apart == (now[one] != now[other]), "told apart, or one: never both"
