"""Reads of charts under completion and of what they lack, as far as the asker may see them.

A chart is seen where its encounter is, and where the asker's facilities reach; one of no facility is everybody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from charthouse.foundation.access.api import AccessContext, may, require, system_context
from charthouse.foundation.clock import now
from charthouse.identity.api import persons_of, sources_named

from .chart_orders import chart_order
from .domain.assembly import IndexPart, index_of
from .domain.facts import DocumentFact
from .domain.pieces import pieces, title_of
from .domain.states import ChartState, State
from .index_marks import doubled, most_of_pieces, told_apart
from .models import Chart, Closure, Deficiency, DeficiencyEvent
from .naming import Named, named
from .paging import count_rows, cursor_of, places_reached, read_page
from .permissions import OWE, READ_CHARTS
from .queries import facts_of
from .seeing import SEEN, seen_by, visible

_SYSTEM = system_context("completion")
#: Rows of a page.
PAGE = 40
#: What a list calls a service that nobody stated.
NOT_STATED = "-"
#: A list counts no further.
MOST_COUNTED = 999
_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)
UNDONE = (ChartState.INCOMPLETE.value, ChartState.DELINQUENT.value)
UNSETTLED = (State.OPEN.value, State.PROPOSED.value)


@dataclass(frozen=True, slots=True)
class ChartFilters:
    """What a list of charts is narrowed to. ``states`` are values of ChartState; ``practitioner`` holds the names
    of one who owes something in it; ``lacks`` is a kind of deficiency, ``late`` that something is overdue;
    ``discharged_before`` and ``since`` bound the discharge, ``here`` is that there was none. A service of ``-`` is
    one that nobody stated. ``discharges`` of some ``kinds`` are listed in the order of their discharge."""

    states: tuple[str, ...] = UNDONE
    kind: str = ""
    service: str = ""
    facility: int | None = None
    practitioner: tuple[str, ...] = ()
    lacks: str = ""
    late: bool = False
    here: bool = False
    since: datetime | None = None
    discharged_before: datetime | None = None
    discharges: bool = False
    kinds: tuple[str, ...] = ()

    @property
    def order(self) -> str:
        """The column by which the list is in order."""
        return "c.discharged" if self.discharges else "c.due"


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A chart in a list. ``person`` is None, and ``patient`` empty, where the index does not show them."""

    id: int
    encounter: str
    person: UUID | None
    patient: str
    kind: str
    service: str
    facility: int | None
    started: datetime | None
    discharged: datetime | None
    state: ChartState
    since: datetime
    due: datetime | None
    open: int
    reviewed_at: datetime | None
    reviewer: str
    version: int

    @property
    def age(self) -> int | None:
        """Whole days since the discharge."""
        return (now() - self.discharged) // timedelta(days=1) if self.discharged else None


