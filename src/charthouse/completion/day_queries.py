"""Reads of the snapshots of days: how incomplete and delinquent charts and the rate went, and one day's numbers.

A day without a snapshot is said to have none; nothing is put in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import today
from charthouse.people.api import facilities

from .board_models import Snapshot, SnapshotCount, SnapshotPart
from .board_queries import Board, Counted, board_of, rate_of
from .domain.states import ChartState
from .permissions import READ_CHARTS
from .seeing import facilities_reached


@dataclass(frozen=True, slots=True)
class DayCount:
    """What the snapshot of a day counted at a moment (``at``); where there is none, that is None and all else 0.

    ``incomplete`` are all charts that were not complete, ``delinquent`` those among them; ``discharges`` are of the
    day, ``opened`` and ``closed`` deficiencies too; ``averaged`` discharges of ``months`` are the rate's.
    """

    day: date
    at: datetime | None = None
    incomplete: int = 0
    delinquent: int = 0
    discharges: int = 0
    opened: int = 0
    closed: int = 0
    averaged: int = 0
    months: int = 1

    @property
    def percent(self) -> float | None:
        """The delinquency rate; None where it is not known, or nobody was discharged."""
        if self.at is None or not self.averaged:
            return None
        return self.delinquent / (self.averaged / self.months) * 100


_DAYS = """
SELECT s.day, s.at, sum(c.incomplete) + sum(c.delinquent), sum(c.delinquent), sum(c.discharges), sum(c.opened),
       sum(c.closed), sum(c.averaged), s.months
  FROM completion_snapshot s
  LEFT JOIN completion_snapshot_count c
    ON c.snapshot_id = s.day AND (%s OR c.facility IS NULL OR c.facility = ANY(%s))
 WHERE s.day >= %s AND s.day <= %s GROUP BY s.day
"""


def days_counted(ctx: AccessContext, since: date, until: date) -> tuple[DayCount, ...]:
    """Each day from ``since`` to ``until``, both among them, in order. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    places = facilities_reached(ctx)
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, [places is None, places or [], since, until])
        found = {
            day: _day(day, at, [int(each or 0) for each in numbers], months)
            for day, at, *numbers, months in cursor.fetchall()
        }
    return tuple(found.get(day) or DayCount(day) for day in _each(since, until))


def _day(day: date, at: datetime, numbers: Sequence[int], months: int) -> DayCount:
    incomplete, delinquent, discharges, opened, closed, averaged = numbers
    return DayCount(day, at, incomplete, delinquent, discharges, opened, closed, averaged, months)


def last_days(ctx: AccessContext, number: int) -> tuple[DayCount, ...]:
    """The so many days before today by the site's clock, in order. Raises PermissionRefused."""
    until = today(ZoneInfo(configuration().time_zone)) - timedelta(days=1)
    return days_counted(ctx, until - timedelta(days=number - 1), until)


def _each(since: date, until: date) -> Iterator[date]:
    return (since + timedelta(days=number) for number in range((until - since).days + 1))


@dataclass(frozen=True, slots=True)
class DayBoard:
    """A snapshot as a board, what happened on its day, and the same by facility (name, and None for none)."""

    board: Board
    count: DayCount
    services: tuple[tuple[str, DayCount], ...]
    facilities: tuple[tuple[str | None, DayCount], ...]


def day_counted(ctx: AccessContext, day: date, most: int = 20) -> DayBoard | None:
    """The snapshot of a day for the asker's facilities; None where there is none. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    snapshot = Snapshot.objects.filter(day=day).first()
    if snapshot is None:
        return None
    places = facilities_reached(ctx)
    found = Counted()
    by_service: dict[str, list[SnapshotCount]] = {}
    by_facility: dict[int | None, list[SnapshotCount]] = {}
    rows = [
        each
        for each in SnapshotCount.objects.filter(snapshot=snapshot)
        if places is None or each.facility is None or each.facility in places
    ]
    for each in rows:
        found.add_charts(each.kind, each.service, ChartState.INCOMPLETE.value, each.incomplete)
        found.add_charts(each.kind, each.service, ChartState.DELINQUENT.value, each.delinquent)
        found.discharges += each.averaged
        by_service.setdefault(each.service, []).append(each)
        by_facility.setdefault(each.facility, []).append(each)
    for part in SnapshotPart.objects.filter(snapshot=snapshot):
        if places is None or part.facility is None or part.facility in places:
            _add(found, part)
    rate = rate_of(found, snapshot.months, snapshot.since, snapshot.until)
    names = {each.id: each.name for each in facilities()}

    def summed(some: list[SnapshotCount]) -> DayCount:
        return DayCount(
            day,
            snapshot.at,
            sum(each.incomplete + each.delinquent for each in some),
            sum(each.delinquent for each in some),
            sum(each.discharges for each in some),
            sum(each.opened for each in some),
            sum(each.closed for each in some),
            sum(each.averaged for each in some),
            snapshot.months,
        )

    return DayBoard(
        board_of(found, snapshot.at, day, rate, most),
        summed(rows),
        tuple(sorted(((name, summed(some)) for name, some in by_service.items()), key=_most_first)),
        tuple((names.get(number) if number else None, summed(some)) for number, some in by_facility.items()),
    )


def _most_first(given: tuple[str, DayCount]) -> tuple[int, str]:
    return -given[1].incomplete, given[0]


def _add(found: Counted, part: SnapshotPart) -> None:
    if part.part == "age":
        found.ages[part.key][ChartState.INCOMPLETE.value] += part.number - part.late
        found.ages[part.key][ChartState.DELINQUENT.value] += part.late
    elif part.part == "lacking":
        found.open[part.key, part.detail] += part.number
        found.overdue[part.key, part.detail] += part.late
    else:
        found.owed[part.key] += part.number
        found.owed_late[part.key] += part.late


def last_counted(since: date, until: date) -> date | None:
    """The last day from ``since`` to ``until`` that has a snapshot."""
    found = Snapshot.objects.filter(day__gte=since, day__lte=until).order_by("-day").values_list("day", flat=True)
    return found.first()
