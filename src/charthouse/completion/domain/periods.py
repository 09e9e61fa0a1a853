"""The months and quarters a report is of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

_WRITTEN = re.compile(r"(\d{4})-(?:(\d\d)|Q([1-4]))")


class PeriodError(ValueError):
    """What was written is no month and no quarter; the message says how they are written."""


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month or quarter: ``text`` as it is written (2026-10, 2026-Q4), the days ``since`` its first until
    before ``until``."""

    text: str
    title: str
    since: date
    until: date

    def has(self, day: date) -> bool:
        return self.since <= day < self.until


def period_of(text: str) -> Period:
    """The period that is written so. Raises PeriodError."""
    found = _WRITTEN.fullmatch(text.strip().upper())
    year, month = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    if found is None or not 1900 <= year < 9999 or (found[2] and not 1 <= month <= 12):
        raise PeriodError("Write a month as 2026-10, or a quarter as 2026-Q4.")
    if found[3]:
        quarter = int(found[3])
        first = date(year, quarter * 3 - 2, 1)
        title = f"{('First', 'Second', 'Third', 'Fourth')[quarter - 1]} quarter of {year}"
        return Period(f"{year}-Q{quarter}", title, first, months_later(first, 3))
    first = date(year, month, 1)
    return Period(f"{year}-{month:02}", f"{first:%B} {year}", first, months_later(first, 1))


def months_later(first: date, months: int) -> date:
    """The first day of the month so many after, or with less than none before, that of a day."""
    number = first.year * 12 + first.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def periods_until(day: date, months: int = 15, quarters: int = 5) -> tuple[Period, ...]:
    """The months and then the quarters up to the ones a day lies in, the latest first."""
    number, quarter = day.year * 12 + day.month - 1, day.year * 4 + (day.month - 1) // 3
    return (
        *(period_of(f"{each // 12}-{each % 12 + 1:02}") for each in range(number, number - months, -1)),
        *(period_of(f"{each // 4}-Q{each % 4 + 1}") for each in range(quarter, quarter - quarters, -1)),
    )