@dataclass(frozen=True, slots=True)
class ChartPage:
    """A page of charts, those due soonest first; ``next`` goes on behind it."""

    rows: tuple[ChartLine, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class DeficiencyLine:
    """A deficiency in a list, with its chart. ``owed_by`` is the practitioner's name in words, empty for nobody;
    ``entry`` their number in the directory."""

    id: int
    chart: int
    key: str
    manual: bool
    rule: str
    kind: str
    piece: str
    what: str
    about: str
    says: str
    reason: str
    owed_key: str
    owed_by: str
    owed_because: str
    entry: int | None
    opened: datetime
    due: datetime | None
    state: State
    confirmed: bool
    disputed: bool
    ended: datetime | None
    ended_how: str
    version: int

    @property
    def overdue(self) -> bool:
        return not self.state.settled and self.due is not None and self.due <= now()

    @property
    def title(self) -> str:
        """What it is that is lacking, as an index names it: "Operative report", "Final diagnosis"."""
        if self.manual:
            return title_of(self.piece) if self.piece else "Something"
        return title_of(self.kind) if self.kind in pieces() else self.kind.replace("-", " ").capitalize()

    @property
    def how(self) -> str:
        """How it is lacking, in a word or two."""
        said = "asked for" if self.manual else _HOW.get(self.what, self.what)
        return f"{said}, to be confirmed" if self.state is State.PROPOSED else said


_HOW = {"unfit": "does not fit", "unanswered": "not answered", "unsigned": "not signed"}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something of a chart's history: of which deficiency (None for the chart), what, why, by whom and when."""

    id: int
    deficiency: int | None
    what: str
    why: str
    by: str
    at: datetime
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """An administrative closure that waits for its decision."""

    id: int
    deficiencies: tuple[int, ...]
    reason: str
    by: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenChart:
    """One chart with everything it lacks and lacked: open ones first, the soonest due first."""

    line: ChartLine
    deficiencies: tuple[DeficiencyLine, ...]
    closure: Waiting | None = None

    @property
    def unsettled(self) -> tuple[DeficiencyLine, ...]:
        return tuple(each for each in self.deficiencies if not each.state.settled)

    @property
    def settled(self) -> tuple[DeficiencyLine, ...]:
        return tuple(each for each in self.deficiencies if each.state.settled)


_COLUMNS = (
    "c.id, c.encounter_id, c.patient, c.kind, c.service, c.facility, c.started, c.discharged, c.state, c.since,"
    " c.due, c.open, c.reviewed_at, c.reviewer, c.version"
)


def charts(
    ctx: AccessContext, filters: ChartFilters | None = None, after: str = "", limit: int = PAGE
) -> ChartPage:
    """A page of charts, those due soonest first. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    chosen = filters or ChartFilters()
    conditions, values = _where(chosen)
    by = chosen.order
    places = places_reached(ctx, "c.facility", chosen.facility)
    found = read_page(
        ctx,
        "completion_chart c",
        _COLUMNS.split(", "),
        conditions,
        values,
        places,
        (by, "c.id"),
        after,
        limit + 1,
        few=not chosen.discharges and chosen.discharged_before is not None,
    )
    rows = _lines(ctx, found[:limit])
    if len(found) <= limit:
        return ChartPage(rows)
    return ChartPage(rows, cursor_of(rows[-1].discharged if chosen.discharges else rows[-1].due, rows[-1].id))


def count_charts(ctx: AccessContext, filters: ChartFilters | None = None, most: int = MOST_COUNTED) -> int:
    """How many charts the filters leave, ``most`` + 1 where there are more. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    chosen = filters or ChartFilters()
    conditions, values = _where(chosen)
    places = places_reached(ctx, "c.facility", chosen.facility)
    return count_rows(ctx, "completion_chart c", conditions, values, places, most + 1)


def _where(filters: ChartFilters) -> tuple[list[str], list[Any]]:
    states = [each for each in filters.states if each in set(ChartState)]
    # Named in the statement, so that the planner sees that a partial index holds them.
    named_states = ", ".join(f"'{each}'" for each in states)
    conditions = [f"c.state IN ({named_states})" if states else "false"]
    values: list[Any] = []
    for condition, value in (
        ("c.kind = %s", filters.kind),
        ("c.discharged >= %s", filters.since),
        ("c.discharged < %s", filters.discharged_before),
    ):
        if value not in ("", None):
            conditions.append(condition)
            values.append(value)
    if filters.service:
        conditions.append("c.service = %s")
        values.append("" if filters.service == NOT_STATED else filters.service)
    if filters.kinds:
        conditions.append("c.kind = ANY(%s)")
        values.append(list(filters.kinds))
    if filters.here:
        conditions.append("c.discharged IS NULL")
    lacking = []
    if filters.late:
        lacking.append("d.due <= %s")
        values.append(now())
    if filters.practitioner:
        lacking.append("d.owed_by = ANY(%s)")
        values.append(list(filters.practitioner))
    if filters.lacks:
        lacking.append("d.kind = %s")
        values.append(filters.lacks)
    if lacking:
        conditions.append(
            "c.id IN (SELECT d.chart_id FROM completion_deficiency d"  # noqa: S608 (fixed words)
            f" WHERE d.state IN ('open', 'proposed') AND {' AND '.join(lacking)})"
        )
    return conditions, values


def _lines(ctx: AccessContext, rows: Sequence[Sequence[Any]]) -> tuple[ChartLine, ...]:
    patients = {row[2] for row in rows}
    known = sources_named(ctx, patients)
    persons = persons_of(patients)
    return tuple(
        ChartLine(
            id=row[0],
            encounter=row[1],
            person=persons.get(row[2]) if row[2] in known else None,
            patient=known[row[2]].name if row[2] in known else "",
            kind=row[3],
            service=row[4],
            facility=row[5],
            started=row[6],
            discharged=row[7],
            state=ChartState(row[8]),
            since=row[9],
            due=row[10],
            open=row[11],
            reviewed_at=row[12],
            reviewer=row[13],
            version=row[14],
        )
        for row in rows
    )


def chart(ctx: AccessContext, id: int) -> OpenChart | None:
    """One chart with what it lacks and lacked; None where there is none open to the asker. Raises
    PermissionRefused."""
    require(ctx, READ_CHARTS)
    return _open(ctx, id)


def chart_of_encounter(ctx: AccessContext, encounter: str) -> OpenChart | None:
    """The chart of an encounter by its id, where it is under completion and open to the asker. Raises
    PermissionRefused."""
    require(ctx, READ_CHARTS)
    found = Chart.objects.filter(encounter_id=encounter).values_list("pk", flat=True).first()
    return _open(ctx, found) if found is not None else None


def lacking(ctx: AccessContext, encounter: str) -> tuple[DeficiencyLine, ...]:
    """What the chart of an encounter lacks, and what of it came late, as far as it is the asker's to know: all of
    it for who may see incomplete charts, else what they owe themselves; nothing for others."""
    sees = may(ctx, READ_CHARTS)
    if not sees and not may(ctx, OWE):
        return ()
    found = Chart.objects.filter(encounter_id=encounter).first()
    if found is None or not visible(ctx, [found.encounter]) or not _reaches(ctx, found.facility):
        return ()
    rows = Deficiency.objects.filter(chart=found)
    if sees:
        rows = rows.filter(state__in=(*UNSETTLED, State.NOTED.value))
    else:
        rows = rows.filter(state=State.OPEN.value, disputed=False, owed_by__in=list(ctx.keys))
    return deficiency_lines(rows.order_by("due", "id"))


def _open(ctx: AccessContext, id: int) -> OpenChart | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM completion_chart c WHERE c.id = %s AND {SEEN}",  # noqa: S608 (fixed words)
            [id, *seen_by(ctx)],
        )
        lines = _lines(ctx, cursor.fetchall())
    if not lines or not _reaches(ctx, lines[0].facility):
        return None
    rows = Deficiency.objects.filter(chart_id=id).order_by("due", "id")
    waiting = Closure.objects.filter(chart_id=id, outcome="").first()
    return OpenChart(
        lines[0],
        deficiency_lines(sorted(rows, key=lambda row: State(row.state).settled)),
        Waiting(waiting.pk, tuple(waiting.deficiencies), waiting.reason, waiting.by, waiting.name, waiting.at)
        if waiting
        else None,
    )


