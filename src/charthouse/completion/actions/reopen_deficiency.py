"""Open a deficiency again that a person settled: a waiver, an administrative closure, or what was closed by
hand."""

from __future__ import annotations

from django.db import transaction

from charthouse.completion.domain.states import State
from charthouse.completion.errors import CompletionError
from charthouse.completion.models import Deficiency
from charthouse.completion.permissions import WAIVE
from charthouse.foundation.access.api import AccessContext, require

from ._acting import bring_in_line, take_deficiency, tell, words_of, work_of, write


def reopen_deficiency(ctx: AccessContext, number: int, *, version: int, why: str) -> Deficiency:
    """Open it again, with a reason. Raises PermissionRefused, CompletionError, ChangedMeanwhile."""
    require(ctx, WAIVE)
    said = words_of(why, "Say why it is opened again.")
    with transaction.atomic():
        deficiency = take_deficiency(ctx, number, version)
        state = State(deficiency.state)
        if not state.settled:
            raise CompletionError("This deficiency is open already; nothing was changed.")
        if state is State.NOTED or (state is State.CLOSED and not deficiency.manual):
            raise CompletionError(
                "This was closed by what the chart has; it opens by itself when it lacks it again."
            )
        write(
            ctx,
            deficiency,
            "reopened",
            said,
            state=State.OPEN.value,
            ended=None,
            ended_by="",
            ended_how="",
        )
        bring_in_line(deficiency.chart)
        work_of([deficiency.chart], [deficiency])
        tell(ctx, "completion.reopen-deficiency", deficiency.chart, deficiency=deficiency)
    return deficiency
