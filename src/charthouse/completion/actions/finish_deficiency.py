"""Close by hand what was added by hand: no rule sees that it is done."""

from __future__ import annotations

from django.db import transaction

from charthouse.completion.domain.states import State
from charthouse.completion.errors import CompletionError
from charthouse.completion.models import Deficiency
from charthouse.completion.permissions import ANALYSE
from charthouse.foundation.access.api import AccessContext, require

from ._acting import bring_in_line, require_unsettled, settle, take_deficiency, tell, words_of, work_of


def finish_deficiency(ctx: AccessContext, number: int, *, version: int, words: str = "") -> Deficiency:
    """It is done. Raises PermissionRefused, CompletionError, ChangedMeanwhile."""
    require(ctx, ANALYSE)
    why = words_of(words) or "It was done."
    with transaction.atomic():
        deficiency = take_deficiency(ctx, number, version)
        require_unsettled(deficiency)
        if not deficiency.manual:
            raise CompletionError(
                "This closes by itself when the chart has it. Where the chart is right without it, waive it."
            )
        settle(ctx, deficiency, State.CLOSED, "closed", why)
        bring_in_line(deficiency.chart)
        work_of([deficiency.chart], [deficiency])
        tell(ctx, "completion.finish-deficiency", deficiency.chart, deficiency=deficiency)
    return deficiency
