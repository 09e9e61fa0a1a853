"""The ledger as this app writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from charthouse.foundation.access.api import AccessContext

from ..models import User

__all__ = ["Outcome", "Subject", "append", "append_read", "user_subject"]

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
