"""Charts whose time is over, of all there are: by the day of their last entry, the oldest first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import today

from .domain.retention import Due, due, years_after
from .overdue_queries import Hindrance, hindrances
from .permissions import READ_RETENTION
from .retention_queries import LastEntry, births_of, last_entries, own_periods, periods, retention_of

#: Charts are counted exactly to this number.
COUNTED = 1_000
PAGE = 50
#: Source patients that are looked at together.
_CHUNK = 500

Charts = Callable[[Collection[int]], Mapping[int, Sequence[int]]]
_Place = tuple[date, int]
_BEGINNING: _Place = (date.min, 0)


@dataclass(frozen=True, slots=True)
class DueChart:
    """A chart whose time is over: its source patients, the day of its last entry, since when and by which rule it
    may be destroyed, and what keeps it from that."""

    patients: tuple[int, ...]
    last: date
    due: Due
    hindrance: Hindrance


@dataclass(frozen=True, slots=True)
class DueCharts:
    """A page of charts whose time is over; ``next`` continues behind it, empty at the end. ``count`` of all pages
    is exact up to :data:`COUNTED`; above it is that number and one."""

    rows: tuple[DueChart, ...]
    count: int
    next: str

    @property
    def more_than_counted(self) -> bool:
        return self.count > COUNTED


@dataclass(frozen=True, slots=True)
class _Found:
    place: _Place
    patients: tuple[int, ...]
    last: date
    due: Due


def due_charts(
    ctx: AccessContext, charts: Charts, *, rule: str = "", year: int | None = None, after: str = "",
    limit: int = PAGE,
) -> DueCharts:  # fmt: skip
    """The charts whose time is over, of one ``rule`` and one ``year`` of the last entry or of all.

    ``charts`` gives all source patients of the persons of patients, as far as the asker may see those persons. The
    days they are found by follow what is filed by some seconds; what is on the page is as its items say. Raises
    PermissionRefused.
    """
    require(ctx, READ_RETENTION)
    begin = _place_of(after)
    with connection.cursor() as cursor:
        count, page = 0, list[_Found]()
        for each in _over(cursor, charts, rule, year, _BEGINNING):
            count += 1
            if each.place > begin and len(page) <= limit:
                page.append(each)
            if count > COUNTED:
                break
        if count > COUNTED and len(page) <= limit:
            # The page lies beyond what is counted.
            behind = page[-1].place if page else begin
            for each in _over(cursor, charts, rule, year, behind):
                page.append(each)
                if len(page) > limit:
                    break
        shown = page[:limit]
        now = last_entries(cursor, {patient for each in shown for patient in each.patients})
    kept = hindrances(ctx, [each.patients for each in shown])
    rows = tuple(
        DueChart(each.patients, each.last, each.due, kept.get(each.patients[0], Hindrance()))
        for each in shown
        if (last := last_of(now, each.patients)) is not None and last.day == each.last
    )
    return DueCharts(rows, count, _written(shown[-1].place) if len(page) > limit else "")


def _over(cursor: Any, charts: Charts, rule: str, year: int | None, after: _Place) -> Iterator[_Found]:
    """The charts in the order of their last entries. A chart of several source patients stands where the last of
    them does."""
    numbers, now = periods(), today(configuration().time_zone)
    longest = max((each.years for each in own_periods()), default=0)
    before = years_after(now, -min([*numbers.conditions, numbers.adults]))
    for looked in _candidates(cursor, year, before, after):
        known = charts([patient for _, patient in looked])
        every = {patient for chart in known.values() for patient in chart}
        days, births = _noted(cursor, every)
        for place in looked:
            chart, last = tuple(known.get(place[1], ())), place[0]
            if _stands_at(days, chart) != place:
                continue
            found: Due | None = due(last, [births[each] for each in chart if each in births], numbers)
            if found is not None and years_after(last, longest) > found.day:
                # One of its documents may have a rule that keeps it longer.
                found = retention_of(cursor, chart).due
            if found is not None and found.day <= now and (not rule or found.rule == rule):
                yield _Found(place, chart, last, found)


def _candidates(cursor: Any, year: int | None, before: date, after: _Place) -> Iterator[list[_Place]]:
    """Source patients without an entry since ``before``, by their last day, some at a time."""
    first, last = date.min, before
    if year is not None:
        first, last = date(year, 1, 1), min(before, date(year, 12, 31))
    while True:
        cursor.execute(
            "SELECT day, patient FROM record_last_entry WHERE day BETWEEN %s AND %s AND (day, patient) > (%s, %s) "
            "ORDER BY day, patient LIMIT %s",
            [max(first, after[0]), last, *after, _CHUNK],
        )
        found: list[_Place] = cursor.fetchall()
        if not found:
            return
        yield found
        after = found[-1]


def _noted(cursor: Any, patients: Collection[int]) -> tuple[dict[int, LastEntry], dict[int, str]]:
    """The last entries of source patients that have one, and the birth dates of all."""
    cursor.execute(
        "SELECT patient, day, dated, born FROM record_last_entry WHERE patient = ANY(%s)", [list(patients)]
    )
    noted = cursor.fetchall()
    births = {patient: born for patient, _, _, born in noted if born is not None}
    if unknown := set(patients) - births.keys():
        births |= births_of(cursor, unknown)
    return {patient: LastEntry(day, dated) for patient, day, dated, _ in noted}, births


def last_of(days: Mapping[int, LastEntry], chart: Sequence[int]) -> LastEntry | None:
    """The last entry of a chart by those of its source patients; None where they have none."""
    found = [days[each] for each in chart if each in days]
    return max(found, key=lambda each: (each.dated, each.day), default=None)


def _stands_at(days: Mapping[int, LastEntry], chart: Sequence[int]) -> _Place | None:
    last = last_of(days, chart)
    if last is None:
        return None
    return last.day, max(each for each in chart if days.get(each) == last)


def _written(place: _Place) -> str:
    return f"{place[0].isoformat()}.{place[1]}"


def _place_of(text: str) -> _Place:
    """The place that an address names; the beginning for anything else."""
    day, _, patient = text.partition(".")
    try:
        return (date.fromisoformat(day), int(patient)) if len(patient) < 19 else _BEGINNING
    except ValueError:
        return _BEGINNING
