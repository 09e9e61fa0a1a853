"""Change what a deficiency says and when it is due, by hand; an analysis leaves it so."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from charthouse.completion.models import Deficiency
from charthouse.completion.permissions import ANALYSE
from charthouse.foundation.access.api import AccessContext, require

from ._acting import bring_in_line, require_unsettled, take_deficiency, tell, words_of, write


def change_deficiency(
    ctx: AccessContext, number: int, *, version: int, says: str, due: datetime | None, why: str = ""
) -> Deficiency:
    """Set the words and the due moment. Raises PermissionRefused, CompletionError, ChangedMeanwhile."""
    require(ctx, ANALYSE)
    words = words_of(says, "Say what is lacking.")
    with transaction.atomic():
        deficiency = take_deficiency(ctx, number, version)
        require_unsettled(deficiency)
        write(ctx, deficiency, "edited", words_of(why), says=words, due=due, edited=True)
        bring_in_line(deficiency.chart)
        tell(ctx, "completion.change-deficiency", deficiency.chart, deficiency=deficiency)
    return deficiency
