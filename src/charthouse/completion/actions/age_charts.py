"""What time alone changes: incomplete charts become delinquent, absences begin and end."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from charthouse.completion.domain.states import ChartState, State
from charthouse.completion.models import Chart, Deficiency, DeficiencyEvent
from charthouse.foundation.clock import now
from charthouse.foundation.events.api import append_many
from charthouse.foundation.ledger.api import Entry
from charthouse.foundation.ledger.api import append_many as append_ledger

from ._acting import SYSTEM, line_up, subjects_of, zones

_AT_ONCE = 500


def age_charts() -> int:
    """Make those charts delinquent whose time is over; how many. Some hundred at a time, each its own
    transaction."""
    total = 0
    while done := _some():
        total += done
    return total


def _some() -> int:
    with transaction.atomic():
        at = now()
        charts = list(
            Chart.objects.select_for_update(skip_locked=True)
            .filter(state=ChartState.INCOMPLETE.value, due__lte=at)
            .order_by("encounter")[:_AT_ONCE]
        )
        dues: dict[int, list[datetime | None]] = {each.pk: [] for each in charts}
        open_ones = Deficiency.objects.filter(chart__in=list(dues), state__in=[State.OPEN, State.PROPOSED])
        for chart, due in open_ones.values_list("chart_id", "due"):
            dues[chart].append(due)
        zone_of = zones()
        told = [line_up(each, dues[each.pk], at, zone_of(each.facility)) for each in charts]
        Chart.objects.bulk_update(charts, ["state", "since", "due", "open", "version"])
        DeficiencyEvent.objects.bulk_create([each[0] for each in told if each])
        append_many([each[1] for each in told if each])
        append_ledger(
            [
                Entry(ctx=SYSTEM, action="completion.chart-delinquent", subjects=subjects_of(chart))
                for chart, news in zip(charts, told, strict=True)
                if news
            ]
        )
        return len(charts)
