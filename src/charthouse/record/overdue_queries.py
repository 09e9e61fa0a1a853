"""Documents of all charts whose own time is over: what may be destroyed alone, though its chart goes on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import today

from .charting.elements import concept
from .domain.index_rows import token_hash
from .domain.retention import OwnPeriod, document_due, own_period, years_after
from .domain.types import TYPE_ID
from .models import Destruction, Hold
from .permissions import READ_RETENTION
from .queries import EARLIEST, STORED, Stored, cursor_of, param_of, place_of, stored_from
from .retention_queries import DocumentTime, births_of, own_periods, periods

#: Documents shown on one page, and the most that are looked at for it.
PAGE = 50
WINDOW = 500
#: Behind which every document comes.
_BEGINNING = (EARLIEST, 0)
#: The search parameters whose codes tell what kind a document is, as :func:`own_period` reads them.
_TELLING = (("DiagnosticReport", "category"), ("DiagnosticReport", "code"), ("DocumentReference", "category"),
            ("DocumentReference", "type"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Overdue:
    """A document whose own time is over: whose it is (row of the Patient), and the rule that is about its kind."""

    time: DocumentTime
    patient: int
    rule: str


@dataclass(frozen=True, slots=True)
class OverduePage:
    """Overdue documents, the oldest first; ``next`` continues behind those that were looked at."""

    rows: tuple[Overdue, ...]
    looked_at: int
    next: str


@dataclass(frozen=True, slots=True)
class Hindrance:
    """What keeps a chart from being destroyed now: the matters of its holds, and what was asked for already."""

    matters: tuple[str, ...] = ()
    asked: int | None = None

    @property
    def none(self) -> bool:
        return not self.matters and self.asked is None


def overdue_documents(
    ctx: AccessContext,
    charts: Callable[[Collection[int]], Mapping[int, Sequence[int]]],
    *,
    rule: str = "",
    year: int | None = None,
    after: str = "",
) -> OverduePage:
    """A page of the documents, of one ``rule`` and one ``year`` of the document or of all, as far as the asker may
    see them. ``charts`` gives the source patients of the persons of patients. Raises PermissionRefused.

    Candidates come by the codes of their kinds in the order of their dates; each is read, so that what is shown is
    what :func:`charthouse.record.api.ask_to_destroy` takes.
    """
    require(ctx, READ_RETENTION)
    own = [each for each in own_periods() if not rule or each.rule == rule]
    if not own:
        return OverduePage((), 0, "")
    with connection.cursor() as cursor:
        looked = _candidates(cursor, ctx, own, year, place_of(after) or _BEGINNING)
        rows: list[Overdue] = []
        known = charts({each.patient for each in looked if each.patient is not None})
        births = births_of(cursor, {patient for chart in known.values() for patient in chart})
    numbers, now, every = periods(), today(configuration().time_zone), own_periods()
    count = 0
    for stored in looked:
        count += 1
        resource = stored.resource
        period = own_period(resource, every)
        if stored.patient is None or period is None or (rule and period.rule != rule):
            continue
        at = (stored.main if stored.main.year > 1 else stored.filed_at).date()
        if year is not None and at.year != year:
            continue
        born = [births[each] for each in known.get(stored.patient, (stored.patient,)) if each in births]
        due = document_due(at, born, period, numbers)
        if due.day <= now:
            title = concept(resource.get("code" if stored.type == "DiagnosticReport" else "type"))
            time = DocumentTime(stored.type, stored.public_id, title or stored.type, at, due, True)
            rows.append(Overdue(time, stored.patient, period.rule))
        if len(rows) == PAGE:
            break
    more = count < len(looked) or count == WINDOW
    return OverduePage(tuple(rows), count, cursor_of(looked[count - 1]) if more else "")


def _candidates(
    cursor: Any, ctx: AccessContext, own: Sequence[OwnPeriod], year: int | None, after: tuple[datetime, int]
) -> list[Stored]:
    """Documents of these kinds that are old enough, the oldest first, those without a date before all."""
    numbers = periods()
    years = max([min(each.years for each in own), *numbers.conditions])
    before = datetime.combine(years_after(today(configuration().time_zone), -years), datetime.min.time(), UTC)
    before += timedelta(days=2)  # whatever the time zone; the day itself is looked at when it is read
    first = after[0]
    if year is not None:
        first = max(first, datetime(year, 1, 1, tzinfo=UTC))
        before = min(before, datetime(year + 1, 1, 1, tzinfo=UTC))
    codes = [token_hash(each) for each in sorted(set().union(*(period.kinds for period in own)))]
    asked = [(TYPE_ID[kind], param_of(kind, name)) for kind, name in _TELLING]
    cursor.execute(
        "SELECT " + STORED + " FROM (SELECT DISTINCT f.at, f.resource, w.type FROM "  # noqa: S608
        "unnest(%s::smallint[], %s::smallint[]) w(type, param) CROSS JOIN unnest(%s::bigint[]) c(code) "
        "CROSS JOIN LATERAL (SELECT greatest(i.at, %s) AS at, i.resource FROM record_index_token i "
        "JOIN record_resource o ON o.type = w.type AND o.id = i.resource AND o.version = i.version "
        "AND o.state = 0 AND o.patient IS NOT NULL AND o.labels & %s = 0 "
        "WHERE i.type = w.type AND i.param = w.param AND i.code = c.code AND i.at < %s AND i.at >= %s::timestamptz "
        "AND (greatest(i.at, %s), i.resource) > (%s, %s) ORDER BY i.at, i.resource LIMIT %s) f "
        "ORDER BY f.at, f.resource LIMIT %s) found "
        "JOIN record_resource r ON r.type = found.type AND r.id = found.resource "
        "JOIN record_version v ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
        "ORDER BY found.at, r.id",
        [
            [kind for kind, _ in asked], [param for _, param in asked], codes, EARLIEST, ~int(ctx.clearance),
            before, first if first > EARLIEST else "-infinity", EARLIEST, *after, WINDOW, WINDOW,
        ],
    )  # fmt: skip
    return [stored_from(record) for record in cursor.fetchall()]


def hindrances(ctx: AccessContext, charts: Iterable[Sequence[int]]) -> dict[int, Hindrance]:
    """What keeps each of these charts, by its first patient. Raises PermissionRefused."""
    require(ctx, READ_RETENTION)
    of = {patient: chart[0] for chart in charts for patient in chart}
    matters: dict[int, list[str]] = {}
    asked: dict[int, int] = {}
    for hold in Hold.objects.filter(patient__in=list(of), lift__isnull=True).order_by("id"):
        matters.setdefault(of[hold.patient], []).append(hold.matter)
    for row in Destruction.objects.filter(patients__overlap=list(of), decision__isnull=True):
        for patient in row.patients:
            if patient in of:
                asked[of[patient]] = row.pk
    return {each: Hindrance(tuple(matters.get(each, ())), asked.get(each)) for each in {*matters, *asked}}
