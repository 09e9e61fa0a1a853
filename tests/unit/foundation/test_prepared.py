"""A list of numbers reaches PostgreSQL as it is, however it is written on the way."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.prepared import planned_anew, prepared

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


@pytest.mark.django_db
def test_lists_of_other_things_are_left_to_the_driver() -> None:
    assert planned_anew("SELECT %s::bigint[], %s::text[], %s::boolean[]", [[1, None], ["1", "a,b}"], [True]]) == [
        ([1, None], ["1", "a,b}"], [True])
    ]
