"""Reads of the suspension list: who is proposed and suspended now, who was on a day, and every time's history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Q

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now

from .bylaws_policy import calendars
from .composing import calendar_of
from .domain.bylaws import Debts, counted
from .letter_models import Suspension, SuspensionEvent, SuspensionState
from .letter_queries import EventLine, keys_of
from .owed import owed_by
from .permissions import SEE_LETTERS


@dataclass(frozen=True, slots=True)
class SuspensionLine:
    """One time on the list; the counts are those of the proposal."""

    number: int
    practitioner: str
    who: str
    state: SuspensionState
    reached: str
    charts: int
    delinquent: int
    days: int
    proposed_at: datetime
    suspended_at: datetime | None
    spared_until: date | None
    ended_at: datetime | None

    @property
    def words(self) -> str:
        return self.state.label


def listed_suspensions(ctx: AccessContext) -> list[SuspensionLine]:
    """Who is proposed or suspended now; the suspended first, each by how long."""
    require(ctx, SEE_LETTERS)
    found = suspension_lines(Suspension.objects.filter(ended_at=None))
    return sorted(found, key=lambda line: (line.suspended_at is None, line.suspended_at or line.proposed_at))


def suspended_on(ctx: AccessContext, day: date) -> list[SuspensionLine]:
    """Who was suspended on a day of the site's calendar, for any part of it, by name."""
    require(ctx, SEE_LETTERS)
    calendar = calendars()[None]
    rows = Suspension.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=calendar.begins(day)), suspended_at__lt=calendar.ends(day)
    )
    return sorted(suspension_lines(rows), key=lambda line: line.who.casefold())


def past_suspensions(ctx: AccessContext, limit: int = 100) -> list[SuspensionLine]:
    """The times on the list that ended, the newest first."""
    require(ctx, SEE_LETTERS)
    return suspension_lines(Suspension.objects.exclude(ended_at=None).order_by("-ended_at", "-id")[:limit])


def suspensions_of(ctx: AccessContext, practitioner: str) -> list[SuspensionLine]:
    """Every time of one practitioner, the newest first; follows merges in the directory."""
    require(ctx, SEE_LETTERS)
    rows = Suspension.objects.filter(practitioner__in=keys_of(practitioner)).order_by("-proposed_at", "-id")
    return suspension_lines(rows)


@dataclass(frozen=True, slots=True)
class FullSuspension:
    """One time on the list with its history, and what its practitioner owes at this moment."""

    line: SuspensionLine
    debts: Debts
    events: tuple[EventLine, ...]


def suspension(ctx: AccessContext, number: int) -> FullSuspension | None:
    """One time on the list; None where there is none."""
    require(ctx, SEE_LETTERS)
    line = next(iter(suspension_lines(Suspension.objects.filter(pk=number))), None)
    if line is None:
        return None
    owed = owed_by(keys_of(line.practitioner))
    calendar = calendar_of(owed, calendars()) if owed else calendars()[None]
    events = SuspensionEvent.objects.filter(suspension=number).order_by("id")
    return FullSuspension(
        line,
        counted(owed, calendar, now()),
        tuple(EventLine(each.what, each.note, each.name, each.at) for each in events),
    )


def suspension_lines(rows: Iterable[Suspension]) -> list[SuspensionLine]:
    """Times on the list as lists show them, in the order given."""
    return [
        SuspensionLine(
            row.pk,
            row.practitioner,
            row.practitioner_name,
            SuspensionState(row.state),
            row.reached,
            row.charts,
            row.delinquent,
            row.days,
            row.proposed_at,
            row.suspended_at,
            row.spared_until,
            row.ended_at,
        )
        for row in rows
    ]
