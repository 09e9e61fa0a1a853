"""End sessions: by signing out, from the account page, by time, or because the account changed."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib.auth import logout
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, require, system_context
from charthouse.people.models import Session, User
from charthouse.people.permissions import MANAGE_ACCOUNTS, OWN_ACCOUNT
from charthouse.people.queries import asker

from . import _ledger
from ._ledger import user_subject

__all__ = [
    "end_account_sessions",
    "end_other_sessions",
    "end_own_session",
    "end_sessions_of",
    "expire_session",
    "sign_out",
    "sweep_sessions",
]

#: How long the row of an ended session is kept for the account page. The ledger keeps its entries for ever.
KEEP_ENDED = timedelta(days=180)


def sign_out(request: HttpRequest) -> None:
    """End the request's own session."""
    user = request.user
    with transaction.atomic():
        if isinstance(user, User):
            ctx = asker(request, user)
            _end(Session.objects.filter(pk=ctx.session) if ctx.session else Session.objects.none(), "signed out")
            _ledger.append(ctx, "people.sign-out", subjects=[user_subject(user)])
        logout(request)


def end_own_session(ctx: AccessContext, session_id: UUID) -> bool:
    """End one of the asker's own sessions; False where there is no such one still on."""
    require(ctx, OWN_ACCOUNT)
    user = _own_user(ctx)
    with transaction.atomic():
        ended = _end(Session.objects.filter(pk=session_id, user=user), "ended from the account page")
        if ended:
            _ledger.append(
                ctx, "people.end-session", subjects=[user_subject(user)], detail={"session": str(session_id)}
            )
    return bool(ended)


def end_other_sessions(ctx: AccessContext) -> int:
    """End every session of the asker but the one asking; returns how many."""
    require(ctx, OWN_ACCOUNT)
    user = _own_user(ctx)
    with transaction.atomic():
        ended = end_sessions_of(user, "ended from the account page", keep=ctx.session)
        _ledger.append(ctx, "people.end-other-sessions", subjects=[user_subject(user)], detail={"ended": ended})
    return ended


def end_account_sessions(ctx: AccessContext, user_id: int, session_id: UUID | None = None) -> int:
    """End one session of somebody's account, or all of them; returns how many were still on."""
    require(ctx, MANAGE_ACCOUNTS)
    with transaction.atomic():
        user = User.objects.filter(pk=user_id).first()
        if user is None:
            return 0
        rows = Session.objects.filter(user=user)
        ended = _end(rows if session_id is None else rows.filter(pk=session_id), "ended by an administrator")
        if ended:
            detail: dict[str, _ledger.JSON] = {"ended": ended}
            if session_id is not None:
                detail["session"] = str(session_id)
            _ledger.append(ctx, "people.end-account-sessions", subjects=[user_subject(user)], detail=detail)
    return ended


def end_sessions_of(user: User, because: str, *, keep: str = "") -> int:
    """End a user's sessions within another action's transaction, perhaps but one; returns how many."""
    rows = Session.objects.filter(user=user)
    return _end(rows.exclude(pk=keep) if keep else rows, because)


def expire_session(row: Session) -> None:
    """Note that a session has reached its end."""
    if row.user is None:
        Session.objects.filter(pk=row.pk).delete()
        return
    with transaction.atomic():
        if _end(Session.objects.filter(pk=row.pk), "expired"):
            ctx = AccessContext(row.user.actor, str(row.user), frozenset(), session=str(row.pk), remote=row.remote)
            _ledger.append(ctx, "people.session-expired", subjects=[user_subject(row.user)])


def sweep_sessions() -> int:
    """End what has expired and forget what ended long ago; for a job to run now and then. Returns how many."""
    now = clock.wall()
    touched = 0
    for row in Session.objects.filter(expires_at__lte=now, ended_at=None).select_related("user").iterator():
        expire_session(row)
        touched += 1
    with transaction.atomic():
        forgotten, _ = Session.objects.filter(ended_at__lt=now - KEEP_ENDED).delete()
        if forgotten:
            _ledger.append(system_context("people"), "people.forget-ended-sessions", detail={"count": forgotten})
    return touched + forgotten


def _end(rows: QuerySet[Session], because: str) -> int:
    return int(rows.filter(ended_at=None).update(ended_at=clock.wall(), ended_because=because, data=""))


def _own_user(ctx: AccessContext) -> User:
    return User.objects.get(pk=int(ctx.actor.removeprefix("user:")))
