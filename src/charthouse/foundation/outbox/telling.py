"""Telling the app whose message it is what became of it, in the transaction that notes it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from uuid import UUID


class Outcome(StrEnum):
    """SENT; FAILED for good; UNCERTAIN: it may have arrived; then what a person did of the last two: RETRIED,
    DISCARDED."""

    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    RETRIED = "retried"
    DISCARDED = "discarded"


Told = Callable[[UUID, Outcome, str], None]

_told: dict[str, Told] = {}


def tell_of(kind: str, told: Told) -> None:
    """Let ``told(message id, outcome, error)`` know what becomes of messages of a kind. It writes in the
    transaction in which that is noted, and must bear a repeat. Raises ValueError when another is told already."""
    if _told.setdefault(kind, told) is not told:
        raise ValueError(f"Somebody is told of {kind} already.")


def tell(kind: str, message_id: UUID, outcome: Outcome, error: str = "") -> None:
    """Tell whoever asked to know."""
    if found := _told.get(kind):
        found(message_id, outcome, error)
