"""Sign in: the password first, then the second factor, then the session begins."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from django.db import transaction
from django.http import HttpRequest

from charthouse.foundation import clock
from charthouse.people.authenticators import Factor, has_totp, use_code
from charthouse.people.domain.devices import device_name
from charthouse.people.domain.sessions import Obligation
from charthouse.people.lockout import is_locked_out, login_hash, note_failure, one_at_a_time
from charthouse.people.logins import user_by_login
from charthouse.people.models import Session, User
from charthouse.people.policy import sign_in_policy
from charthouse.people.queries import OBLIGATIONS_KEY, asker

from . import _ledger
from ._ledger import JSON, Outcome, user_subject

__all__ = ["begin_session", "check_code", "check_password"]

_FACTOR_KEY = "second-factor"


def check_password(request: HttpRequest, **credentials: Any) -> User | None:
    """The account the login and password belong to, or None. Counts failures and writes them to the ledger."""
    login = str(credentials.get("username", ""))
    with one_at_a_time(login):
        was_locked = is_locked_out(request, login)
        found = authenticate(request, **credentials)
        user = found if isinstance(found, User) else None
        if user is None:
            _failed(request, user_by_login(login), login, "password", was_locked=was_locked)
    return user


def check_code(request: HttpRequest, user: User, code: str) -> Factor | None:
    """Which second factor the code is, or None. Counts failures beside those of the password."""
    with one_at_a_time(user.username):
        was_locked = is_locked_out(request, user.username)
        factor = None if was_locked else use_code(user, code)
        if factor is None:
            note_failure(request, user.username)
            _failed(request, user, user.username, "code", was_locked=was_locked)
        else:
            request.session[_FACTOR_KEY] = factor.value
    return factor


def _failed(request: HttpRequest, user: User | None, login: str, what: str, *, was_locked: bool) -> None:
    subjects = [user_subject(user)] if user else []
    locked = bool(getattr(request, "axes_locked_out", False))
    detail: dict[str, JSON] = {"what": what, "locked": was_locked}
    if user is None:
        detail["login"] = login_hash(login)
    ctx = asker(request, user)
    _ledger.append(ctx, "people.sign-in", outcome=Outcome.FAILED, subjects=subjects, detail=detail)
    if locked and not was_locked:
        _ledger.append(ctx, "people.lockout", outcome=Outcome.REFUSED, subjects=subjects, detail=detail)


def begin_session(request: HttpRequest, user: User) -> Session:
    """Make the session the user's: with its absolute end, address and device, and what has to be done first."""
    now, policy = clock.wall(), sign_in_policy()
    factor = request.session.pop(_FACTOR_KEY, "")
    request.session[OBLIGATIONS_KEY] = [obligation.value for obligation in _obligations(user)]
    with transaction.atomic():
        request.session.save()
        row: Session = request.session.row  # type: ignore[attr-defined]
        row.user = user
        row.started_at = row.last_seen_at = now
        row.expires_at = now + policy.session
        row.remote = str(request.META.get("REMOTE_ADDR", ""))[:45]
        row.device = device_name(str(request.META.get("HTTP_USER_AGENT", "")))
        row.second_factor = factor
        row.save(
            update_fields=["user", "started_at", "last_seen_at", "expires_at", "remote", "device", "second_factor"]
        )
        _ledger.append(
            asker(request, user),
            "people.sign-in",
            subjects=[user_subject(user)],
            detail={"second_factor": factor or None, "device": row.device},
        )
    return row


def _obligations(user: User) -> list[Obligation]:
    found = []
    if user.must_change_password:
        found.append(Obligation.CHANGE_PASSWORD)
    if (user.must_enrol_totp or sign_in_policy().require_totp) and not has_totp(user):
        found.append(Obligation.ENROL_TOTP)
    return found
