"""A queue for tests."""

from __future__ import annotations

import pytest

from charthouse.foundation.access.api import AccessContext, Role
from charthouse.foundation.work import api as work

QUEUE = work.declare_queue(
    "test-unfiled",
    "Messages of the tests",
    {Role.HIT, Role.MANAGER},
    lambda ctx, item: f"Message {item.subject.id}",
).code


def context(actor: str, *roles: Role, facilities: frozenset[int] = frozenset()) -> AccessContext:
    return AccessContext(actor, actor, frozenset(roles), facilities=facilities)


@pytest.fixture
def ann() -> AccessContext:
    return context("user:ann", Role.HIT)


@pytest.fixture
def bob() -> AccessContext:
    return context("user:bob", Role.HIT)


@pytest.fixture
def manager() -> AccessContext:
    return context("user:manager", Role.MANAGER)


@pytest.fixture
def coder() -> AccessContext:
    return context("user:coder", Role.CODER)


@pytest.fixture
def queue() -> str:
    return QUEUE
