"""A physician says that a deficiency is not theirs; it goes back to the department."""

from __future__ import annotations

from django.db import transaction

from charthouse.completion.domain.reasons import For, reason_words, reasons
from charthouse.completion.errors import CompletionError
from charthouse.completion.models import Deficiency
from charthouse.completion.permissions import OWE
from charthouse.foundation.access.api import AccessContext, require

from ._acting import require_unsettled, take_deficiency, tell, words_of, work_of, write


def dispute_deficiency(
    ctx: AccessContext, number: int, *, version: int, reason: str, words: str = ""
) -> Deficiency:
    """Say that it is not the asker's, and why. It stays owed, waits in a queue for somebody to say whose it is, and
    is no longer on the asker's own list.

    Raises PermissionRefused, CompletionError, ChangedMeanwhile.
    """
    require(ctx, OWE)
    why = reason_words(For.NOT_MINE, reason, words_of(words)) if reason in reasons(For.NOT_MINE) else ""
    if not why:
        raise CompletionError("Choose why it is not yours, or say it in words.")
    with transaction.atomic():
        deficiency = take_deficiency(ctx, number, version)
        require_unsettled(deficiency)
        if deficiency.owed_by not in ctx.keys:
            raise CompletionError("This is not asked of you; nothing was changed.")
        if deficiency.disputed:
            raise CompletionError("You said so already; the department looks who owes it.")
        write(ctx, deficiency, "disputed", why, disputed=True)
        deficiency.chart.version += 1
        deficiency.chart.save(update_fields=["version"])
        work_of([deficiency.chart], [deficiency])
        tell(ctx, "completion.dispute-deficiency", deficiency.chart, deficiency=deficiency, reason=reason)
    return deficiency
