"""A person is registered once: searched for first, numbered, filed like a message, never made twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from charthouse.foundation.access.api import PermissionRefused, Role
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.frontdesk.api import FrontdeskError, KnownAlready, Registered, Unfit, alike, register_person
from charthouse.identity.api import Likeness, find, sources_of
from charthouse.intake.api import provenance
from charthouse.people.api import is_own_mrn, mrn_assigners

from .conftest import COORDINATOR, PHYSICIAN, SYSTEM, asker, at_once, send, set_up_desk, summary_of, typed


def test_a_walk_in_has_a_chart_with_what_was_typed(desk: Callable[..., UUID]) -> None:
    person = desk(
        middle="Inés", suffix="Jr", previous="Reyes", language="Spanish", interpreter="yes", ssn="219-09-4411"
    )
    summary = summary_of(person)
    assert summary.name == "Okonkwo-Reyes, Marisol Inés Jr"
    assert (summary.birth_date, summary.sex) == ("1952-03-09", "female")
    assert (summary.language, summary.interpreter) == ("Spanish", True)
    (assigner,) = mrn_assigners()
    assert len(summary.mrns) == 1 and is_own_mrn(assigner.id, summary.mrns[0])
    for words in ("reyes marisol", "okonkwo", summary.mrns[0], "219-09-4411", "8155550142"):
        assert [hit.person for hit in find(SYSTEM, words)] == [person], words


def test_who_entered_it_stands_in_provenance_and_ledger(desk: Callable[..., UUID]) -> None:
    person = desk()
    (source,) = sources_of(SYSTEM, person)
    came = provenance(asker(Role.HIT), "Patient", source.public_id)
    assert came is not None
    assert (came.connector, came.entered_by) == ("Entered here", "M. Sato")
    assert came.original is not None and any("Okonkwo-Reyes" in line.text for line in came.original.lines)
    (line,) = entries(SYSTEM, Filters(action="frontdesk.register")).lines
    assert line.actor == "user:11"
    assert not any(word in str(line.detail) for word in ("Okonkwo", "1952"))


def test_numbers_follow_one_another(desk: Callable[..., UUID]) -> None:
    first = desk()
    second = desk(family="Brandt", given="Ole", birth="1990-01-02", sex="male", phone="", line="", ssn="")
    assert first != second
    numbers = [summary_of(each).mrns[0] for each in (first, second)]
    assert [number[:6] for number in numbers] == ["004100", "004101"]


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"family": ""}, {"family"}),
        ({"birth": "31.2.1950"}, {"birth"}),
        ({"birth": "2199-01-01"}, {"birth"}),
        ({"birth": ""}, {"birth"}),
        ({"birth_unknown": "yes"}, {"birth"}),
        ({"sex": "lady"}, {"sex"}),
        ({"ssn": "000-12-3456"}, {"ssn"}),
        ({"phone": "12"}, {"phone"}),
        ({"email": "nobody"}, {"email"}),
        ({"family": "x" * 500, "given": ""}, {"family", "given"}),
        ({"interpreter": "perhaps"}, {"interpreter"}),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_filed(
    db: None, fields: dict[str, str], at_fault: set[str]
) -> None:
    set_up_desk()
    with pytest.raises(Unfit) as refused:
        register_person(COORDINATOR, typed(**fields))
    assert set(refused.value.faults) == at_fault
    assert all(words.endswith(".") for words in refused.value.faults.values())
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM intake_message")
        assert cursor.fetchone() == (0,)


def test_an_unknown_birth_date_stays_unknown(desk: Callable[..., UUID]) -> None:
    assert summary_of(desk(birth="", birth_unknown="yes")).birth_date == ""


def test_who_may_not_register_is_refused(db: None) -> None:
    with pytest.raises(PermissionRefused):
        register_person(PHYSICIAN, typed())
    with pytest.raises(PermissionRefused):
        alike(PHYSICIAN, typed())


def test_without_an_assigner_the_desk_is_told(db: None) -> None:
    with pytest.raises(FrontdeskError, match="MRN assigner"):
        register_person(COORDINATOR, typed())


def test_candidates_come_while_one_types(desk: Callable[..., UUID]) -> None:
    person = desk()
    for fields in (
        {"family": "okon"},
        {"given": "mar", "birth": "1952"},
        {"family": "Okonkwo Reyes", "given": "Marysol", "birth": "9 March 1952"},
        {"family": "Reyes", "birth": "9.3.1952", "given": "Marisol"},
        {"ssn": "", "phone": "815-555-0142", "given": "Marisol"},
    ):
        found = alike(COORDINATOR, fields)
        assert person in [each.person for each in found.persons], fields
        assert all(each.because for each in found.persons)
    assert alike(COORDINATOR, {"family": "o"}).persons == ()
    assert alike(COORDINATOR, {}).persons == ()
    assert alike(COORDINATOR, {"family": "Brandt", "given": "Ole", "birth": "1990"}).persons == ()


def test_the_date_is_said_as_it_was_read(db: None) -> None:
    read = alike(COORDINATOR, {"birth": "3/9/1952"})
    assert (read.born, read.born_as) == ("1952-03-09", "month first")


def test_the_same_person_is_not_made_twice(desk: Callable[..., UUID]) -> None:
    person = desk(ssn="219-09-4411")
    with pytest.raises(KnownAlready) as refused:
        register_person(COORDINATOR, typed(ssn="219-09-4411", reason="I am sure", seen=str(person)))
    assert refused.value.same
    assert [each.person for each in refused.value.alike] == [person]
    assert len(find(SYSTEM, "okonkwo")) == 1


def test_somebody_alike_needs_a_reason_which_is_kept(desk: Callable[..., UUID]) -> None:
    known = desk(phone="", line="", city="", state="", postal="")
    other = {"family": "Okonkwo-Reyes", "given": "Marisa", "birth": "1952-03-10", "phone": "", "line": ""}
    with pytest.raises(KnownAlready) as refused:
        register_person(COORDINATOR, typed(**other))
    assert not refused.value.same and [each.likeness for each in refused.value.alike] == [Likeness.PERHAPS]
    with pytest.raises(KnownAlready):
        register_person(COORDINATOR, typed(**other, reason="Cousins", seen=""))
    made = register_person(COORDINATOR, typed(**other, reason="Cousins, both were here", seen=str(known)))
    assert made.person != known
    with connection.cursor() as cursor:
        from charthouse.record.api import of_patients

        found = of_patients(
            cursor, SYSTEM, [source.patient for source in sources_of(SYSTEM, made.person)], ["Provenance"]
        )
    assert [each.resource["reason"][0]["text"] for each in found] == ["Cousins, both were here"]


def test_a_person_of_another_sender_is_found_before_one_is_made(db: None) -> None:
    set_up_desk()
    send(
        {
            "resourceType": "Patient", "id": "77", "gender": "female", "birthDate": "1952-03-09",
            "name": [{"family": "Okonkwo-Reyes", "given": ["Marisol"]}],
            "telecom": [{"system": "phone", "value": "815 555 0142"}],
            "address": [{"line": ["14 Quarry Lane"], "city": "Galena", "postalCode": "61036"}],
        }
    )  # fmt: skip
    with pytest.raises(KnownAlready) as refused:
        register_person(COORDINATOR, typed())
    assert refused.value.same


def test_the_same_form_sent_twice_makes_one_person(desk: Callable[..., UUID]) -> None:
    form = typed(once="6f6c3d1e-6a54-4a7e-9d59-2f0c9b1f0a11")
    person = desk(**form)
    again = register_person(COORDINATOR, form)
    assert again.person == person and again.mrn == summary_of(person).mrns[0]


def test_two_desks_that_register_one_person_at_once_end_with_one(committed_db: str) -> None:
    set_up_desk()

    def register() -> Any:
        try:
            # Little is known of the person, so that the index alone would not be sure.
            return register_person(COORDINATOR, typed(phone="", line="", city="", state="", postal=""))
        except KnownAlready as error:
            return error

    outcomes = at_once([register] * 4)
    made = [each for each in outcomes if isinstance(each, Registered)]
    shown = [each for each in outcomes if isinstance(each, KnownAlready)]
    assert len(made) == 1 and len(shown) == 3
    assert all(error.alike[0].person == made[0].person for error in shown)
    assert len(find(SYSTEM, "okonkwo")) == 1
