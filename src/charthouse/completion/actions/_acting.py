"""What every act on a chart does: have it to oneself, see that it is as it was seen, write what changed with who
and why, and bring the chart's state in line. To be called in the act's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from charthouse.completion.domain.clocks import Calendar
from charthouse.completion.domain.states import Ageing, ChartState, State, chart_state, delinquent_from
from charthouse.completion.errors import ChangedMeanwhile, CompletionError
from charthouse.completion.models import Chart, Deficiency, DeficiencyEvent
from charthouse.completion.naming import Named, named
from charthouse.completion.queues import ANALYSIS, WITHOUT_NAME
from charthouse.completion.seeing import visible
from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, system_context
from charthouse.foundation.clock import now
from charthouse.foundation.events.api import NewEvent
from charthouse.foundation.events.api import append_many as append_events
from charthouse.foundation.ledger.api import JSON, Subject
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.foundation.rulepacks.api import choices, parameter
from charthouse.foundation.work.api import NewItem, finish_many_by_dedupe, open_items
from charthouse.people.api import facilities
from charthouse.record.api import public_ids

SYSTEM = system_context("completion")
DELINQUENCY = "completion.delinquency"
ANALYSIS_RULE = "completion.analysis"
WITHOUT_NAME_RULE = "completion.without-name"
_LONGEST = 1_000
#: Columns of words, which may name something of the patient; the history does not repeat them.
_WORDS = {"says", "ended_how"}
UNSETTLED = (State.OPEN.value, State.PROPOSED.value)


def words_of(text: str, needed: str = "") -> str:
    """A text as it is kept. Raises CompletionError where it is ``needed`` (says what) and empty, or too long."""
    kept = " ".join("".join(sign for sign in text if sign.isprintable() or sign.isspace()).split())
    if not kept and needed:
        raise CompletionError(needed)
    if len(kept) > _LONGEST:
        raise CompletionError(f"This is {len(kept):,} characters long; {_LONGEST:,} are the most.")
    return kept


def zone_of(facility: int | None) -> ZoneInfo:
    """The time zone of a facility; the site's where there is none."""
    return zones()(facility)


def zones() -> Callable[[int | None], ZoneInfo]:
    """The time zone of each facility, asked for once; the site's where there is none."""
    known = {each.id: each.time_zone for each in facilities()}
    return lambda facility: ZoneInfo(known.get(facility or 0) or configuration().time_zone)


def take_chart(ctx: AccessContext, number: int, version: int | None = None) -> Chart:
    """Have a chart to oneself until the transaction ends.

    Raises CompletionError where there is none open to the asker, ChangedMeanwhile where it is another ``version``.
    """
    chart = Chart.objects.select_for_update().filter(pk=number).first()
    if chart is None or not visible(ctx, [chart.encounter]):
        raise CompletionError("There is no such chart, or it is not open to you.")
    if version is not None and chart.version != version:
        raise ChangedMeanwhile(
            "Somebody changed this chart since it was shown. It is shown anew; nothing was changed."
        )
    return chart


def take_deficiency(ctx: AccessContext, number: int, version: int) -> Deficiency:
    """Have a deficiency with its chart to oneself, as it was seen. Raises CompletionError, ChangedMeanwhile."""
    found = Deficiency.objects.filter(pk=number).values_list("chart_id", flat=True).first()
    if found is None:
        raise CompletionError("There is no such deficiency.")
    chart = take_chart(ctx, found)
    deficiency = Deficiency.objects.get(pk=number)
    deficiency.chart = chart
    if deficiency.version != version:
        raise ChangedMeanwhile(
            "Somebody changed this deficiency since it was shown: it is "
            f"{State(deficiency.state).words.lower()} now. Look at it again; nothing was changed."
        )
    return deficiency


def require_unsettled(deficiency: Deficiency) -> None:
    """Raise CompletionError for what is settled already."""
    state = State(deficiency.state)
    if state.settled:
        raise CompletionError(f"This deficiency is {state.words.lower()} already; nothing was changed.")


def require_practitioner(key: str) -> Named:
    """A practitioner of the directory, named as records do. Raises CompletionError."""
    found = named([key]).get(key)
    if found is None:
        raise CompletionError("Choose a practitioner of the directory.")
    return found


def write(ctx: AccessContext, deficiency: Deficiency, what: str, why: str = "", **changes: Any) -> None:
    """Change a deficiency that is taken, and keep in its history who did, why, how it was and became.

    The history keeps codes and numbers; words that may name something of the patient stay in the row.
    """
    before = {name: _plain(getattr(deficiency, name)) for name in changes if name not in _WORDS}
    for name, value in changes.items():
        setattr(deficiency, name, value)
    deficiency.version += 1
    deficiency.save()
    after = {name: _plain(value) for name, value in changes.items() if name not in _WORDS}
    note(ctx, deficiency.chart, what, why, deficiency=deficiency, before=before, after=after)


def note(
    ctx: AccessContext,
    chart: Chart,
    what: str,
    why: str = "",
    *,
    deficiency: Deficiency | None = None,
    before: Mapping[str, JSON] | None = None,
    after: Mapping[str, JSON] | None = None,
) -> None:
    """Add to the history of a chart or of a deficiency of it."""
    DeficiencyEvent.objects.create(
        chart=chart,
        deficiency=deficiency,
        what=what,
        why=why,
        by=ctx.actor,
        name=ctx.name or ctx.actor,
        at=now(),
        before=dict(before or {}),
        after=dict(after or {}),
    )


