"""The ledger as this app writes it, and the contexts of people who are not signed in yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.http import HttpRequest

from charthouse.foundation.access.api import AccessContext

from ..models import User

__all__ = ["Outcome", "Subject", "append", "append_read", "asker", "user_subject"]

try:
    from charthouse.foundation.ledger.api import Outcome, Subject, append, append_read  # type: ignore[import-not-found,unused-ignore]
except ImportError:

    class Outcome(StrEnum):  # type: ignore[no-redef]
        SUCCESS = "success"
        REFUSED = "refused"
        FAILED = "failed"

    @dataclass(frozen=True, slots=True)
    class Subject:  # type: ignore[no-redef]
        kind: str
        id: str

    def append(
        ctx: AccessContext,
        action: str,
        *,
        outcome: Outcome = Outcome.SUCCESS,
        subjects: Iterable[Subject] = (),
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        return None

    append_read = append


def user_subject(user: User) -> Subject:
    return Subject("user", str(user.pk))


def asker(request: HttpRequest, user: User | None = None) -> AccessContext:
    """Who is at the door: the account named, without any role, or nobody known; with the address."""
    remote = str(request.META.get("REMOTE_ADDR", ""))
    row = getattr(request.session, "row", None)
    return AccessContext(
        actor=user.actor if user else "anonymous",
        name=str(user) if user else "",
        roles=frozenset(),
        session=str(row.id) if row is not None else "",
        remote=remote,
    )
