"""Waive a deficiency: it stays readable, with who waived it and why, and is owed no more."""

from __future__ import annotations

from django.db import transaction

from charthouse.completion.domain.reasons import For, reason_words, reasons
from charthouse.completion.domain.states import State
from charthouse.completion.errors import CompletionError
from charthouse.completion.models import Deficiency
from charthouse.completion.permissions import WAIVE
from charthouse.foundation.access.api import AccessContext, require

from ._acting import bring_in_line, require_unsettled, settle, take_deficiency, tell, words_of, work_of


def waive_deficiency(ctx: AccessContext, number: int, *, version: int, reason: str, words: str = "") -> Deficiency:
    """Waive it for a standard reason, or another in words.

    Raises PermissionRefused, CompletionError, ChangedMeanwhile.
    """
    require(ctx, WAIVE)
    why = reason_words(For.WAIVE, reason, words_of(words)) if reason in reasons(For.WAIVE) else ""
    if not why:
        raise CompletionError("Choose why it is waived, or say it in words.")
    with transaction.atomic():
        deficiency = take_deficiency(ctx, number, version)
        require_unsettled(deficiency)
        settle(ctx, deficiency, State.WAIVED, "waived", why)
        bring_in_line(deficiency.chart)
        work_of([deficiency.chart], [deficiency])
        tell(ctx, "completion.waive-deficiency", deficiency.chart, deficiency=deficiency, reason=reason)
    return deficiency
