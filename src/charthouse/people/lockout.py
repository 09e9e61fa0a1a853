"""Repeated failures: what django-axes counts, by whom, and for how long. One count for passwords and codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth.signals import user_login_failed
from django.db import connection, transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from charthouse.foundation.ids import hash64

from .domain.usernames import normal_login
from .policy import sign_in_policy

__all__ = [
    "cool_off",
    "counted_name",
    "failure_limit",
    "is_locked_out",
    "login_hash",
    "note_failure",
    "one_at_a_time",
]


def failure_limit(request: HttpRequest, credentials: Mapping[str, Any] | None) -> int:
    """For django-axes: how many failures lock."""
    return sign_in_policy().lockout_failures


def cool_off(request: HttpRequest | None = None) -> timedelta:
    """For django-axes: for how long."""
    return sign_in_policy().lockout_for


def login_hash(login: str) -> str:
    """A keyed hash that stands for what somebody typed as their name; it may have been their password."""
    return salted_hmac("charthouse.people.login", normal_login(login), algorithm="sha256").hexdigest()[:32]


def counted_name(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """For django-axes: the name failures are counted under. An account's user name, however it was reached; for an
    unknown login a keyed hash, never the text."""
    from .queries import user_by_login

    login = str((credentials or {}).get("username") or request.POST.get("login") or "")
    user = user_by_login(login)
    return user.username if user else f"?{login_hash(login)}"


@contextmanager
def one_at_a_time(login: str) -> Iterator[None]:
    """Let one attempt for a login be under way at a time, so that those sent at once are counted one by one."""
    from .queries import user_by_login

    user = user_by_login(login)
    key = hash64(f"sign-in:{user.username if user else normal_login(login)}")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
        yield


def is_locked_out(request: HttpRequest, username: str) -> bool:
    """Whether further attempts for the account from the request's address are refused for now."""
    return bool(AxesProxyHandler.is_locked(request, {"username": username}))


def note_failure(request: HttpRequest, username: str) -> bool:
    """Count a failed code or unlock; returns whether the account is now locked out from this address."""
    user_login_failed.send(sender=__name__, credentials={"username": username}, request=request)
    return bool(getattr(request, "axes_locked_out", False))
