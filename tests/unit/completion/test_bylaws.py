"""Who gets which letter, and who comes on the suspension list, at the bylaws' own boundaries."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.completion.domain.bylaws import (
    Bylaws,
    LetterKind,
    Owed,
    counted,
    letter_lists,
    period_of,
    reached_list,
)
from charthouse.completion.domain.clocks import Calendar

CALENDAR = Calendar(ZoneInfo("America/Chicago"))
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
BYLAWS = Bylaws(
    reminder_days=7,
    warning_days=7,
    warning_charts=3,
    suspension_days=15,
    suspension_charts=5,
    notice_days=7,
    every_days=7,
)
DAY = timedelta(days=1)


def owed(number: int, *, opened: int = 1, late: int | None = None) -> Owed:
    """Something of chart ``number``, open and delinquent for so many days."""
    return Owed(
        number=number,
        encounter=number,
        patient=100 + number,
        facility=1,
        discharged=NOW - 40 * DAY,
        opened=NOW - opened * DAY,
        due=NOW - (late or 0) * DAY,
        says="Discharge summary is missing.",
        delinquent_since=None if late is None else NOW - late * DAY,
    )


def listed(kind: LetterKind, *items: Owed) -> int:
    return len(letter_lists(kind, items, BYLAWS, CALENDAR, NOW))


@pytest.mark.parametrize(("opened", "lists"), [(6, 0), (7, 2), (8, 2)])
def test_a_reminder_lists_everything_as_soon_as_one_thing_is_old(opened: int, lists: int) -> None:
    assert listed(LetterKind.REMINDER, owed(1, opened=opened), owed(2)) == lists


def test_the_delinquency_letter_lists_what_is_delinquent() -> None:
    assert listed(LetterKind.DELINQUENCY, owed(1, opened=90), owed(2, late=1), owed(3, late=0)) == 2
    assert listed(LetterKind.DELINQUENCY, owed(1, opened=90)) == 0


@pytest.mark.parametrize(
    ("items", "lists"),
    [
        ([owed(1, late=6), owed(2, late=6)], 0),
        ([owed(1, late=7), owed(2)], 1),
        ([owed(n, late=1) for n in (1, 2, 3)], 3),
        ([owed(n) for n in range(1, 9)], 0),
    ],
)
def test_the_warning_comes_by_days_or_by_charts(items: list[Owed], lists: int) -> None:
    assert listed(LetterKind.SUSPENSION_WARNING, *items) == lists


@pytest.mark.parametrize(
    ("items", "warned", "reached"),
    [
        ([owed(1, late=14)], 7, False),
        ([owed(1, late=15)], 7, True),
        ([owed(1, late=15)], 6, False),
        ([owed(1, late=15)], None, False),
        ([owed(n, late=1) for n in range(1, 5)], 30, False),
        ([owed(n, late=1) for n in range(1, 6)], 30, True),
        ([], 30, False),
    ],
)
def test_the_list_comes_by_days_or_by_charts_and_after_the_notice(
    items: list[Owed], warned: int | None, reached: bool
) -> None:
    made = None if warned is None else NOW - warned * DAY
    assert (reached_list(items, BYLAWS, CALENDAR, NOW, made) is not None) is reached


def test_several_things_of_one_chart_are_one_chart() -> None:
    two = [owed(1, late=3), owed(1, late=9)]
    debts = counted(two, CALENDAR, NOW)
    assert (debts.charts, debts.delinquent, debts.deficiencies, debts.days) == (1, 1, 2, 9)


@given(st.dates(date(2000, 1, 1), date(2040, 1, 1)), st.integers(1, 60))
def test_a_day_lies_in_one_period(day: date, every: int) -> None:
    first = period_of(day, every)
    assert first <= day < first + every * DAY
    assert period_of(first, every) == first and period_of(first - DAY, every) == first - every * DAY


def test_seven_days_are_a_week() -> None:
    assert period_of(date(2026, 11, 22), 7) == date(2026, 11, 16)