def settle(ctx: AccessContext, deficiency: Deficiency, state: State, what: str, how: str) -> None:
    """End a deficiency that is taken."""
    write(ctx, deficiency, what, how, state=state.value, ended=now(), ended_by=ctx.actor, ended_how=how)


def _plain(value: Any) -> JSON:
    return value.isoformat() if isinstance(value, datetime) else value


def tell(
    ctx: AccessContext, action: str, chart: Chart, *, deficiency: Deficiency | None = None, **detail: JSON
) -> None:
    """Write an act's entry in the ledger and its news for the apps above."""
    subjects = [*subjects_of(chart), *([Subject("deficiency", str(deficiency.pk))] if deficiency else [])]
    append_ledger(ctx, action, subjects=subjects, detail=detail)
    payload = {"chart": chart.pk, "deficiency": deficiency.pk if deficiency else None, "action": action}
    append_events([NewEvent("completion.changed", key=str(chart.patient), payload=payload)])


def subjects_of(chart: Chart) -> list[Subject]:
    """What the ledger says a chart is of."""
    patient = public_ids("Patient", [chart.patient]).get(chart.patient)
    return [
        *([Subject("patient", patient)] if patient else []),
        Subject("resource", f"Encounter/{chart.encounter_id}"),
        Subject("chart", str(chart.pk)),
    ]


def line_up(
    chart: Chart, dues: Iterable[datetime | None], at: datetime, zone: ZoneInfo
) -> tuple[DeficiencyEvent, NewEvent] | None:
    """Set the state, due date and count of a chart by when its unsettled deficiencies are due, unsaved; where its
    state changed, what its history and the apps above are told."""
    unsettled = list(dues)
    ageing = Ageing(str(parameter(DELINQUENCY, "ageing")))
    days = int(parameter(DELINQUENCY, "days" if ageing is Ageing.CHART else "grace"))
    before = chart.state
    chart.open = len(unsettled)
    chart.due = delinquent_from(ageing, days, chart.discharged, unsettled, zone) if unsettled else None
    if before != ChartState.WITHDRAWN.value or unsettled:
        chart.state = chart_state(chart.open, chart.due, at).value
    chart.version += 1
    if chart.state == before:
        return None
    chart.since = at
    told = DeficiencyEvent(
        chart=chart,
        what=chart.state,
        by=SYSTEM.actor,
        name="Charthouse",
        at=at,
        before={"state": before},
        after={"state": chart.state, "open": chart.open},
    )
    payload = {"chart": chart.pk, "before": before, "state": chart.state}
    return told, NewEvent("completion.chart-state", key=str(chart.patient), payload=payload)


def bring_in_line(chart: Chart) -> None:
    """Bring the state of a chart that is taken in line with its deficiencies, and keep it."""
    unsettled = list(chart.deficiencies.filter(state__in=UNSETTLED).values_list("due", flat=True))
    changed = line_up(chart, unsettled, now(), zone_of(chart.facility))
    chart.save()
    if changed:
        changed[0].save()
        append_events([changed[1]])


def work_of(charts: Iterable[Chart], deficiencies: Iterable[Deficiency]) -> None:
    """Open and finish the work that charts and their deficiencies make, all of it changed just now."""
    listed = list(charts)
    names = public_ids("Patient", {each.patient for each in listed})
    open_items([item for chart in listed if (item := _to_analyse(chart, names.get(chart.patient)))])
    nameless = []
    named = []
    by_chart = {each.pk: each for each in listed}
    for each in deficiencies:
        if not State(each.state).settled and (not each.owed_by or each.disputed):
            nameless.append(
                _without_name(each, by_chart[each.chart_id], names.get(by_chart[each.chart_id].patient))
            )
        else:
            named.append(str(each.pk))
    open_items(nameless)
    if named:
        finish_many_by_dedupe(WITHOUT_NAME, named, "It has a name, or is settled.")
    gone = [str(chart.pk) for chart in listed if chart.state == ChartState.WITHDRAWN.value]
    if gone:
        finish_many_by_dedupe(ANALYSIS, gone, "The encounter was withdrawn.")


def _to_analyse(chart: Chart, patient: str | None) -> NewItem | None:
    if chart.discharged is None or chart.reviewed_at is not None or chart.state == ChartState.WITHDRAWN.value:
        return None
    if chart.kind not in choices(ANALYSIS_RULE, "kinds"):
        return None
    if (now() - chart.discharged).days > int(parameter(ANALYSIS_RULE, "since")):
        return None
    calendar = Calendar(zone_of(chart.facility))
    due = calendar.after_days(chart.discharged, int(parameter(ANALYSIS_RULE, "days")))
    return NewItem(
        queue=ANALYSIS,
        subject=Subject("chart", str(chart.pk)),
        reason="The patient was discharged, and nobody has looked the chart through since.",
        dedupe=str(chart.pk),
        rule=ANALYSIS_RULE,
        due=due,
        facility=chart.facility,
        patient=patient,
        detail={"chart": chart.pk},
    )


def _without_name(deficiency: Deficiency, chart: Chart, patient: str | None) -> NewItem:
    days = int(parameter(WITHOUT_NAME_RULE, "days"))
    reason = (
        "Who is asked for it says it is not theirs."
        if deficiency.disputed
        else "The record does not say who owes it."
    )
    return NewItem(
        queue=WITHOUT_NAME,
        subject=Subject("deficiency", str(deficiency.pk)),
        reason=reason,
        dedupe=str(deficiency.pk),
        rule=WITHOUT_NAME_RULE,
        due=Calendar(zone_of(chart.facility)).after_days(now(), days),
        facility=chart.facility,
        patient=patient,
        detail={"chart": chart.pk},
    )
