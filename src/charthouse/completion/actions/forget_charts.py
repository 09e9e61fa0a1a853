"""What is kept here of a chart that is lawfully destroyed: its deficiencies lose their words and are owed no more.

Codes, numbers and who did what stay in the history, as evidence of the department's own work.
"""

from __future__ import annotations

from typing import Any

from charthouse.completion.domain.states import ChartState, State
from charthouse.completion.models import Chart, Closure, Deficiency
from charthouse.completion.queues import ANALYSIS, CLOSURES, WITHOUT_NAME
from charthouse.foundation.clock import now
from charthouse.foundation.work.api import finish_many_by_dedupe
from charthouse.record.api import Going, Keeper, Leave, declare_keeper

from ._acting import SYSTEM, UNSETTLED
from .keep_facts import forget_facts

_HOW = "The chart was destroyed."


def register() -> None:
    """Tell the record what lies here of charts."""
    declare_keeper(Keeper("deficiencies", lambda cursor, going: "", _destroy))


def _destroy(cursor: Any, going: Going, leave: Leave) -> int:
    at = now()
    forget_facts(going.patients)
    charts = list(Chart.objects.select_for_update().filter(patient__in=list(going.patients)).order_by("encounter"))
    numbers = [each.pk for each in charts]
    deficiencies = Deficiency.objects.filter(chart__in=numbers)
    ids = list(deficiencies.values_list("pk", flat=True))
    deficiencies.filter(state__in=UNSETTLED).update(state=State.CLOSED.value, ended=at, ended_by=SYSTEM.actor)
    deficiencies.update(says=_HOW, owed_name="", owed_because="", ended_how=_HOW)
    waiting = Closure.objects.filter(chart__in=numbers)
    closures = list(waiting.values_list("pk", flat=True))
    waiting.filter(outcome="").update(
        outcome="withdrawn", note=_HOW, decided_by=SYSTEM.actor, decider="Charthouse", decided_at=at
    )
    waiting.update(reason="")
    Chart.objects.filter(pk__in=numbers).update(
        state=ChartState.WITHDRAWN.value, since=at, open=0, due=None, service=""
    )
    for queue, matters in ((ANALYSIS, numbers), (WITHOUT_NAME, ids), (CLOSURES, closures)):
        finish_many_by_dedupe(queue, [str(each) for each in matters], _HOW)
    return len(ids)
