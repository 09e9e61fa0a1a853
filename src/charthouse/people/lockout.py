"""Repeated failures: what django-axes counts, by whom, and for how long. One count for passwords and codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth.signals import user_login_failed
from django.db import connection, transaction
from django.db.models import Max, Sum
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from charthouse.foundation import clock
from charthouse.foundation.ids import hash64

from .domain.usernames import normal_login
from .logins import user_by_login
from .policy import sign_in_policy

__all__ = [
    "Lockout",
    "cool_off",
    "counted_name",
    "failure_limit",
    "forget_failures",
    "is_locked_out",
    "lockouts",
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
    login = str((credentials or {}).get("username") or request.POST.get("login") or "")
    user = user_by_login(login)
    return user.username if user else f"?{login_hash(login)}"


@contextmanager
def one_at_a_time(login: str) -> Iterator[None]:
    """Let one attempt for a login be under way at a time, so that those sent at once are counted one by one."""
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


@dataclass(frozen=True, slots=True)
class Lockout:
    """One account that is refused from one address until an instant (wall clock)."""

    username: str
    remote: str
    until: datetime


def lockouts(*usernames: str) -> list[Lockout]:
    """Who is locked out now, by user name and address; of these user names, or of all."""
    from axes.models import AccessAttempt

    policy = sign_in_policy()
    counted = AccessAttempt.objects.filter(attempt_time__gt=clock.wall() - policy.lockout_for)
    if usernames:
        counted = counted.filter(username__in=usernames)
    rows = (
        counted.order_by()
        .values("username", "ip_address")
        .annotate(failures=Sum("failures_since_start"), last=Max("attempt_time"))
        .filter(failures__gte=policy.lockout_failures)
        .order_by("username", "ip_address")
    )
    return [
        Lockout(row["username"] or "", row["ip_address"] or "", row["last"] + policy.lockout_for) for row in rows
    ]


def forget_failures(username: str) -> int:
    """Forget an account's counted failures from every address, within another action; returns how many rows."""
    from axes.models import AccessAttempt

    return int(AccessAttempt.objects.filter(username=username).delete()[0])
