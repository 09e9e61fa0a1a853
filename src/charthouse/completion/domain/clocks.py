"""Clocks of completion: when something is due in a facility's calendar, and how old it is.

Hours are hours that pass, whatever the wall clock does. Days are days of the calendar in the facility's zone and
end with the day: what is due 30 days after a discharge may be done until that day ends there, though it has 23 or
25 hours. A due moment itself is still in time; what comes after it is late.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
#: A calendar in which so many days on end are free is a mistake.
_LONGEST_REST = 366


class CalendarError(ValueError):
    """A calendar or a span that cannot be counted in; the message says why."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """A facility's calendar. ``holidays`` are the days of it that are free; ``weekend`` holds weekdays, Monday is
    0."""

    zone: ZoneInfo
    holidays: frozenset[date] = frozenset()
    weekend: frozenset[int] = frozenset({5, 6})

    def __post_init__(self) -> None:
        if not self.weekend < frozenset(range(7)):
            raise CalendarError("A weekend is made of weekdays 0 (Monday) to 6, and not of all seven.")

    def day_of(self, instant: datetime) -> date:
        """The day it is in the facility at an aware instant."""
        return _aware(instant).astimezone(self.zone).date()

    def is_working(self, day: date) -> bool:
        return day.weekday() not in self.weekend and day not in self.holidays

    def begins(self, day: date) -> datetime:
        """The first instant of a day, UTC, also where the clocks are put forward at midnight."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def ends(self, day: date) -> datetime:
        """The instant at which a day is over, UTC."""
        return self.begins(day + _DAY)

    def after_days(self, start: datetime, days: int) -> datetime:
        """The end of the day that is so many days after the one of ``start``, UTC; of the same day for 0."""
        return self.ends(self.day_of(start) + timedelta(days=_span(days, "days")))

    def after_working_days(self, start: datetime, days: int) -> datetime:
        """The end of the so-manieth working day after the day of ``start``, UTC. For 0: the end of that day, or of
        the next working day where it is free."""
        left = _span(days, "working days")
        day = self.day_of(start)
        working = self._working_from(day if left == 0 else day + _DAY)
        return self.ends(next(islice(working, max(left - 1, 0), None)))

    def days_between(self, start: datetime, until: datetime) -> int:
        """How many midnights of the facility lie between two instants; negative where ``until`` is before."""
        return (self.day_of(until) - self.day_of(start)).days

    def _working_from(self, day: date) -> Iterator[date]:
        free = 0
        while True:
            if self.is_working(day):
                free = 0
                yield day
            elif (free := free + 1) > _LONGEST_REST:
                raise CalendarError(f"The calendar has no working day in the year before {day}.")
            day += _DAY


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise CalendarError("A clock needs an instant with a time zone.")
    return instant


def _span(number: int, unit: str) -> int:
    if number < 0:
        raise CalendarError(f"A span of {number} {unit} lies in the past.")
    return number
