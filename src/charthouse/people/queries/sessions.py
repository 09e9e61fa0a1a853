"""Sessions: their state, and a person's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from axes.models import AccessFailureLog
from django.db.models import Q
from django.http import HttpRequest

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.domain.devices import device_name
from charthouse.people.domain.sessions import Obligation, SessionState, SessionTimes, session_state
from charthouse.people.models import Session, User
from charthouse.people.permissions import SEE_ACCOUNTS
from charthouse.people.policy import sign_in_policy

OBLIGATIONS_KEY = "obligations"


def state_of(request: HttpRequest) -> SessionState:
    """Whether the request's session is signed out, open or locked, by the wall clock."""
    if not request.user.is_authenticated:
        return SessionState.SIGNED_OUT
    row: Session | None = getattr(request.session, "row", None)
    if row is None or row.user_id != request.user.pk:
        return SessionState.SIGNED_OUT
    times = SessionTimes(row.last_seen_at, row.expires_at, row.locked_at, row.ended_at)
    return session_state(times, clock.wall(), sign_in_policy().idle)


def time_left(request: HttpRequest) -> int:
    """Whole seconds until the request's session locks or ends; 0 where it is not open."""
    row: Session | None = getattr(request.session, "row", None)
    if row is None or state_of(request) is not SessionState.OPEN:
        return 0
    now, idle = clock.wall(), sign_in_policy().idle
    left = row.expires_at - now
    return int((min(left, row.last_seen_at + idle - now) if idle else left).total_seconds())


def obligation_of(request: HttpRequest) -> Obligation | None:
    """What the signed-in person has to do first, if anything."""
    pending = request.session.get(OBLIGATIONS_KEY) or []
    return Obligation(pending[0]) if pending else None


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One session on the account page."""

    id: UUID
    device: str
    remote: str
    started_at: datetime
    last_seen_at: datetime
    second_factor: str
    locked: bool
    current: bool
    ended_at: datetime | None
    ended_because: str


def own_sessions(ctx: AccessContext, *, ended: bool = False, limit: int = 50) -> list[SessionLine]:
    """The asker's own sessions, newest first: those still on, or (``ended``) the last that are over."""
    return _sessions(ctx, _user_id(ctx), ended=ended, limit=limit)


def sessions_of(ctx: AccessContext, user_id: int, *, ended: bool = False, limit: int = 50) -> list[SessionLine]:
    """The sessions of somebody's account, as :func:`own_sessions`."""
    require(ctx, SEE_ACCOUNTS)
    return _sessions(ctx, user_id, ended=ended, limit=limit)


def _sessions(ctx: AccessContext, user_id: int, *, ended: bool, limit: int) -> list[SessionLine]:
    now = clock.wall()
    rows = Session.objects.filter(user_id=user_id)
    rows = (
        rows.filter(Q(ended_at__isnull=False) | Q(expires_at__lte=now))
        if ended
        else rows.filter(ended_at=None, expires_at__gt=now)
    )
    idle = sign_in_policy().idle
    return [
        SessionLine(
            id=row.id,
            device=row.device,
            remote=row.remote,
            started_at=row.started_at,
            last_seen_at=row.last_seen_at,
            second_factor=row.second_factor,
            locked=session_state(SessionTimes(row.last_seen_at, row.expires_at, row.locked_at), now, idle)
            is SessionState.LOCKED,
            current=str(row.id) == ctx.session,
            ended_at=row.ended_at or (row.expires_at if ended else None),
            ended_because=row.ended_because or ("expired" if ended else ""),
        )
        for row in rows.order_by("-started_at")[:limit]
    ]


@dataclass(frozen=True, slots=True)
class FailureLine:
    """One failed attempt with the asker's name."""

    at: datetime
    device: str
    remote: str
    locked_out: bool


def own_failures(ctx: AccessContext, limit: int = 20) -> list[FailureLine]:
    """The last failed passwords and codes for the asker's account, newest first."""
    username = User.objects.values_list("username", flat=True).get(pk=_user_id(ctx))
    return [
        FailureLine(row.attempt_time, device_name(row.user_agent), row.ip_address or "", row.locked_out)
        for row in AccessFailureLog.objects.filter(username=username).order_by("-attempt_time")[:limit]
    ]


def _user_id(ctx: AccessContext) -> int:
    return int(ctx.actor.removeprefix("user:"))
