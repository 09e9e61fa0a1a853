"""The work queues of completion's desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.work.api import Column, WorkItem, declare_queue
from charthouse.identity.api import sources_named

from .models import Chart, Closure, Deficiency
from .permissions import ANALYSE, DECIDE_CLOSURE

#: Charts to be looked through after discharge; the subject is the chart.
ANALYSIS = "completion.analysis"
#: Deficiencies that nobody owes yet; the subject is the deficiency.
WITHOUT_NAME = "completion.without-name"
#: Administrative closures that a second person decides; the subject is the closure.
CLOSURES = "completion.closures"


def _charts(items: Sequence[WorkItem]) -> dict[int, Chart]:
    """The chart of each item, by item."""
    by_chart = {int(item.detail["chart"]): item.id for item in items if "chart" in item.detail}
    charts = {each.pk: each for each in Chart.objects.filter(pk__in=by_chart)}
    return {item.id: charts[int(item.detail["chart"])] for item in items if item.detail.get("chart") in charts}


def _patients(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    """The patient of each item, as far as the asker may see them."""
    charts = _charts(items)
    named = sources_named(ctx, {each.patient for each in charts.values()})
    return {
        item: named[chart.patient].name if chart.patient in named else "a patient you may not see"
        for item, chart in charts.items()
    }


def _kinds(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {item: each.kind.replace("-", " ") for item, each in _charts(items).items()}


def _open(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {item: str(each.open) for item, each in _charts(items).items()}


def _lacks(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    wanted = {int(item.subject.id): item.id for item in items}
    return {wanted[each.pk]: each.says for each in Deficiency.objects.filter(pk__in=wanted)}


def _askers(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    wanted = {int(item.subject.id): item.id for item in items}
    return {wanted[each.pk]: each.name for each in Closure.objects.filter(pk__in=wanted)}


def _chart_screen(item: WorkItem) -> tuple[str, tuple[object, ...]]:
    return "incomplete-chart", (int(item.detail["chart"]),)


declare_queue(
    ANALYSIS,
    "Charts to analyse",
    ANALYSE.roles,
    describe_page=_patients,
    subject="Patient",
    columns=[Column("Kind", _kinds), Column("Lacks", _open)],
    opens=_chart_screen,
    by_decision=True,
    also=("Incomplete charts", "incomplete"),
)
declare_queue(
    WITHOUT_NAME,
    "Deficiencies without a name",
    ANALYSE.roles,
    describe_page=_patients,
    subject="Patient",
    columns=[Column("What", _lacks)],
    opens=_chart_screen,
    by_decision=True,
)
declare_queue(
    CLOSURES,
    "Administrative closures",
    DECIDE_CLOSURE.roles,
    describe_page=_patients,
    subject="Patient",
    columns=[Column("Asked for by", _askers)],
    opens=_chart_screen,
    by_decision=True,
)
