"""Decide a proposed suspension, or end one before everything is completed."""

from __future__ import annotations

from datetime import date, timedelta

from django.db import transaction

from charthouse.completion.bylaws_policy import calendars, site_policy
from charthouse.completion.letter_errors import LetterError
from charthouse.completion.letter_models import Suspension, SuspensionState
from charthouse.completion.letter_queues import SUSPENSIONS
from charthouse.completion.permissions import DECIDE_SUSPENSION
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.work.api import finish_by_dedupe

from .propose_suspensions import end, end_if_complete, note_step

_LONGEST = 500
_LONGEST_SPARED = timedelta(days=366)


def suspend(ctx: AccessContext, number: int, note: str = "") -> SuspensionState:
    """Suspend who is proposed. Where everything was completed meanwhile the proposal is withdrawn instead; answers
    what became of it. Raises LetterError, PermissionRefused."""
    with transaction.atomic():
        held = _held(ctx, number, SuspensionState.PROPOSED)
        if ended := end_if_complete(ctx, held):
            return ended
        held.state, held.suspended_at = SuspensionState.SUSPENDED, now()
        held.save(update_fields=["state", "suspended_at"])
        finish_by_dedupe(SUSPENSIONS, str(held.pk), "suspended", finished_by=ctx.actor)
        note_step(ctx, held, SuspensionState.SUSPENDED.value, _words(note))
    return SuspensionState.SUSPENDED


def spare(ctx: AccessContext, number: int, reason: str, until: date | None = None) -> date:
    """Spare who is proposed until the end of a day (the rule's days from now unless given), with the reason;
    answers the day. Raises LetterError, PermissionRefused."""
    words = _words(reason)
    today = calendars()[None].day_of(now())
    day = until or today + timedelta(days=site_policy().spared_days)
    if not words:
        raise LetterError("Say why this practitioner is spared; it is kept with the proposal.")
    if not today <= day <= today + _LONGEST_SPARED:
        raise LetterError("Spare until a day from today on, and within a year.")
    with transaction.atomic():
        held = _held(ctx, number, SuspensionState.PROPOSED)
        end(ctx, held, SuspensionState.SPARED, words, day)
    return day


def lift(ctx: AccessContext, number: int, reason: str) -> None:
    """End a suspension before everything is completed, with the reason. Raises LetterError, PermissionRefused."""
    words = _words(reason)
    if not words:
        raise LetterError("Say why the suspension is lifted before everything is completed.")
    with transaction.atomic():
        held = _held(ctx, number, SuspensionState.SUSPENDED)
        end(ctx, held, SuspensionState.LIFTED, words)


def _held(ctx: AccessContext, number: int, state: SuspensionState) -> Suspension:
    require(ctx, DECIDE_SUSPENSION)
    held = Suspension.objects.select_for_update().filter(pk=number).first()
    if held is None:
        raise LetterError("There is no such suspension.")
    if held.state != state:
        last = held.events.order_by("-id").first()
        by = f" by {last.name}" if last else ""
        raise LetterError(
            f"This was decided meanwhile{by}: {SuspensionState(held.state).label.lower()}. Nothing was changed."
        )
    return held


def _words(note: str) -> str:
    return " ".join(note.replace("\0", "").split())[:_LONGEST]
