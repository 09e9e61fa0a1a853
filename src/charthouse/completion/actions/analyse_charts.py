"""Analyse encounters again and bring their charts in line: what is lacking opens, what arrived closes.

Run by the consumer of the record's news, by the clock, and when rules are adopted. Facts and chart of an encounter
are held before they are read, so that the analysis which ends last knew most.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from charthouse.completion import analysing
from charthouse.completion.analysing import Found
from charthouse.completion.domain.facts import EncounterFacts, EncounterKind, Party
from charthouse.completion.domain.findings import What
from charthouse.completion.domain.living import Change, Matter, Standing, Turn, compare
from charthouse.completion.domain.states import ChartState, State
from charthouse.completion.models import Chart, Deficiency, DeficiencyEvent
from charthouse.foundation.clock import now
from charthouse.foundation.events.api import NewEvent, append_many
from charthouse.foundation.ledger.api import Entry
from charthouse.foundation.ledger.api import append_many as append_ledger
from charthouse.foundation.rulepacks.api import choices

from . import keep_facts
from ._acting import SYSTEM, line_up, subjects_of, work_of, zone_of
from ._standing_in import StandingIn
from ._versions import ensure_adopted

_AT_ONCE = 500
#: What the database itself keeps of a deficiency is not written.
_KEPT_BY_DATABASE = ("facility", "service", "late")
_DEFICIENCY_COLUMNS = [
    each.name for each in Deficiency._meta.fields if each.name not in ("id", "chart", "key", *_KEPT_BY_DATABASE)
]
_CHART_COLUMNS = [each.name for each in Chart._meta.fields if each.name not in ("id", "encounter", "encounter_id")]


@dataclass(slots=True)
class Analysed:
    """What an analysis came to: charts looked at, and deficiencies opened, updated, closed, noted and opened
    again."""

    charts: int = 0
    turns: dict[str, int] = field(default_factory=dict)

    def add(self, turns: Iterable[Turn]) -> None:
        self.charts += 1
        for each in turns:
            self.turns[each.value] = self.turns.get(each.value, 0) + 1

    def join(self, other: Analysed) -> None:
        self.charts += other.charts
        for turn, number in other.turns.items():
            self.turns[turn] = self.turns.get(turn, 0) + number


@dataclass(frozen=True, slots=True)
class _Done:
    """A chart as the analysis leaves it, with what is to be written of it."""

    chart: Chart
    changed: list[Deficiency]
    turns: list[Turn]
    history: list[DeficiencyEvent]
    news: list[NewEvent]


def analyse_charts(encounters: Collection[int], why: str = "", *, anew: bool = False) -> Analysed:
    """Analyse the encounters of these rows, in the caller's transaction or one of its own. ``why`` stands in the
    history of what changes. Facts that are kept and not behind are taken, but ``anew`` reads all from the
    record."""
    report = Analysed()
    rows = sorted(set(encounters))
    if connection.in_atomic_block and len(rows) > _AT_ONCE:
        keep_facts.take(rows)
    for begin in range(0, len(rows), _AT_ONCE):
        with transaction.atomic():
            _analyse(rows[begin : begin + _AT_ONCE], why, report, anew)
    return report


def _analyse(rows: Sequence[int], why: str, report: Analysed, anew: bool) -> None:
    keep_facts.take(rows)
    charts = {each.encounter: each for each in _locked(rows)}
    at, rules = now(), ensure_adopted()
    found = [(facts, analysing.found_in(facts, rules, at)) for facts in keep_facts.facts_of(rows, anew=anew)]
    known = {facts.row for facts, _ in found}
    found += [(_gone(chart), ()) for row, chart in charts.items() if row not in known]
    made, raced = _new_charts([(f, n) for f, n in found if f.row not in charts and _deserves(f, n)], at, rules)
    charts |= made
    kept: dict[int, list[Deficiency]] = {}
    for row in Deficiency.objects.filter(chart__in=[each.pk for each in charts.values()]).order_by("id"):
        kept.setdefault(row.chart_id, []).append(row)
    standing_in = StandingIn.now(at)
    done = []
    for facts, findings in found:
        chart = charts.get(facts.row)
        if chart is not None:
            done.append(_bring(chart, facts, findings, kept.get(chart.pk, []), standing_in, at, rules, why))
    _write(done)
    _tell(done)
    for each in done:
        report.add(each.turns)
    if raced:
        # Somebody else made these charts since; what they knew may be newer or older than this.
        _analyse(sorted(raced), why, report, anew)


def _gone(chart: Chart) -> EncounterFacts:
    """What is left to say of an encounter that does not stand any more."""
    return EncounterFacts(
        id=chart.encounter_id,
        kind=EncounterKind(chart.kind),
        status="entered-in-error",
        start=chart.started,
        end=chart.discharged,
        row=chart.encounter,
        patient=chart.patient,
        facility=chart.facility,
        time_zone=str(zone_of(chart.facility)),
        service=chart.service,
    )


def _locked(rows: Sequence[int]) -> list[Chart]:
    return list(Chart.objects.select_for_update().filter(encounter__in=rows).order_by("encounter"))


def _deserves(facts: EncounterFacts, findings: Sequence[Found]) -> bool:
    """Whether an encounter gets a chart: something was found, or somebody was discharged."""
    if facts.status in analysing.NEVER:
        return False
    return bool(findings) or (facts.end is not None and facts.kind.value in choices("completion.analysis", "kinds"))


def _new_charts(
    wanted: Sequence[tuple[EncounterFacts, Sequence[Found]]], at: datetime, rules: int
) -> tuple[dict[int, Chart], set[int]]:
    """Charts for encounters that have none, by row; and the rows of those that somebody else made meanwhile."""
    if not wanted:
        return {}, set()
    facts = [each for each, _ in wanted]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO completion_chart (encounter, encounter_id, patient, kind, service, state, since, open,"
            " analysed_at, rules, reviewed_by, reviewer, version)"
            " SELECT n.*, '', 'complete', %s, 0, %s, %s, '', '', 0"
            " FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[]) AS n"
            " ON CONFLICT (encounter) DO NOTHING RETURNING encounter",
            [
                at,
                at,
                rules,
                [each.row for each in facts],
                [each.id for each in facts],
                [each.patient for each in facts],
                [each.kind.value for each in facts],
            ],
        )
        rows = {row for (row,) in cursor.fetchall()}
    made = {each.encounter: each for each in Chart.objects.filter(encounter__in=rows)}
    return made, {each.row for each in facts} - rows


def _bring(
    chart: Chart,
    facts: EncounterFacts,
    findings: Sequence[Found],
    kept: Sequence[Deficiency],
    standing_in: StandingIn,
    at: datetime,
    rules: int,
    why: str,
) -> _Done:
    changes = compare(
        [_standing(each) for each in kept], [_matter(each) for each in findings], standing_in.redirect
    )
    by_id = {each.pk: each for each in kept}
    done = _Done(chart, [], [], [], [])
    for change in changes:
        row = by_id[change.id] if change.id is not None else Deficiency(chart=chart, opened=at, version=0)
        before = _plain(row) if change.id is not None else {}
        _apply(row, change, at)
        done.changed.append(row)
        done.turns.append(change.turn)
        done.history.append(_event(chart, change.turn.value, at, why, row, before))
    unsettled = [
        each.due
        for each in (*kept, *(row for row in done.changed if row.pk is None))
        if not State(each.state).settled
    ]
    chart.kind, chart.service, chart.facility = facts.kind.value, facts.service, facts.facility
    chart.started, chart.discharged, chart.patient = facts.start, facts.end, facts.patient
    chart.analysed_at, chart.rules = at, rules
    if facts.status in analysing.NEVER and chart.state != ChartState.WITHDRAWN.value:
        chart.state, chart.since = ChartState.WITHDRAWN.value, at
        done.history.append(_event(chart, "withdrawn", at, why))
    elif facts.status not in analysing.NEVER and chart.state == ChartState.WITHDRAWN.value:
        chart.state = ChartState.COMPLETE.value
        done.history.append(_event(chart, "restored", at, why))
    if told := line_up(chart, unsettled, at, ZoneInfo(facts.time_zone)):
        done.history.append(told[0])
        done.news.append(told[1])
    return done


def _event(
    chart: Chart,
    what: str,
    at: datetime,
    why: str,
    row: Deficiency | None = None,
    before: dict[str, Any] | None = None,
) -> DeficiencyEvent:
    return DeficiencyEvent(
        chart=chart,
        deficiency=row,
        what=what,
        why=why,
        by=SYSTEM.actor,
        name="Charthouse",
        at=at,
        before=before or {},
        after=_plain(row) if row else {},
    )


def _write(done: Sequence[_Done]) -> None:
    rows = [row for each in done for row in each.changed]
    Deficiency.objects.bulk_create([row for row in rows if row.pk is None])
    fresh = {id(row) for row in rows if row.version == 1}
    if changed := [row for row in rows if id(row) not in fresh]:
        Deficiency.objects.bulk_update(changed, _DEFICIENCY_COLUMNS)
    if done:
        Chart.objects.bulk_update([each.chart for each in done], _CHART_COLUMNS)
    DeficiencyEvent.objects.bulk_create([event for each in done for event in each.history])


def _apply(row: Deficiency, change: Change, at: datetime) -> None:
    matter = change.matter
    row.key, row.rule, row.kind, row.piece = matter.key, matter.rule, matter.kind, matter.piece
    row.what, row.about, row.says, row.due = matter.what, matter.about, matter.says, matter.due
    row.judgement = matter.judgement
    row.owed_by, row.owed_name, row.owed_because = matter.owed_by, matter.owed_name, matter.owed_because
    if change.turn is Turn.REOPENED:
        row.confirmed_at, row.disputed, row.opened = None, False, at
    row.state = change.state.value
    row.ended = at if change.state.settled else None
    row.ended_by = SYSTEM.actor if change.state.settled else ""
    row.ended_how = {
        State.CLOSED: "The chart no longer lacks it.",
        State.NOTED: "It came late; that cannot be mended.",
    }.get(change.state, "")
    row.version += 1


def _plain(row: Deficiency) -> dict[str, Any]:
    """What of a deficiency its history keeps: codes and times, no words."""
    return {
        "state": row.state,
        "what": row.what,
        "owed_by": row.owed_by,
        "due": row.due.isoformat() if row.due else None,
        "about": row.about,
    }


def _standing(row: Deficiency) -> Standing:
    matter = Matter(
        key=row.key,
        rule=row.rule,
        kind=row.kind,
        piece=row.piece,
        what=row.what,
        about=row.about,
        says=row.says,
        owed_by=row.owed_by,
        owed_name=row.owed_name,
        owed_because=row.owed_because,
        due=row.due,
        judgement=row.judgement,
        noted=row.what == What.LATE.value,
    )
    return Standing(row.pk, matter, State(row.state), row.manual, row.by_hand, row.edited)


def _matter(found: Found) -> Matter:
    finding = found.finding
    key, name = owner(finding.owed_by)
    return Matter(
        key=finding.key,
        rule=finding.rule,
        kind=finding.kind,
        piece=finding.piece,
        what=finding.what.value,
        about=finding.about,
        says=finding.says,
        owed_by=key,
        owed_name=name,
        owed_because=finding.owed_because,
        due=finding.due,
        judgement=found.judgement,
        noted=finding.what is What.LATE,
    )


def owner(party: Party | None) -> tuple[str, str]:
    """Who owes, as deficiencies name them, and the name beside it."""
    if party is None:
        return "", ""
    return (f"Practitioner/{party.id}" if party.id else party.account), party.name


def _tell(done: Sequence[_Done]) -> None:
    """Work, ledger and news of what changed."""
    work_of([each.chart for each in done], [row for each in done for row in each.changed])
    told = [each for each in done if each.turns or each.news]
    append_ledger(
        [
            Entry(
                ctx=SYSTEM,
                action="completion.analyse",
                subjects=subjects_of(each.chart),
                detail={turn.value: each.turns.count(turn) for turn in dict.fromkeys(each.turns)},
            )
            for each in told
        ]
    )
    append_many(
        [
            news
            for each in told
            for news in (
                NewEvent(
                    "completion.changed",
                    key=str(each.chart.patient),
                    payload={"chart": each.chart.pk, "deficiency": None, "action": "completion.analyse"},
                ),
                *each.news,
            )
        ]
    )
