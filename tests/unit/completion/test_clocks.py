"""Due moments in a facility's calendar, at their boundaries and over changes of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charthouse.completion.domain.clocks import Calendar, CalendarError

CHICAGO = Calendar(ZoneInfo("America/Chicago"))
#: Havana puts its clocks forward at midnight, so that a day there begins at one.
HAVANA = Calendar(ZoneInfo("America/Havana"))
MINUTE = timedelta(minutes=1)
ZONES = ("America/Chicago", "America/Havana", "Europe/Vienna", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")

instants = st.integers(0, 12 * 366 * 24 * 60).map(lambda number: datetime(2020, 1, 1, tzinfo=UTC) + number * MINUTE)
calendars = st.builds(
    Calendar,
    st.sampled_from(ZONES).map(ZoneInfo),
    st.frozensets(st.dates(date(2020, 1, 1), date(2032, 1, 1)), max_size=20),
)


def at(text: str, calendar: Calendar = CHICAGO) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=calendar.zone)


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2026-11-01T09:00", 0, "2026-11-02T00:00"),
        ("2026-11-01T23:59", 1, "2026-11-03T00:00"),
        ("2026-10-30T12:00", 30, "2026-11-30T00:00"),
        ("2026-02-20T12:00", 30, "2026-03-23T00:00"),
    ],
)
def test_days_end_with_the_day_of_the_facility(start: str, days: int, due: str) -> None:
    assert CHICAGO.after_days(at(start), days) == at(due)


def test_a_day_that_has_no_midnight_begins_at_its_first_instant() -> None:
    begins = HAVANA.begins(date(2026, 3, 8))
    assert HAVANA.day_of(begins) == date(2026, 3, 8)
    assert HAVANA.day_of(begins - timedelta(microseconds=1)) == date(2026, 3, 7)


def test_working_days_pass_over_weekends_and_holidays() -> None:
    calendar = Calendar(CHICAGO.zone, frozenset({date(2026, 11, 26), date(2026, 11, 27)}))
    wednesday = at("2026-11-25T15:00")
    assert calendar.after_working_days(wednesday, 1) == at("2026-12-01T00:00")
    assert calendar.after_working_days(wednesday, 0) == at("2026-11-26T00:00")
    assert calendar.after_working_days(at("2026-11-28T10:00"), 0) == at("2026-12-01T00:00")
    assert calendar.after_working_days(wednesday, 5) == at("2026-12-05T00:00")


def test_what_cannot_be_counted_is_said() -> None:
    with pytest.raises(CalendarError, match="time zone"):
        CHICAGO.after_days(at("2026-01-01T00:00").replace(tzinfo=None), 1)
    with pytest.raises(CalendarError, match="past"):
        CHICAGO.after_days(at("2026-01-01T00:00"), -1)
    with pytest.raises(CalendarError, match="not of all seven"):
        Calendar(CHICAGO.zone, weekend=frozenset(range(7)))
    never = Calendar(CHICAGO.zone, frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(800)))
    with pytest.raises(CalendarError, match="no working day"):
        never.after_working_days(at("2026-01-01T08:00"), 1)


@given(calendars, instants, st.integers(0, 400))
def test_a_due_day_is_the_day_so_many_later(calendar: Calendar, start: datetime, days: int) -> None:
    due = calendar.after_days(start, days)
    assert calendar.day_of(due - timedelta(microseconds=1)) == calendar.day_of(start) + timedelta(days=days)
    assert calendar.day_of(due) == calendar.day_of(start) + timedelta(days=days + 1)


@given(calendars, instants, st.integers(0, 60), st.integers(0, 60))
def test_longer_is_never_earlier(calendar: Calendar, start: datetime, one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert calendar.after_days(start, less) <= calendar.after_days(start, more)
    assert calendar.after_working_days(start, less) <= calendar.after_working_days(start, more)
    assert calendar.after_days(start, less) <= calendar.after_working_days(start, less)


@given(calendars, instants, st.integers(1, 40))
def test_so_many_working_days_lie_between(calendar: Calendar, start: datetime, days: int) -> None:
    last = calendar.day_of(calendar.after_working_days(start, days) - timedelta(microseconds=1))
    first = calendar.day_of(start)
    between = [first + timedelta(days=n) for n in range(1, (last - first).days + 1)]
    assert calendar.is_working(last)
    assert sum(map(calendar.is_working, between)) == days
