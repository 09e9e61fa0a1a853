"""When a session is open, locked or over. All instants are from the wall clock, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

__all__ = ["Obligation", "SessionState", "SessionTimes", "session_state"]


class SessionState(StrEnum):
    SIGNED_OUT = "signed-out"
    OPEN = "open"
    LOCKED = "locked"


class Obligation(StrEnum):
    """What a person has to do before anything else; met in this order."""

    CHANGE_PASSWORD = "change-password"  # noqa: S105
    ENROL_TOTP = "enrol-totp"


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """The instants that decide a session's state."""

    last_seen: datetime
    expires: datetime
    locked: datetime | None = None
    ended: datetime | None = None


def session_state(times: SessionTimes, now: datetime, idle: timedelta) -> SessionState:
    """The state at ``now``; ``idle`` of zero or less means that idleness never locks (a kiosk's own lock does)."""
    if times.ended is not None or now >= times.expires:
        return SessionState.SIGNED_OUT
    if times.locked is not None:
        return SessionState.LOCKED
    if idle > timedelta(0) and now - times.last_seen >= idle:
        return SessionState.LOCKED
    return SessionState.OPEN
