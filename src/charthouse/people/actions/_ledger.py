"""The ledger as this app writes it."""

from __future__ import annotations

from charthouse.foundation.ledger.api import JSON, Outcome, Subject, append, append_read
from charthouse.people.models import User

__all__ = ["JSON", "Outcome", "Subject", "append", "append_read", "user_subject"]


def user_subject(user: User) -> Subject:
    return Subject("user", str(user.pk))
