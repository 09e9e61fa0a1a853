"""Prove again who is at the screen, before something that another must not do in their name."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext
from charthouse.people.lockout import is_locked_out, note_failure, one_at_a_time
from charthouse.people.models import User

from . import _ledger
from ._ledger import Outcome, user_subject
from .lock_sessions import proof

__all__ = ["confirm_identity", "confirmed_at"]

_CONFIRMED = "identity-confirmed"


def confirm_identity(ctx: AccessContext, request: HttpRequest, secret: str) -> bool:
    """Whether the password or the code is the signed-in person's; then this session remembers when.

    Failures count with those of signing in.
    """
    user = request.user
    assert isinstance(user, User)
    with one_at_a_time(user.username):
        how = None if is_locked_out(request, user.username) else proof(user, secret)
        if how is None:
            note_failure(request, user.username)
        else:
            request.session[_CONFIRMED] = clock.wall().isoformat()
        _ledger.append(
            ctx,
            "people.confirm-identity",
            outcome=Outcome.SUCCESS if how else Outcome.FAILED,
            subjects=[user_subject(user)],
            detail={"by": how or "nothing"},
        )
    return how is not None


def confirmed_at(request: HttpRequest) -> datetime | None:
    """When the person last proved in this session who they are, beyond signing in; None where never."""
    text = request.session.get(_CONFIRMED)
    return datetime.fromisoformat(text) if text else None
