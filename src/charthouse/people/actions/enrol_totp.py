"""Set up an authenticator, and make new recovery codes."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest

from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.authenticators import activate_totp, has_totp, new_recovery_codes, new_secret
from charthouse.people.domain.sessions import Obligation
from charthouse.people.lockout import is_locked_out, note_failure, one_at_a_time
from charthouse.people.models import User
from charthouse.people.permissions import OWN_ACCOUNT

from . import _ledger
from ._ledger import Outcome, user_subject
from ._obligations import meet
from .end_sessions import end_sessions_of

__all__ = ["enrol_totp", "offered_secret", "renew_recovery_codes"]

_SECRET_KEY = "offered-totp-secret"  # noqa: S105


def offered_secret(request: HttpRequest, *, fresh: bool) -> str:
    """The secret the enrolment page shows; kept in the session between showing it and the first code."""
    secret = None if fresh else request.session.get(_SECRET_KEY)
    if not secret:
        secret = request.session[_SECRET_KEY] = new_secret()
    return str(secret)


def enrol_totp(ctx: AccessContext, request: HttpRequest, code: str) -> list[str] | None:
    """Put the offered authenticator in force if ``code`` is right; the recovery codes to be shown once, or None.

    Replaces an authenticator there was, and ends the other sessions then.
    """
    require(ctx, OWN_ACCOUNT)
    user = request.user
    assert isinstance(user, User)
    with one_at_a_time(user.username):
        replaced = has_totp(user)
        allowed = not is_locked_out(request, user.username)
        secret = offered_secret(request, fresh=False)
        if not allowed or not activate_totp(user, secret, "".join(code.split())):
            note_failure(request, user.username)
            _ledger.append(ctx, "people.enrol-totp", outcome=Outcome.FAILED, subjects=[user_subject(user)])
            return None
        codes = new_recovery_codes(user)
        ended = end_sessions_of(user, "the authenticator was replaced", keep=ctx.session) if replaced else 0
        request.session.pop(_SECRET_KEY, None)
        meet(request, Obligation.ENROL_TOTP)
        _ledger.append(
            ctx,
            "people.enrol-totp",
            subjects=[user_subject(user)],
            detail={"replaced": replaced, "ended": ended, "recovery_codes": len(codes)},
        )
    return codes


def renew_recovery_codes(ctx: AccessContext, request: HttpRequest) -> list[str]:
    """New recovery codes, to be shown once; the old ones are void."""
    require(ctx, OWN_ACCOUNT)
    user = request.user
    assert isinstance(user, User)
    with transaction.atomic():
        codes = new_recovery_codes(user)
        _ledger.append(
            ctx, "people.renew-recovery-codes", subjects=[user_subject(user)], detail={"count": len(codes)}
        )
    return codes
