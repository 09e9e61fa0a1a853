"""The list of single deficiencies, over all charts the asker may see."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now

from .chart_queries import (
    MOST_COUNTED,
    NOT_STATED,
    PAGE,
    ChartLine,
    DeficiencyLine,
    chart_lines,
    deficiency_lines,
)
from .domain.states import State
from .models import Deficiency
from .paging import count_rows, cursor_of, places_reached, read_page
from .permissions import READ_CHARTS

_SOURCE = "completion_deficiency d JOIN completion_chart c ON c.id = d.chart_id"
#: As the indexes' own conditions say it, so that the planner sees that they hold them.
_OPEN = "d.state IN ('open', 'proposed')"


@dataclass(frozen=True, slots=True)
class DeficiencyFilters:
    """What the list is narrowed to. ``states`` are all settled or none; empty is whatever is not settled. ``what``
    is missing, late …, ``practitioner`` holds the names of one, a service of ``-`` is one that nobody stated. What
    is settled ended from ``since`` until before ``until``."""

    states: tuple[State, ...] = ()
    kind: str = ""
    what: str = ""
    practitioner: tuple[str, ...] = ()
    service: str = ""
    facility: int | None = None
    overdue: bool = False
    in_time: bool = False
    nameless: bool = False
    disputed: bool = False
    since: datetime | None = None
    until: datetime | None = None

    @property
    def settled(self) -> bool:
        """Whether it is a list of settled ones, the latest first."""
        return any(each.settled for each in self.states)


@dataclass(frozen=True, slots=True)
class DeficiencyPage:
    """Deficiencies, each with its chart: open ones by when they are due, settled ones the latest first. ``next``
    goes on behind it."""

    rows: tuple[tuple[DeficiencyLine, ChartLine], ...] = field(default=())
    next: str = ""


def deficiencies(
    ctx: AccessContext, filters: DeficiencyFilters | None = None, after: str = "", limit: int = PAGE
) -> DeficiencyPage:
    """A page of the deficiencies of all charts the asker may see. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    chosen = filters or DeficiencyFilters()
    conditions, values = _where(chosen)
    order = "d.ended" if chosen.settled else "d.due"
    found = read_page(
        ctx,
        _SOURCE,
        ("d.id",),
        conditions,
        values,
        _parts(ctx, chosen),
        (order, "d.id"),
        after,
        limit + 1,
        backwards=chosen.settled,
    )
    ids = [id for (id,) in found]
    rows = {each.pk: each for each in Deficiency.objects.filter(pk__in=ids[:limit]).select_related("chart")}
    listed = [rows[id] for id in ids[:limit]]
    lines = {line.id: line for line in chart_lines(ctx, {each.chart_id: each.chart for each in listed}.values())}
    page = tuple((line, lines[line.chart]) for line in deficiency_lines(listed))
    if len(ids) <= limit:
        return DeficiencyPage(page)
    last = listed[-1]
    return DeficiencyPage(page, cursor_of(last.ended if chosen.settled else last.due, last.pk))


def count_deficiencies(
    ctx: AccessContext, filters: DeficiencyFilters | None = None, most: int = MOST_COUNTED
) -> int:
    """How many deficiencies the filters leave, ``most`` + 1 where there are more. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    chosen = filters or DeficiencyFilters()
    conditions, values = _where(chosen)
    return count_rows(ctx, _SOURCE, conditions, values, _parts(ctx, chosen), most + 1)


def deficiency_kinds(ctx: AccessContext) -> tuple[str, ...]:
    """The kinds of deficiencies that are open somewhere, in the order of their names. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind FROM completion_tally WHERE what = 'lack' GROUP BY 1 HAVING sum(number) > 0 ORDER BY 1"
        )
        return tuple(kind for (kind,) in cursor.fetchall())


def _parts(ctx: AccessContext, chosen: DeficiencyFilters) -> list[tuple[str, list[Any]]]:
    """What is read by itself, so that an index begins at it: each facility's, and what is in time by its day or by
    having none."""
    places = places_reached(ctx, "d.facility", chosen.facility)
    if not chosen.in_time:
        return places
    dues: tuple[tuple[str, list[Any]], ...] = (("d.due > %s", [now()]), ("d.due IS NULL", []))
    return [(f"{place} AND {due}", [*own, *at]) for place, own in places for due, at in dues]


def _where(chosen: DeficiencyFilters) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    if chosen.settled:
        conditions.append(f"NOT ({_OPEN})")
        _and(conditions, values, ("d.ended >= %s", chosen.since), ("d.ended < %s", chosen.until))
    else:
        conditions.append(_OPEN)
    if chosen.states:
        one = len(chosen.states) == 1
        conditions.append("d.state = %s" if one else "d.state = ANY(%s)")
        values.append(chosen.states[0].value if one else [each.value for each in chosen.states])
    _and(conditions, values, ("d.kind = %s", chosen.kind), ("d.what = %s", chosen.what))
    if chosen.service:
        conditions.append("d.service = %s")
        values.append("" if chosen.service == NOT_STATED else chosen.service)
    if chosen.practitioner:
        conditions.append("d.owed_by = ANY(%s)")
        values.append(list(chosen.practitioner))
    if chosen.nameless:
        conditions.append("d.owed_by = ''")
    if chosen.disputed:
        conditions.append("d.disputed")
    if chosen.overdue:
        conditions.append("d.due <= %s")
        values.append(now())
    return conditions, values


def _and(conditions: list[str], values: list[Any], *more: tuple[str, Any]) -> None:
    for condition, value in more:
        if value not in ("", None):
            conditions.append(condition)
            values.append(value)
