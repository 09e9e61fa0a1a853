"""Accounts, and what stands in the ledger after a test's steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from charthouse.foundation.access.api import Role, system_context

PASSWORD = "lantern-harbour-quilt-9"


@dataclass
class LedgerLines:
    """Every entry appended, as (actor, action, outcome, detail)."""

    lines: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)

    def actions(self) -> list[str]:
        return [f"{action}:{outcome}" for _, action, outcome, _ in self.lines]

    def last(self, action: str) -> tuple[str, str, str, dict[str, Any]]:
        return next(line for line in reversed(self.lines) if line[1] == action)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[LedgerLines]:
    from charthouse.people.actions import _ledger

    kept = LedgerLines()

    def recorder(write: Callable[..., None]) -> Callable[..., None]:
        def append(ctx: Any, action: str, **given: Any) -> None:
            write(ctx, action, **given)
            outcome = str(given.get("outcome", "success"))
            kept.lines.append((ctx.actor, action, outcome, dict(given.get("detail") or {})))

        return append

    monkeypatch.setattr(_ledger, "append", recorder(_ledger.append))
    monkeypatch.setattr(_ledger, "append_read", recorder(_ledger.append_read))
    return kept


@pytest.fixture(autouse=True)
def little_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with argon2 all the same, but with little work."""
    from django.contrib.auth.hashers import Argon2PasswordHasher

    monkeypatch.setattr(Argon2PasswordHasher, "time_cost", 1)
    monkeypatch.setattr(Argon2PasswordHasher, "memory_cost", 64)
    monkeypatch.setattr(Argon2PasswordHasher, "parallelism", 1)


@pytest.fixture
def make_user(db: None) -> Callable[..., Any]:
    from charthouse.people.api import User, add_account

    def make(username: str = "okafor", *roles: Role, password: str = PASSWORD, **given: Any) -> Any:
        given = {"display_name": f"{username.title()} Tester", "temporary": False, "require_totp": False} | given
        made = add_account(
            system_context("test"), username=username, roles=roles or [Role.HIT], password=password, **given
        )
        return User.objects.get(pk=made.id)

    return make


@pytest.fixture
def code_for() -> Callable[..., str]:
    """The code an authenticator shows for a secret now, or some steps from now."""
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

    return lambda secret, shift=0: str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + shift)))
