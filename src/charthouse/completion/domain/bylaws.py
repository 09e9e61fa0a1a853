"""What the medical staff's bylaws make of a practitioner's open charts: letters, the warning, the suspension
list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from .clocks import Calendar

_MONDAY = date(2024, 1, 1)


class LetterKind(StrEnum):
    """The letters a practitioner may get, mildest first."""

    REMINDER = "reminder"
    DELINQUENCY = "delinquency"
    SUSPENSION_WARNING = "suspension-warning"

    @property
    def title(self) -> str:  # type: ignore[override]
        """As people say it: "Suspension warning"."""
        return self.value.replace("-", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Bylaws:
    """The numbers of the bylaws, days of the facility's calendar.

    ``reminder_days``: how long something may be open before the practitioner is reminded. ``warning_days`` and
    ``warning_charts``: how long the oldest chart may be delinquent, and how many, before the warning.
    ``suspension_days`` and ``suspension_charts``: the same for the list; 0 charts: their number alone never counts.
    ``notice_days``: how long before the list the warning must have been made; 0 for none. ``every_days``: one
    letter of a kind in so many days.
    """

    reminder_days: int
    warning_days: int
    warning_charts: int
    suspension_days: int
    suspension_charts: int
    notice_days: int
    every_days: int


@dataclass(frozen=True, slots=True)
class Owed:
    """One open deficiency, as letters see it, by its number. ``encounter`` and ``patient`` are rows of the record,
    ``facility`` that of the facility; ``delinquent_since`` is set where its chart is delinquent."""

    number: int
    encounter: int
    patient: int
    facility: int | None
    discharged: datetime | None
    opened: datetime
    due: datetime | None
    says: str
    delinquent_since: datetime | None


@dataclass(frozen=True, slots=True)
class Debts:
    """What one practitioner owes, counted. ``days`` is how long the oldest delinquent chart has been so."""

    charts: int
    delinquent: int
    deficiencies: int
    days: int


@dataclass(frozen=True, slots=True)
class Reached:
    """A threshold of the bylaws that is reached, and in words by what."""

    by: str
    debts: Debts


def counted(owed: Sequence[Owed], calendar: Calendar, now: datetime) -> Debts:
    """Charts, delinquent charts, deficiencies, and days of the oldest."""
    late: dict[int, datetime] = {}
    for each in owed:
        if each.delinquent_since is not None:
            late[each.encounter] = min(late.get(each.encounter, each.delinquent_since), each.delinquent_since)
    days = max((calendar.days_between(since, now) for since in late.values()), default=0)
    return Debts(len({each.encounter for each in owed}), len(late), len(owed), max(days, 0))


def letter_lists(
    kind: LetterKind, owed: Sequence[Owed], bylaws: Bylaws, calendar: Calendar, now: datetime
) -> tuple[Owed, ...]:
    """What a letter of this kind lists, by chart and due moment; nothing where none is to be written.

    A reminder lists everything open as soon as one thing was open for ``reminder_days``; the other letters list
    what is delinquent.
    """
    if kind is LetterKind.REMINDER:
        old = any(calendar.days_between(each.opened, now) >= bylaws.reminder_days for each in owed)
        listed: Iterable[Owed] = owed if old else ()
    else:
        listed = [each for each in owed if each.delinquent_since is not None]
        debts = counted(owed, calendar, now)
        if kind is LetterKind.SUSPENSION_WARNING and not _reached(
            debts, bylaws.warning_charts, bylaws.warning_days
        ):
            listed = ()
    return tuple(sorted(listed, key=_order))


def reached_list(
    owed: Sequence[Owed], bylaws: Bylaws, calendar: Calendar, now: datetime, warned: datetime | None
) -> Reached | None:
    """Whether the suspension list's threshold is reached, and by what; None where it is not, or where the warning
    was not made ``notice_days`` ago."""
    debts = counted(owed, calendar, now)
    by = _reached(debts, bylaws.suspension_charts, bylaws.suspension_days)
    if not by:
        return None
    if bylaws.notice_days and (warned is None or calendar.days_between(warned, now) < bylaws.notice_days):
        return None
    return Reached(by, debts)


def _reached(debts: Debts, charts: int, days: int) -> str:
    if not debts.delinquent:
        return ""
    if charts and debts.delinquent >= charts:
        return f"{debts.delinquent} delinquent charts; the bylaws say {charts}."
    if debts.days >= days:
        return f"The oldest chart is delinquent for {debts.days} days; the bylaws say {days}."
    return ""


def period_of(day: date, every: int) -> date:
    """The first day of the period of ``every`` days that a day lies in; periods are counted from a Monday, so that
    seven days are a week."""
    return day - timedelta(days=(day - _MONDAY).days % every)


def _order(each: Owed) -> tuple[bool, float, int, int]:
    moment = each.discharged or each.due
    return moment is None, moment.timestamp() if moment else 0.0, each.encounter, each.number
