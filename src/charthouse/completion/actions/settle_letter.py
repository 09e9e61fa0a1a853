"""What becomes of the mail that announces a letter: what the outbox tells, and what a person decides."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from charthouse.completion.letter_errors import LetterError
from charthouse.completion.letter_models import Letter, LetterSending, SendingState
from charthouse.completion.permissions import SEE_LETTERS, WRITE_LETTERS
from charthouse.foundation.access.api import AccessContext, require, system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import Subject, append
from charthouse.foundation.outbox import api as outbox

from .make_letters import MAIL_KIND, note_letter

_OUTBOX = system_context("outbox")
_LONGEST = 500
_STATES = {
    outbox.Outcome.SENT: SendingState.SENT,
    outbox.Outcome.FAILED: SendingState.FAILED,
    outbox.Outcome.UNCERTAIN: SendingState.UNCERTAIN,
    outbox.Outcome.RETRIED: SendingState.WAITING,
}


def note_outcome(message: UUID, outcome: outbox.Outcome, error: str) -> None:
    """Note what the outbox says of a mail; in its transaction."""
    sending = _locked().filter(message=message).first()
    if sending is None:
        return
    state = _STATES.get(outcome)
    if state is None:
        # Discarded at the outbox itself: an uncertain one had arrived, a failed one is given up.
        state = {
            SendingState.UNCERTAIN.value: SendingState.SENT,
            SendingState.FAILED.value: SendingState.GIVEN_UP,
        }.get(sending.state)
    if state is None or sending.state == state:
        return
    _set(sending, state, error)
    note_letter(_OUTBOX, sending.letter, state.value, error)


def register() -> None:
    """Let the outbox tell what becomes of mails that announce letters."""
    outbox.tell_of(MAIL_KIND, note_outcome)


def settle_as_arrived(ctx: AccessContext, letter: UUID, note: str) -> None:
    """An uncertain mail arrived, as somebody found out; ``note`` says how. Raises LetterError,
    PermissionRefused."""
    with transaction.atomic():
        sending, words = _held(ctx, letter, note, {SendingState.UNCERTAIN})
        if not words:
            raise LetterError("Say how you know that it arrived; it is kept with the letter.")
        _settle(ctx, sending, SendingState.SENT, "settled-arrived", words)
        outbox.discard(ctx, sending.message, f"It arrived: {words}", permission=WRITE_LETTERS)


def send_again(ctx: AccessContext, letter: UUID, note: str = "") -> None:
    """Send an uncertain or failed mail again, under the same message id. Raises LetterError, PermissionRefused."""
    with transaction.atomic():
        sending, words = _held(ctx, letter, note, {SendingState.UNCERTAIN, SendingState.FAILED})
        _settle(ctx, sending, SendingState.WAITING, "sent-again", words)
        outbox.retry(ctx, sending.message, permission=WRITE_LETTERS)


def give_up(ctx: AccessContext, letter: UUID, note: str) -> None:
    """Leave a failed mail unsent, with the reason. Raises LetterError, PermissionRefused."""
    with transaction.atomic():
        sending, words = _held(ctx, letter, note, {SendingState.FAILED})
        if not words:
            raise LetterError("Say why it is given up, and how the practitioner is told instead.")
        _settle(ctx, sending, SendingState.GIVEN_UP, "given-up", words)
        outbox.discard(ctx, sending.message, words, permission=WRITE_LETTERS)


def note_printed(ctx: AccessContext, letters: Sequence[UUID]) -> None:
    """Add to the history of letters that they were printed; in the caller's transaction.

    Raises PermissionRefused.
    """
    require(ctx, SEE_LETTERS)
    for each in Letter.objects.filter(pk__in=letters):
        note_letter(ctx, each, "printed")


def _locked() -> QuerySet[LetterSending]:
    # The letter itself is never changed, so the application may not lock it.
    return LetterSending.objects.select_for_update(of=("self",)).select_related("letter")


def _held(ctx: AccessContext, letter: UUID, note: str, states: set[SendingState]) -> tuple[LetterSending, str]:
    require(ctx, WRITE_LETTERS)
    sending = _locked().filter(pk=letter).first()
    if sending is None:
        raise LetterError("There is no such letter, or it is on paper only.")
    if sending.state not in states:
        raise LetterError(
            f"The mail is {SendingState(sending.state).label.lower()} now; somebody settled it meanwhile. "
            "Nothing was changed."
        )
    return sending, " ".join(note.replace("\0", "").split())[:_LONGEST]


def _settle(ctx: AccessContext, sending: LetterSending, state: SendingState, what: str, note: str) -> None:
    _set(sending, state, "")
    note_letter(ctx, sending.letter, what, note)
    append(
        ctx,
        "completion.settle-letter",
        subjects=[Subject("letter", str(sending.pk))],
        detail={"state": state.value, "what": what},
    )


def _set(sending: LetterSending, state: SendingState, error: str) -> None:
    sending.state, sending.error, sending.changed_at = state, error, wall()
    sending.save(update_fields=["state", "error", "changed_at"])
