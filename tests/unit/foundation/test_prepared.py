"""A list of numbers reaches PostgreSQL as it is, however it is written on the way."""

from __future__ import annotations

import pytest
from django.db import DEFAULT_DB_ALIAS, DataError, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.access.api import system_context
from charthouse.foundation.prepared import planned_anew, prepared, prepared_together
from charthouse.identity.api import Arrival, place
from charthouse.record.api import identified, public_ids

NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(numbers=NUMBERS)
def test_numbers_go_there_and_back(numbers: list[int]) -> None:
    for asked in (planned_anew, prepared):
        assert asked("SELECT %s::bigint[]", [numbers]) == [(numbers,)]
    assert planned_anew("SELECT count(*) FROM generate_series(1, 9) AS n WHERE n = ANY(%s)", [numbers]) == [
        (len({each for each in numbers if 1 <= each <= 9}),)
    ]


def test_what_is_sent_together_is_answered_in_its_order(committed_db: str) -> None:
    with transaction.atomic():
        first, none, last = prepared_together(
            [
                ("SELECT set_config('charthouse.test', %s, true)", ["one"]),
                ("SELECT 1 WHERE %s::int = 0", [1]),
                (
                    "SELECT current_setting('charthouse.test'), n FROM unnest(%(list)s::bigint[]) AS n",
                    {"list": [5, 6]},
                ),
            ]
        )
    assert (first, none, last) == ([("one",)], [], [("one", 5), ("one", 6)])


def test_of_what_is_sent_together_an_error_is_told_and_nothing_stays(committed_db: str) -> None:
    prepared("CREATE TEMPORARY TABLE together (n int)", [])
    with pytest.raises(DataError), transaction.atomic():
        prepared_together(
            [
                ("INSERT INTO together VALUES (%s::int)", [1]),
                ("SELECT 1 / %s::int", [0]),
                ("INSERT INTO together VALUES (%s::int)", [2]),
            ]
        )
    assert prepared("SELECT count(*) FROM together", []) == [(0,)]


@pytest.mark.django_db
def test_lists_of_other_things_are_left_to_the_driver() -> None:
    assert planned_anew("SELECT %s::bigint[], %s::text[], %s::boolean[]", [[1, None], ["1", "a,b}"], [True]]) == [
        ([1, None], ["1", "a,b}"], [True])
    ]


def test_what_comes_again_and_again_is_planned_once(committed_db: str) -> None:
    """Five times for what is asked, then once for all, however long its lists are."""
    for number in range(1, 15):
        patient = {
            "resourceType": "Patient",
            "name": [{"family": f"Lind{number}"}],
            "birthDate": f"1952-03-{number:02}",
        }
        with transaction.atomic():
            place([Arrival(number, f"patient-{number}", 1, patient)])
        public_ids("Encounter", range(number % 3 + 1))
        identified(system_context("tests"), "Patient", [("urn:a", str(each)) for each in range(number % 3 + 1)])
    asked = plans()
    assert len(asked) > 5
    assert {text: told for text, told in asked.items() if told[1] > 5} == {}


def plans() -> dict[str, tuple[int, int]]:
    """How often each prepared statement of the connection was carried out by its one plan, and planned anew."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements")
        return {text: (generic, custom) for text, generic, custom in cursor.fetchall()}