def _reaches(ctx: AccessContext, facility: int | None) -> bool:
    return not ctx.facilities or facility is None or facility in ctx.facilities


def deficiency_lines(rows: Iterable[Deficiency]) -> tuple[DeficiencyLine, ...]:
    """Deficiencies as lists show them, in the order given."""
    listed = list(rows)
    known = named({each.owed_by for each in listed})
    return tuple(
        DeficiencyLine(
            id=each.pk,
            chart=each.chart_id,
            key=each.key,
            manual=each.manual,
            rule=each.rule,
            kind=each.kind,
            piece=each.piece,
            what=each.what,
            about=each.about,
            says=each.says,
            reason=each.reason,
            owed_key=each.owed_by,
            owed_by=known[each.owed_by].shown if each.owed_by in known else each.owed_name,
            owed_because=each.owed_because,
            entry=known[each.owed_by].entry if each.owed_by in known else None,
            opened=each.opened,
            due=each.due,
            state=State(each.state),
            confirmed=each.confirmed_at is not None,
            disputed=each.disputed,
            ended=each.ended,
            ended_how=each.ended_how,
            version=each.version,
        )
        for each in listed
    )


def history(ctx: AccessContext, chart: int, limit: int = 200) -> tuple[Happening, ...]:
    """What happened to a chart and to what it lacks, newest first. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    rows = DeficiencyEvent.objects.filter(chart_id=chart).order_by("-id")[:limit]
    return tuple(
        Happening(row.pk, row.deficiency_id, row.what, row.why, row.name, row.at, dict(row.before), dict(row.after))
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class Owed:
    """What somebody owes in one chart."""

    chart: ChartLine
    deficiencies: tuple[DeficiencyLine, ...]


def owed(ctx: AccessContext, limit: int = 200) -> tuple[Owed, ...]:
    """What the asker owes, by chart: the one due soonest first. What they said is not theirs is left out, and what
    waits for a technician's confirmation. Raises PermissionRefused."""
    require(ctx, OWE)
    return _owed(ctx, ctx.keys, limit)


