"""Add a deficiency by hand: what no rule sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from charthouse.completion.domain.pieces import pieces
from charthouse.completion.domain.reasons import For, reason_words, reasons
from charthouse.completion.domain.states import ChartState, State
from charthouse.completion.errors import CompletionError
from charthouse.completion.models import Chart, Deficiency
from charthouse.completion.permissions import ANALYSE
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.ids import new_id

from ._acting import bring_in_line, note, require_practitioner, take_chart, tell, words_of, work_of

#: The kind of what people add, by which boards count.
BY_HAND = "by-hand"


@dataclass(frozen=True, slots=True)
class Lack:
    """What is added: which ``piece`` (slug, or empty), a standard ``reason`` (code) and words, who owes it (as
    records name them, or empty), when it is due, and the document it is about (``Type/id``, or empty)."""

    piece: str
    reason: str
    words: str
    owed_by: str = ""
    due: datetime | None = None
    about: str = ""


def add_deficiency(ctx: AccessContext, chart: int, lack: Lack, *, once: str = "") -> Deficiency:
    """Add a deficiency to a chart; the same form sent twice (``once``) adds it once.

    Raises PermissionRefused, CompletionError.
    """
    require(ctx, ANALYSE)
    if lack.piece and lack.piece not in pieces():
        raise CompletionError("Choose the document from the list.")
    if lack.reason and lack.reason not in reasons(For.QUALITATIVE):
        raise CompletionError("Choose a reason from the list.")
    words = words_of(lack.words)
    says = reason_words(For.QUALITATIVE, lack.reason, words)
    if not says:
        raise CompletionError("Say what is lacking: choose a reason, or write it.")
    owed = require_practitioner(lack.owed_by) if lack.owed_by else None
    with transaction.atomic():
        taken = take_chart(ctx, chart)
        _require_standing(taken)
        key = f"by-hand:{once or new_id()}"
        if before := taken.deficiencies.filter(key=key).first():
            return before
        title = pieces()[lack.piece].title if lack.piece else ""
        made = Deficiency.objects.create(
            chart=taken,
            key=key,
            manual=True,
            kind=BY_HAND,
            piece=lack.piece,
            what="qualitative" if lack.reason else "asked for",
            about=lack.about,
            says=": ".join(part for part in (title, says) if part),
            reason=lack.reason,
            owed_by=owed.key if owed else "",
            owed_name=owed.shown if owed else "",
            owed_because=f"{ctx.name} asked for it." if owed else "",
            by_hand=bool(owed),
            opened=now(),
            due=lack.due,
            state=State.OPEN.value,
            confirmed_at=now(),
        )
        after = {"state": made.state, "piece": made.piece, "reason": made.reason, "owed_by": made.owed_by}
        note(ctx, taken, "added", deficiency=made, after=after)
        bring_in_line(taken)
        work_of([taken], [made])
        tell(ctx, "completion.add-deficiency", taken, deficiency=made, kind=made.kind, piece=made.piece)
    return made


def _require_standing(chart: Chart) -> None:
    if chart.state == ChartState.WITHDRAWN.value:
        raise CompletionError("This encounter was cancelled or entered in error; nothing is owed in its chart.")
