"""A technician has looked a chart through after discharge: its analysis is done."""

from __future__ import annotations

from django.db import transaction

from charthouse.completion.domain.states import State
from charthouse.completion.errors import CompletionError
from charthouse.completion.models import Chart
from charthouse.completion.permissions import ANALYSE
from charthouse.completion.queues import ANALYSIS
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.work.api import finish_by_dedupe

from ._acting import note, take_chart, tell


def review_chart(ctx: AccessContext, number: int, *, version: int) -> Chart:
    """Say that the chart is analysed. What is proposed has to be confirmed or waived before.

    Raises PermissionRefused, CompletionError, ChangedMeanwhile.
    """
    require(ctx, ANALYSE)
    with transaction.atomic():
        chart = take_chart(ctx, number, version)
        proposed = chart.deficiencies.filter(state=State.PROPOSED.value).count()
        if proposed:
            raise CompletionError(
                f"{proposed} of what is proposed {'is' if proposed == 1 else 'are'} neither confirmed nor waived."
            )
        chart.reviewed_at, chart.reviewed_by, chart.reviewer = now(), ctx.actor, ctx.name
        chart.version += 1
        chart.save()
        note(ctx, chart, "reviewed", after={"open": chart.open})
        finish_by_dedupe(ANALYSIS, str(chart.pk), "analysed", finished_by=ctx.actor)
        tell(ctx, "completion.review-chart", chart, open=chart.open)
    return chart
