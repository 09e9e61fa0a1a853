"""Confirm a deficiency: what a rule proposes becomes owed; what is owed is seen to be right."""

from __future__ import annotations

from django.db import transaction

from charthouse.completion.domain.reasons import For, reasons
from charthouse.completion.domain.states import State
from charthouse.completion.errors import CompletionError
from charthouse.completion.models import Deficiency
from charthouse.completion.permissions import ANALYSE
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now

from ._acting import bring_in_line, require_unsettled, take_deficiency, tell, work_of, write


def confirm_deficiency(ctx: AccessContext, number: int, *, version: int, reason: str = "") -> Deficiency:
    """Confirm it, with a standard reason where one fits. Confirmed again, nothing changes.

    Raises PermissionRefused, CompletionError, ChangedMeanwhile.
    """
    require(ctx, ANALYSE)
    if reason and reason not in reasons(For.QUALITATIVE):
        raise CompletionError("Choose a reason from the list.")
    with transaction.atomic():
        deficiency = take_deficiency(ctx, number, version)
        require_unsettled(deficiency)
        if deficiency.confirmed_at is not None and deficiency.state == State.OPEN.value:
            return deficiency
        write(
            ctx,
            deficiency,
            "confirmed",
            state=State.OPEN.value,
            confirmed_at=now(),
            reason=reason or deficiency.reason,
        )
        bring_in_line(deficiency.chart)
        work_of([deficiency.chart], [deficiency])
        tell(ctx, "completion.confirm-deficiency", deficiency.chart, deficiency=deficiency, reason=reason)
    return deficiency
