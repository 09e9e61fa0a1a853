"""Say that a practitioner is away for a time or gone for good, and who stands in; what they owe goes there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from charthouse.completion.errors import CompletionError
from charthouse.completion.models import Deficiency, PractitionerAway
from charthouse.completion.naming import Named, named
from charthouse.completion.permissions import MARK_AWAY
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.ledger.api import Subject, append

from ._acting import UNSETTLED, require_practitioner, words_of
from .analyse_charts import analyse_charts


def mark_away(
    ctx: AccessContext,
    practitioner: str,
    *,
    gone: bool,
    reason: str,
    since: datetime | None = None,
    until: datetime | None = None,
    stand_in: str = "",
) -> PractitionerAway:
    """Mark a practitioner (``Practitioner/id``) as away, or ``gone``.

    While they are away what they owe, and what opens, is asked of the stand-in; where nobody stands in for somebody
    who is gone, it waits for a name. Raises PermissionRefused, CompletionError.
    """
    require(ctx, MARK_AWAY)
    why = words_of(reason, "Say why: leave, illness, retired, left the staff.")
    who = require_practitioner(practitioner)
    instead = require_practitioner(stand_in) if stand_in else None
    begins = since or now()
    if instead is not None and instead.key == who.key:
        raise CompletionError("Nobody stands in for themselves. Choose somebody else.")
    if gone and until is not None:
        raise CompletionError("Who is gone for good does not come back on a day. Mark them as away instead.")
    if not gone and until is None:
        raise CompletionError("Say until when. Who does not come back is gone.")
    if until is not None and until <= begins:
        raise CompletionError("The absence ends before it begins.")
    with transaction.atomic():
        if _open(who).select_for_update().exists():
            raise CompletionError(f"{who.shown} is marked as away or gone already. End that first.")
        kept = PractitionerAway.objects.create(
            practitioner=who.key,
            gone=gone,
            since=begins,
            until=until,
            stand_in=instead.key if instead else "",
            reason=why,
            by=ctx.actor,
            name=ctx.name or ctx.actor,
            at=now(),
        )
        append(
            ctx,
            "completion.mark-away",
            subjects=[Subject("practitioner", who.key)],
            detail={"gone": gone, "stand_in": kept.stand_in},
        )
        _asked_anew([who], f"{who.shown} is {'gone' if gone else 'away'}.")
    return kept


def end_away(ctx: AccessContext, number: int) -> None:
    """Say that a practitioner is back. What the rules ask of them is asked of them again.

    Raises PermissionRefused, CompletionError.
    """
    require(ctx, MARK_AWAY)
    with transaction.atomic():
        kept = PractitionerAway.objects.select_for_update().filter(pk=number).first()
        if kept is None or kept.ended_at is not None:
            raise CompletionError("There is no such absence, or it has ended already.")
        _end(kept, ctx.actor)
        append(ctx, "completion.end-away", subjects=[Subject("practitioner", kept.practitioner)])
        _follow([kept])


def end_absences() -> int:
    """End the absences whose time is over; how many. Run by the worker."""
    with transaction.atomic():
        over = list(PractitionerAway.objects.select_for_update().filter(ended_at=None, until__lte=now()))
        for each in over:
            _end(each, "system:completion")
        _follow(over)
    return len(over)


def begin_absences(since: datetime) -> int:
    """Ask the stand-ins for what is owed by those whose absence began after ``since``; how many. Run by the
    worker."""
    with transaction.atomic():
        begun = list(PractitionerAway.objects.filter(ended_at=None, since__gt=since, since__lte=now()))
        _follow(begun)
    return len(begun)


def _open(who: Named) -> QuerySet[PractitionerAway]:
    return PractitionerAway.objects.filter(practitioner__in=who.keys, ended_at=None)


def _end(kept: PractitionerAway, by: str) -> None:
    kept.ended_at, kept.ended_by = now(), by
    kept.save(update_fields=["ended_at", "ended_by"])


def _follow(absences: Iterable[PractitionerAway]) -> None:
    listed = list(absences)
    known = named({name for each in listed for name in (each.practitioner, each.stand_in)})
    _asked_anew(known.values(), "An absence began or ended.")


def _asked_anew(practitioners: Iterable[Named], why: str) -> None:
    """Analyse the charts again in which these owe something."""
    keys = [key for each in practitioners for key in each.keys]
    rows = Deficiency.objects.filter(owed_by__in=keys, state__in=UNSETTLED)
    analyse_charts(set(rows.values_list("chart__encounter", flat=True)), why)
