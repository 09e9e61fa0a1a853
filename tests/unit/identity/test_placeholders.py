"""Values that stand for no value: found by their frequency, decided by a person, and then not believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from typer.testing import CliRunner

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.identity.actions.learn_placeholders import decide_placeholders, find_placeholders
from charthouse.identity.actions.moving import CannotDecide
from charthouse.identity.actions.place_patients import Arrival, Placement, place
from charthouse.identity.board import listed
from charthouse.identity.commands import app
from charthouse.identity.domain.placeholders import Learnt, believed
from charthouse.identity.domain.traits import traits_of
from charthouse.identity.index_reads import read_index
from charthouse.identity.placeholder_queries import placeholder_lines
from charthouse.identity.policy import ask_again

Make = Callable[..., dict[str, Any]]
CTX = system_context("test")
GIVENS = ("Ida", "Per", "Rosalind", "Tobias", "Wanda", "Quentin", "Ulrike", "Mateo", "Bronwyn", "Cyrus", "Leopold",
          "Hedwig", "Nadia", "Orson")  # fmt: skip
FAMILIES = ("Zeller", "Okafor", "Brandt", "Castellano", "Dvorak", "Eriksen", "Fontaine", "Gallo", "Hughes",
            "Ibarra", "Jensen", "Kowalski", "Lindgren", "Moreau")  # fmt: skip
HOUSE = "413-555-0100"
SSN = "219-41-6788"


@pytest.fixture(autouse=True)
def _fresh_policy() -> Any:
    ask_again()
    yield
    ask_again()


def _arrive(first: int, *patients: dict[str, Any]) -> list[Placement]:
    placed = []
    for number, patient in enumerate(patients, start=first):
        with transaction.atomic():
            placed += place([Arrival(number, f"p{number}", number, patient)])
    return placed


def _strangers(patient: Make) -> list[dict[str, Any]]:
    """Fourteen persons who were all registered with the telephone of the house, and five under one number."""
    return [
        patient(
            family,
            given,
            f"{1930 + 4 * number}-0{number % 9 + 1}-1{number % 9}",
            phone=HOUSE,
            ssn=SSN if number < 5 else None,
            address=(f"{number + 1} Elm Street", f"010{number:02}"),
        )
        for number, (given, family) in enumerate(zip(GIVENS, FAMILIES, strict=True))
    ]


@pytest.mark.django_db
@pytest.mark.database
class TestInTheIndex:
    @pytest.fixture(autouse=True)
    def _filled(self, patient: Make) -> None:
        _arrive(1, *_strangers(patient))

    def test_what_too_many_share_is_found_with_its_count_and_reason(self) -> None:
        assert find_placeholders(CTX) == 2
        phone, ssn = placeholder_lines(CTX)
        assert (phone.field, phone.value, phone.persons, phone.state) == ("phone", "4135550100", 14, "found")
        assert (ssn.field, ssn.value, ssn.persons) == ("ssn", "219416788", 5)
        assert "issued to one" in ssn.reason and "household" in phone.reason
        found = listed(CTX, "placeholders")
        assert found is not None and [row.cells[0] for row in found.rows] == ["4135550100", "219416788"]

    def test_nothing_changes_before_a_person_decides(self, patient: Make) -> None:
        [before] = _arrive(100, patient("Zeller", "Ida", None, None, phone=HOUSE, ssn=SSN, address=None))
        find_placeholders(CTX)
        [after] = _arrive(101, patient("Zeller", "Ida", None, None, phone=HOUSE, ssn=SSN, address=None))
        assert before.weight and after.weight and any(step.field == "ssn" for step in after.waterfall)

    def test_an_accepted_value_is_neither_looked_up_nor_scored_until_it_is_taken_back(self, patient: Make) -> None:
        find_placeholders(CTX)
        decide_placeholders(
            CTX, [each.id for each in placeholder_lines(CTX)], accepted=True, why="The front desk's own."
        )
        newcomer = patient("Zeller", "Ida", "1930-01-10", phone=HOUSE, ssn=SSN, address=("1 Elm Street", "01000"))
        [placed] = _arrive(100, newcomer)
        fields = {step.field for step in placed.waterfall}
        assert placed.outcome == "same" and fields.isdisjoint({"ssn", "phone"}) and "birth" in fields
        # By number and telephone alone nobody is found any more.
        [stranger] = _arrive(101, patient("Quist", "Ada", "1999-03-03", phone=HOUSE, ssn=SSN, address=None))
        assert (stranger.outcome, stranger.weight) == ("new", None)
        index = read_index(CTX)
        assert not any(index.table.traits(row).phones for row in range(index.table.size))

        decide_placeholders(CTX, [each.id for each in placeholder_lines(CTX)], accepted=False, why="It was right.")
        [again] = _arrive(102, patient("Zeller", "Ida", "1930-01-10", phone=HOUSE, ssn=SSN, address=None))
        assert {"ssn", "phone"} <= {step.field for step in again.waterfall}
        index = read_index(CTX)
        assert any(index.table.traits(row).phones for row in range(index.table.size))

    def test_a_second_look_keeps_what_was_decided_and_drops_what_is_no_longer_frequent(self, patient: Make) -> None:
        find_placeholders(CTX)
        phone, _ = placeholder_lines(CTX)
        decide_placeholders(CTX, [phone.id], accepted=True, why="The front desk's own.")
        with transaction.atomic():
            place([Arrival(n, f"p{n}", n, p | {"identifier": []}) for n, p in enumerate(_strangers(patient), 1)])
        assert find_placeholders(CTX) == 1
        [line] = placeholder_lines(CTX)
        assert (line.id, line.state, line.decided_by, line.why) == (
            phone.id, "accepted", "system:test", "The front desk's own.",
        )  # fmt: skip

    def test_a_decision_needs_the_right_a_reason_and_a_kept_value_and_stands_in_the_ledger(self) -> None:
        find_placeholders(CTX)
        [first, _] = placeholder_lines(CTX)
        technician = AccessContext(
            actor="person:1", name="Hanna", roles=frozenset({Role.HIT}), purpose="operations"
        )
        with pytest.raises(PermissionRefused):
            decide_placeholders(technician, [first.id], accepted=True, why="So.")
        with pytest.raises(CannotDecide, match="why"):
            decide_placeholders(CTX, [first.id], accepted=True, why=" ")
        with pytest.raises(CannotDecide, match="not kept"):
            decide_placeholders(CTX, [first.id, 999_999], accepted=True, why="So.")
        assert placeholder_lines(CTX)[0].state == "found"
        decide_placeholders(CTX, [first.id], accepted=True, why="The front desk's own.")
        (entry,) = entries(CTX, Filters(action="identity.decide-placeholders")).lines
        assert entry.detail == {"placeholders": [first.id], "accepted": True, "why": "The front desk's own."}
        assert "4135550100" not in json.dumps(entry.detail)

    def test_the_command_line_finds_decides_and_says_what_would_change(self) -> None:
        def run(*words: str) -> str:
            done = CliRunner(env={"COLUMNS": "220"}).invoke(app, ["placeholders", *words])
            assert done.exit_code == 0, done.output
            return done.stdout

        assert "2 values are met too often" in run("find")
        assert "If they were accepted" in run("effect")
        number = str(placeholder_lines(CTX)[0].id)
        assert "accepted" in run("accept", number, "--why", "The front desk's own.")
        assert "rejected" in run("reject", number, "--why", "A person's after all.")
        refused = CliRunner().invoke(app, ["placeholders", "accept", "424242", "--why", "So."])
        assert refused.exit_code == 1 and "not kept" in refused.output

    def test_a_day_and_a_name_far_beyond_chance_are_found(self, patient: Make) -> None:
        _arrive(
            200,
            *(
                patient(family, given, "1940-06-15", phone=None, address=None)
                for given, family in zip(GIVENS, reversed(FAMILIES), strict=True)
            ),
        )
        _arrive(
            300,
            *(
                patient("Nemo", "Nobody", f"19{40 + number}-02-1{number % 9}", phone=None, address=None)
                for number in range(22)
            ),
        )
        find_placeholders(CTX)
        found = {(each.field, each.value): each.persons for each in placeholder_lines(CTX)}
        assert found["birth", "1940-06-15"] == 14 and found["name", "nobody nemo"] >= 20


def test_traits_without_what_is_not_believed_keep_the_rest(patient: Make) -> None:
    traits = traits_of(patient(ssn=SSN))
    assert believed(traits, Learnt()) is traits
    assert believed(traits, Learnt(phone=frozenset({"4135550142"}))).phones == ()
    bare = believed(
        traits,
        Learnt(
            ssn=frozenset({"219416788"}),
            birth=frozenset({"1961-04-17"}),
            name=frozenset({"johanna lindqvist"}),
            address=frozenset({"12 alder st northampton 01060"}),
        ),
    )
    assert (bare.ssn, bare.birth, bare.names, bare.addresses) == ("", "", (), ())
    assert bare.phones == traits.phones and bare.sex == "F"
