"""FHIR dates with the precision they were written with, as half-open ranges of microseconds.

``2012`` is the whole year: from its first microsecond up to, not including, the first of 2013. A time without a
zone and a date are read in UTC, in the index and in a search alike, so that both mean the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from functools import lru_cache

BEGINNING = -62_135_596_800_000_000
"""The first microsecond of year 1: where a period without start begins."""
END_OF_TIME = 253_402_300_800_000_000
"""The first microsecond after year 9999: where a period without end ends."""

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)
_FORM = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?(?:(Z)|([+-])([0-9]{2}):([0-9]{2}))?)?)?)?"
)


class Precision(Enum):
    """How exactly a time was given."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    MINUTE = "minute"
    SECOND = "second"
    FRACTION = "fraction"


@dataclass(frozen=True, slots=True)
class Moment:
    """A FHIR date, dateTime or instant: as written, and the range [low, high) in microseconds since 1970 (UTC)."""

    text: str
    low: int
    high: int

    @property
    def precision(self) -> Precision:
        """How exactly it was given."""
        match len(self.text):
            case 4:
                return Precision.YEAR
            case 7:
                return Precision.MONTH
            case 10:
                return Precision.DAY
        clock = re.split(r"[Z+-]", self.text[11:], maxsplit=1)[0]
        if len(clock) == 5:
            return Precision.MINUTE
        return Precision.FRACTION if "." in clock else Precision.SECOND

    @property
    def datetime(self) -> datetime:
        """The beginning of the range, aware, with the offset it was written with; UTC where it had none."""
        instant = to_datetime(self.low)
        zone = _FORM.fullmatch(self.text)
        if zone is None or not zone[9]:
            return instant
        minutes = int(zone[10]) * 60 + int(zone[11])
        try:
            return instant.astimezone(timezone(timedelta(minutes=-minutes if zone[9] == "-" else minutes)))
        except (OverflowError, ValueError):  # the edge of what a datetime can be
            return instant


def moment(text: str) -> Moment | None:
    """``text`` as a :class:`Moment`; ``None`` where it is no FHIR date or no day of the calendar (2023-02-30)."""
    found = instant_range(text)
    return Moment(text, *found) if found else None


@lru_cache(maxsize=8192)
def instant_range(text: str) -> tuple[int, int] | None:
    """The range [low, high) that ``text`` covers, microseconds since 1970 UTC; ``None`` as in :func:`moment`.

    Minutes without seconds and times without a zone are read, too: a search may give them. A leap second is the
    second after :59. Fractions finer than a microsecond are cut to it.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = match.groups()
    try:
        if month is None:
            return _days(date(int(year), 1, 1)), _days(date(int(year), 12, 31)) + _DAY
        first = date(int(year), int(month), int(day or 1))
    except ValueError:
        return None
    low = _days(first)
    if day is None:
        december = first.month == 12
        return low, _days(date(first.year, 12, 31)) + _DAY if december else _days(
            first.replace(month=first.month + 1)
        )
    if hour is None:
        return low, low + _DAY
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        return None
    low += (int(hour) * 3600 + int(minute) * 60 + int(second or 0)) * _SECOND
    width = _SECOND if second else 60 * _SECOND
    if fraction:
        low += int(fraction[:6].ljust(6, "0"))
        width = 10 ** max(6 - len(fraction), 0)
    if sign:
        if int(zone_hours) > 14 or int(zone_minutes) > 59:
            return None
        offset = (int(zone_hours) * 60 + int(zone_minutes)) * 60 * _SECOND
        low += offset if sign == "-" else -offset
    return low, low + width


def _days(day: date) -> int:
    return (day.toordinal() - _EPOCH_ORDINAL) * _DAY


def to_datetime(microseconds: int) -> datetime:
    """The aware UTC datetime of ``microseconds`` since 1970; held within what a datetime can be."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return _LATEST if microseconds > 0 else _EARLIEST
