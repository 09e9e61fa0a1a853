"""Reads of accounts, sessions, places and the practitioner directory."""

from __future__ import annotations

from .accounts import (
    AccountLine,
    Colleague,
    accounts,
    asker,
    colleagues,
    context_for,
    context_for_request,
    grants_in_force,
    names_of,
    session_name,
    user_by_login,
)
from .places import FacilityLine, MrnAssignerLine, facilities, facility_by_code, mrn_assigners, organization_name
from .practitioners import PractitionerEntry, find_practitioners, practitioner, practitioners_by_public_id
from .sessions import (
    OBLIGATIONS_KEY,
    FailureLine,
    SessionLine,
    obligation_of,
    own_failures,
    own_sessions,
    state_of,
    time_left,
)

__all__ = [
    "OBLIGATIONS_KEY",
    "AccountLine",
    "Colleague",
    "FacilityLine",
    "FailureLine",
    "MrnAssignerLine",
    "PractitionerEntry",
    "SessionLine",
    "accounts",
    "asker",
    "colleagues",
    "context_for",
    "context_for_request",
    "facilities",
    "facility_by_code",
    "find_practitioners",
    "grants_in_force",
    "mrn_assigners",
    "names_of",
    "obligation_of",
    "organization_name",
    "own_failures",
    "own_sessions",
    "practitioner",
    "practitioners_by_public_id",
    "session_name",
    "state_of",
    "time_left",
    "user_by_login",
]
