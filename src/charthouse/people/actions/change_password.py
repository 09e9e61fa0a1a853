"""Change one's own password; every other session ends."""

from __future__ import annotations

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.domain.sessions import Obligation
from charthouse.people.lockout import is_locked_out, note_failure, one_at_a_time
from charthouse.people.models import User
from charthouse.people.permissions import OWN_ACCOUNT

from . import _ledger
from ._ledger import Outcome, user_subject
from ._obligations import meet
from .end_sessions import end_sessions_of

__all__ = ["change_password", "confirm_password"]


def confirm_password(ctx: AccessContext, request: HttpRequest, password: str, purpose: str) -> bool:
    """Whether the signed-in person's password is right, asked again before ``purpose``. Failures count."""
    user = request.user
    assert isinstance(user, User)
    with one_at_a_time(user.username):
        if not is_locked_out(request, user.username) and user.check_password(password):
            return True
        note_failure(request, user.username)
        _ledger.append(
            ctx, purpose, outcome=Outcome.FAILED, subjects=[user_subject(user)], detail={"what": "password"}
        )
    return False


def change_password(ctx: AccessContext, request: HttpRequest, current: str, new: str) -> list[str]:
    """Set a new password; returns what is wrong with it, in words, or nothing when it was set."""
    require(ctx, OWN_ACCOUNT)
    user = request.user
    assert isinstance(user, User)
    if not confirm_password(ctx, request, current, "people.change-password"):
        return ["The current password is not right."]
    if user.check_password(new):
        return ["The new password is the same as the current one."]
    try:
        validate_password(new, user)
    except ValidationError as error:
        return list(error.messages)
    with transaction.atomic():
        user.set_password(new)
        user.session_version += 1
        user.must_change_password = False
        user.save(update_fields=["password", "session_version", "must_change_password"])
        ended = end_sessions_of(user, "the password was changed", keep=ctx.session)
        meet(request, Obligation.CHANGE_PASSWORD)
        update_session_auth_hash(request, user)
        _ledger.append(ctx, "people.change-password", subjects=[user_subject(user)], detail={"ended": ended})
    return []
