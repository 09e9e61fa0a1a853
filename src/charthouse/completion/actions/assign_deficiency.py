"""Say who owes a deficiency, by hand; an analysis leaves it so."""

from __future__ import annotations

from django.db import transaction

from charthouse.completion.errors import CompletionError
from charthouse.completion.models import Deficiency
from charthouse.completion.permissions import ANALYSE
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now

from ._acting import (
    bring_in_line,
    require_practitioner,
    require_unsettled,
    take_deficiency,
    tell,
    words_of,
    work_of,
    write,
)
from ._standing_in import StandingIn


def assign_deficiency(ctx: AccessContext, number: int, owed_by: str, *, version: int, why: str = "") -> Deficiency:
    """Ask somebody else for it (``Practitioner/id``). Raises PermissionRefused, CompletionError,
    ChangedMeanwhile."""
    require(ctx, ANALYSE)
    said = words_of(why)
    owed = require_practitioner(owed_by)
    with transaction.atomic():
        deficiency = take_deficiency(ctx, number, version)
        require_unsettled(deficiency)
        away = StandingIn.now(now()).by_key.get(owed.key)
        if away is not None:
            raise CompletionError(f"{away.because} Choose somebody who is here.")
        if deficiency.owed_by in owed.keys and not deficiency.disputed:
            raise CompletionError(f"{owed.shown} is asked for it already; nothing was changed.")
        write(
            ctx,
            deficiency,
            "reassigned",
            said,
            owed_by=owed.key,
            owed_name=owed.shown,
            owed_because=said or f"{ctx.name} assigned it.",
            by_hand=True,
            disputed=False,
        )
        bring_in_line(deficiency.chart)
        work_of([deficiency.chart], [deficiency])
        tell(ctx, "completion.assign-deficiency", deficiency.chart, deficiency=deficiency, owed_by=owed.key)
    return deficiency
