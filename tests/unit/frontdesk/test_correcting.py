"""A correction is a new version; what was stays and is shown; two at once see each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from charthouse.foundation.access.api import PermissionRefused
from charthouse.frontdesk.api import (
    ChangedMeanwhile,
    Unfit,
    correct_demographics,
    former_values,
    open_demographics,
    register_person,
)
from charthouse.identity.api import find, sources_of

from .conftest import COORDINATOR, PHYSICIAN, SYSTEM, at_once, person_called, send, set_up_desk, summary_of, typed


def opened(person: UUID, **changed: str) -> dict[str, str]:
    """The form of a correction as it is sent."""
    found = open_demographics(COORDINATOR, person)
    return {**asdict(found.person), "version": found.version, "reason": "Card shown", **changed}


def test_the_banner_shows_the_new_and_the_chart_the_old(desk: Callable[..., UUID]) -> None:
    person = desk(ssn="219-09-4411")
    form = opened(person, family="Reyes-Vance", line="2 Harbor Walk", phone="8155550199", birth="1953-03-09")
    assert correct_demographics(COORDINATOR, person, form) == 4
    summary = summary_of(person)
    assert (summary.name, summary.birth_date) == ("Reyes-Vance, Marisol", "1953-03-09")
    former = {each.title: (each.value, each.by) for each in former_values(COORDINATOR, person)}
    assert former == {
        "Name": ("Okonkwo-Reyes, Marisol", "M. Sato"),
        "Address": ("14 Quarry Lane, Galena, IL, 61036", "M. Sato"),
        "Telephone": ("815 555 0142", "M. Sato"),
        "Birth date": ("1952-03-09", "M. Sato"),
    }
    assert len(sources_of(SYSTEM, person)) == 1
    assert [hit.person for hit in find(SYSTEM, "okonkwo")] == [person]
    assert [hit.person for hit in find(SYSTEM, "reyes-vance")] == [person]
    assert summary.mrns == tuple(dict.fromkeys(summary.mrns)) and len(summary.mrns) == 1


def test_another_senders_patient_is_corrected_by_a_copy_of_our_own(db: None) -> None:
    set_up_desk()
    send(
        {
            "resourceType": "Patient", "id": "77", "gender": "male", "birthDate": "1990-02-03",
            "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "CEL"}]},
            "name": [{"family": "Brandt", "given": ["Ole"]}], "telecom": [{"system": "phone", "value": "12"}],
            "managingOrganization": {"identifier": {"system": "urn:x", "value": "1"}},
            "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:mercy", "value": "A-77"}],
            "extension": [{"url": "urn:x:weight", "valueDecimal": 72.50}],
        }
    )  # fmt: skip
    person = person_called("brandt")
    correct_demographics(COORDINATOR, person, opened(person, given="Olaf"))
    correct_demographics(COORDINATOR, person, opened(person, city="Galena"))
    summary = summary_of(person)
    assert summary.name == "Brandt, Olaf" and summary.mrns == ("A-77",)
    sources = sources_of(SYSTEM, person)
    assert len(sources) == 2 and len({source.labels for source in sources}) == 1 and sources[0].labels
    assert [each.value for each in former_values(COORDINATOR, person)] == ["Brandt, Ole"]
    assert len(find(SYSTEM, "brandt")) == 1


def test_without_a_reason_or_a_change_nothing_is_filed(desk: Callable[..., UUID]) -> None:
    person = desk()
    with pytest.raises(Unfit) as refused:
        correct_demographics(COORDINATOR, person, opened(person, city="Dixon", reason=" "))
    assert set(refused.value.faults) == {"reason"}
    with pytest.raises(Unfit):
        correct_demographics(COORDINATOR, person, opened(person))
    assert former_values(COORDINATOR, person) == []


def test_who_may_not_correct_is_refused(desk: Callable[..., UUID]) -> None:
    person = desk()
    with pytest.raises(PermissionRefused):
        correct_demographics(PHYSICIAN, person, {})


def test_what_changed_since_is_shown_beside_what_is_typed(desk: Callable[..., UUID]) -> None:
    person = desk()
    mine = opened(person, city="Dixon", phone="8155550177")
    correct_demographics(COORDINATOR, person, opened(person, phone="8155550199", suffix="Jr"))
    with pytest.raises(ChangedMeanwhile) as told:
        correct_demographics(COORDINATOR, person, mine)
    assert [(each.title, each.opened, each.now, each.typed) for each in told.value.differing] == [
        ("Name", "Okonkwo-Reyes, Marisol", "Okonkwo-Reyes, Marisol Jr", "Okonkwo-Reyes, Marisol Jr"),
        ("Telephone", "815 555 0142", "8155550199", "8155550177"),
    ]
    again = {**asdict(told.value.merged), "version": told.value.version, "reason": "Card shown"}
    correct_demographics(COORDINATOR, person, again)
    now = open_demographics(COORDINATOR, person).person
    assert (now.suffix, now.city, now.phone) == ("Jr", "Dixon", "8155550177")


def test_of_two_who_correct_at_once_the_second_is_told(committed_db: str) -> None:
    set_up_desk()
    person = register_person(COORDINATOR, typed()).person
    forms = [opened(person, phone=f"815555{number:04}") for number in range(101, 105)]

    def correct(form: dict[str, str]) -> Any:
        try:
            return correct_demographics(COORDINATOR, person, form)
        except ChangedMeanwhile as error:
            return error

    outcomes = at_once([partial(correct, form) for form in forms])
    assert sorted(isinstance(each, ChangedMeanwhile) for each in outcomes) == [False, True, True, True]
    assert len(former_values(COORDINATOR, person)) == 1