def owed_by(ctx: AccessContext, keys: Sequence[str], limit: int = 200) -> tuple[Owed, ...]:
    """What one practitioner owes, by every name of theirs, disputed or not. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    return _owed(ctx, keys, limit, all_of_it=True)


def _owed(ctx: AccessContext, keys: Sequence[str], limit: int, *, all_of_it: bool = False) -> tuple[Owed, ...]:
    rows = Deficiency.objects.filter(owed_by__in=list(keys), state__in=UNSETTLED).select_related("chart")
    if not all_of_it:
        rows = rows.filter(state=State.OPEN.value, disputed=False)
    listed = list(rows.order_by("due", "id")[:limit])
    seen = visible(ctx, {each.chart.encounter for each in listed})
    listed = [each for each in listed if each.chart.encounter in seen]
    by_chart: dict[int, list[DeficiencyLine]] = {}
    for line in deficiency_lines(listed):
        by_chart.setdefault(line.chart, []).append(line)
    charts_found = {each.chart_id: each.chart for each in listed}
    lines = {line.id: line for line in chart_lines(ctx, charts_found.values())}
    return tuple(Owed(lines[id], tuple(found)) for id, found in by_chart.items())


def chart_lines(ctx: AccessContext, rows: Iterable[Chart]) -> tuple[ChartLine, ...]:
    """Charts as lists show them, in the order given."""
    return _lines(ctx, [_row(each) for each in rows])


def _row(chart: Chart) -> tuple[Any, ...]:
    return (
        chart.pk,
        chart.encounter_id,
        chart.patient,
        chart.kind,
        chart.service,
        chart.facility,
        chart.started,
        chart.discharged,
        chart.state,
        chart.since,
        chart.due,
        chart.open,
        chart.reviewed_at,
        chart.reviewer,
        chart.version,
    )


def owed_count(ctx: AccessContext, most: int) -> int:
    """How much the asker owes, counted to ``most``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT FROM completion_deficiency WHERE owed_by = ANY(%s)"
            " AND state IN ('open', 'proposed') AND state = 'open' AND NOT disputed LIMIT %s) AS n",
            [list(ctx.keys), most],
        )
        return int(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class Content:
    """What stands in a chart, in the order of its pieces (``order``), and the practitioners who took part (by their
    names in records). ``most`` is how many documents of a piece one chart needs, where that is known."""

    documents: tuple[DocumentFact, ...]
    practitioners: tuple[Named, ...]
    order: tuple[str, ...] = ()
    most: Mapping[str, int] = field(default_factory=dict)


def content(ctx: AccessContext, encounter: str) -> Content:
    """What stands in the chart of an encounter, in the order of its kind, as far as the asker may see it. Raises
    PermissionRefused."""
    require(ctx, READ_CHARTS)
    facts = facts_of(replace(_SYSTEM, clearance=ctx.clearance), [encounter]).get(encounter)
    if facts is None:
        return Content((), ())
    pieces_in_order = chart_order(facts.kind).pieces
    order = {slug: place for place, slug in enumerate(pieces_in_order)}
    documents = sorted(
        facts.documents,
        key=lambda each: (order.get(each.piece or "", len(order)), each.authored or _LONG_AGO, each.id),
    )
    keys = [
        f"Practitioner/{each.id}"
        for each in (
            *(taking.who for taking in facts.takings),
            *(who for one in facts.procedures for _, who in one.performers),
            *(who for one in documents for who in one.authors),
        )
        if each.id
    ]
    known = named(keys)
    found = {known[key].key: known[key] for key in keys if key in known}
    return Content(
        tuple(documents),
        tuple(found.values()),
        pieces_in_order,
        most_of_pieces(facts.facility_type, facts.procedures),
    )


@dataclass(frozen=True, slots=True)
class DeskLine:
    """A line of the desk's index: a document with what is wrong with it (``marks``) and how many of its piece there
    are where one chart needs fewer (``of``, else 0); or (``document`` None) what is missing at its place."""

    title: str
    document: DocumentFact | None = None
    marks: tuple[DeficiencyLine, ...] = ()
    of: int = 0
    lack: DeficiencyLine | None = None


def desk_index(content: Content, deficiencies: Sequence[DeficiencyLine]) -> tuple[DeskLine, ...]:
    """A chart's documents in their order, with what is missing at the place where it would stand."""
    sections: dict[str, list[DocumentFact]] = {}
    for each in content.documents:
        sections.setdefault(each.piece or "", []).append(each)
    about = {f"{each.type}/{each.id}" for each in content.documents}
    marks, lines = told_apart(deficiencies, about)
    parts: tuple[IndexPart[DocumentFact, DeficiencyLine], ...] = index_of(
        [(piece, tuple(found)) for piece, found in sections.items()], lines, content.order
    )
    found: list[DeskLine] = []
    for part in parts:
        of = doubled(part.piece, sum(not each.added_to for each in part.leaves), content.most)
        for document in part.leaves:
            key = f"{document.type}/{document.id}"
            title = title_of(document.piece) if document.piece else document.title or "Not classified"
            found.append(DeskLine(title, document, tuple(marks.get(key, ())), 0 if document.added_to else of))
        found += [DeskLine(each.title, lack=each) for each in part.lacks]
    return tuple(found)
