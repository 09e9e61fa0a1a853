"""Who asks the API: a client, known by its bearer token, with the token's scopes and its role's rights."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import Any

from django.http import HttpRequest

from charthouse.fhir.domain.scopes import Scopes, kept_scopes
from charthouse.fhir.permissions import READ, WRITE
from charthouse.foundation.access.api import AccessContext, Label, Purpose, Role, may
from charthouse.foundation.access.clearance import clearance_for
from charthouse.foundation.clock import wall
from charthouse.foundation.disclosure.api import needs_own_permission
from charthouse.foundation.prepared import prepared
from charthouse.record.api import Kept, current_beside, seen_beside

__all__ = ["Client", "authenticate", "authenticate_reading", "bearer_of", "digest_of", "new_secret"]

_PREFIX = "chf_"
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Client:
    """A client at one request. ``id`` is what it calls itself, ``row`` its number; ``scopes`` are the token's."""

    id: str
    row: int
    name: str
    address: str
    scopes: Scopes
    ctx: AccessContext

    def may(self, action: str, resource_type: str) -> bool:
        """Whether scopes and role allow an action (one of c, r, u, d, s) on a resource type."""
        right = READ if action in "rs" else WRITE
        return may(self.ctx, right) and self.scopes.may(action, resource_type)


# One statement by a unique index: it stands before every request.
_BY_DIGEST = (
    "SELECT c.id, c.client_id, c.name, c.address, c.role, c.purpose, t.scopes, t.id "
    "FROM fhir_token t JOIN fhir_client c ON c.id = t.client_id "
    "WHERE t.digest = %s AND t.revoked_at IS NULL AND c.revoked_at IS NULL "
    "AND (t.expires_at IS NULL OR t.expires_at > %s)"
)
#: How many columns tell who asks.
_TOLD = 8


def authenticate(request: HttpRequest) -> Client | None:
    """The client of the request's bearer token; None without one, and for one unknown, expired or revoked."""
    token = bearer_of(request)
    if token is None:
        return None
    found = prepared(_BY_DIGEST, [digest_of(token), wall()])
    if not found:
        return None
    return _client(found[0], request)


def _client(told: Sequence[Any], request: HttpRequest) -> Client:
    row, client_id, name, address, role, purpose, scopes, number = told
    ctx = context_of(row, name, role, purpose, session=f"token:{number}", remote=_remote(request))
    return Client(client_id, row, name, address, kept_scopes(scopes), ctx)


def authenticate_reading(request: HttpRequest, kind: str, public_id: str) -> tuple[Client, Kept | None] | None:
    """As :func:`authenticate`, and in the same statement the resource the client wants to read, as
    :func:`charthouse.record.api.as_it_stands` would give it to this client."""
    token = bearer_of(request)
    if token is None:
        return None
    found = prepared(_reading(kind), [public_id, digest_of(token), wall()])
    if not found:
        return None
    client = _client(found[0][:_TOLD], request)
    return client, seen_beside(client.ctx, found[0][_TOLD:])


@cache
def _reading(kind: str) -> str:
    asked, _, condition = _BY_DIGEST.partition(" WHERE ")
    who, _, tables = asked.partition(" FROM ")
    return (
        f"{who}, k.* FROM {tables} LEFT JOIN LATERAL ({current_beside(kind)} LIMIT 1) k ON true WHERE {condition}"
    )


def context_of(
    row: int, name: str, role: str, purpose: str, *, session: str = "", remote: str = ""
) -> AccessContext:
    """The context of a client: its role's rights, and its clearance but for what leaves the house only under an
    authorization or consent of its own, as for every print and document for somebody outside."""
    roles = frozenset({Role(role)})
    return AccessContext(
        actor=f"client:{row}",
        name=name,
        roles=roles,
        purpose=Purpose(purpose),
        clearance=_clearance(role, wall().date()),
        session=session,
        remote=remote,
    )


@lru_cache(maxsize=64)
def _clearance(role: str, today: date) -> Label:
    """Rules are of a day, and asked for with every request."""
    return clearance_for([Role(role)]) & ~needs_own_permission()


def bearer_of(request: HttpRequest) -> str | None:
    """The bearer token of a request; None where it has none that could be ours."""
    given = request.META.get("HTTP_AUTHORIZATION", "")
    if given[: len(_BEARER)].lower() != _BEARER:
        return None
    token = str(given[len(_BEARER) :]).strip()
    return token if token.startswith(_PREFIX) and token.isascii() else None


def new_secret() -> str:
    """A new token, of 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> bytes:
    """The stored form. The secret is random, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


def _remote(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))
