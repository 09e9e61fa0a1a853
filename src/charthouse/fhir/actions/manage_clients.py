"""Let other systems use the API: clients and tokens made, listed and revoked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from charthouse.exchange.fhir.api import is_resource_type
from charthouse.fhir.access.api import digest_of, new_secret
from charthouse.fhir.access.keys import check_keys, check_keys_address
from charthouse.fhir.domain.errors import ClientError
from charthouse.fhir.domain.scopes import ACTIONS, ScopeError, Scopes, read_scopes
from charthouse.fhir.models import AccessToken, ApiClient
from charthouse.fhir.narrowing import check_narrowing
from charthouse.fhir.permissions import MANAGE_CLIENTS, READ, SEE_CLIENTS, WRITE
from charthouse.foundation.access.api import AccessContext, Purpose, Role, require
from charthouse.foundation.clock import wall
from charthouse.foundation.ids import new_id
from charthouse.foundation.ledger.api import Subject, append

LONGEST_NAME = 200
LONGEST_TEXT = 1000


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client to be made. ``scopes`` are the most it may ever be granted; ``address`` is where it is, for the
    accounting of disclosures (45 CFR 164.528(b)(2)(ii))."""

    name: str
    scopes: str
    role: Role = Role.HIT
    purpose: Purpose = Purpose.TREATMENT
    address: str = ""


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A client as listed; never a secret. ``keys`` says how it proves who it is: "token", "keys" or an address."""

    id: int
    client_id: str
    name: str
    role: Role
    purpose: Purpose
    address: str
    scopes: str
    keys: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    expires_at: datetime | None
    last_token: datetime | None

    @property
    def has_keys(self) -> bool:
        """Whether it asks for its tokens itself."""
        return self.keys != "token"


def add_token(ctx: AccessContext, draft: NewClient, *, days: int | None = None) -> str:
    """Make a client with one bearer token that holds ``days`` days, or until it is revoked; the secret is shown
    this once. Raises PermissionRefused, ClientError."""
    if days is not None and not 1 <= days <= 3650:
        raise ClientError("A token holds from 1 to 3,650 days, or, without a number, until it is revoked.")
    secret, now = new_secret(), wall()
    with transaction.atomic():
        client = _make(ctx, draft)
        AccessToken.objects.create(
            digest=digest_of(secret),
            client=client,
            scopes=client.scopes,
            issued_at=now,
            expires_at=now + timedelta(days=days) if days is not None else None,
        )
        _note(ctx, "fhir.token-added", client, {"scopes": client.scopes, "role": client.role})
    return secret


def add_client(
    ctx: AccessContext, draft: NewClient, *, jwks: Mapping[str, Any] | None = None, jwks_url: str = ""
) -> str:
    """Make a client that proves who it is by its public keys (SMART Backend Services), and answer its client id.

    The keys are given, or an address where they are fetched. Raises PermissionRefused, ClientError.
    """
    if (jwks is None) == (not jwks_url):
        raise ClientError("Give the client's public keys as a JSON Web Key Set, or the address where they are.")
    keys = check_keys(jwks) if jwks is not None else None
    if jwks_url:
        check_keys_address(jwks_url)
    with transaction.atomic():
        client = _make(ctx, draft, jwks=keys, jwks_url=jwks_url)
        _note(ctx, "fhir.client-added", client, {"scopes": client.scopes, "role": client.role})
    return client.client_id


def revoke_client(ctx: AccessContext, client: int | str) -> None:
    """Revoke a client, by number or by name, with all its tokens, at once; what it did stays.

    Raises PermissionRefused; ClientError where there is none in force.
    """
    require(ctx, MANAGE_CLIENTS)
    with transaction.atomic():
        wanted = {"pk": client} if isinstance(client, int) else {"name": client}
        found = ApiClient.objects.select_for_update().filter(revoked_at=None, **wanted).first()
        if found is None:
            raise ClientError(f"There is no client {client!r} in force; `charthouse fhir client list` shows them.")
        now = wall()
        found.revoked_at, found.revoked_by = now, ctx.actor
        found.save(update_fields=["revoked_at", "revoked_by"])
        found.tokens.filter(revoked_at=None).update(revoked_at=now)
        _note(ctx, "fhir.client-revoked", found)


def change_keys(
    ctx: AccessContext, client: int | str, *, jwks: Mapping[str, Any] | None = None, jwks_url: str = ""
) -> None:
    """Put other public keys in the place of a client's, and revoke the tokens it has.

    Raises PermissionRefused; ClientError for keys that are none and for a client that has no keys.
    """
    require(ctx, MANAGE_CLIENTS)
    if (jwks is None) == (not jwks_url):
        raise ClientError("Give the client's public keys as a JSON Web Key Set, or the address where they are.")
    keys = check_keys(jwks) if jwks is not None else None
    if jwks_url:
        check_keys_address(jwks_url)
    with transaction.atomic():
        wanted = {"pk": client} if isinstance(client, int) else {"name": client}
        found = ApiClient.objects.select_for_update().filter(revoked_at=None, **wanted).first()
        if found is None or (found.jwks is None and not found.jwks_url):
            raise ClientError(f"There is no client {client!r} with keys in force.")
        found.jwks, found.jwks_url = keys, jwks_url
        found.save(update_fields=["jwks", "jwks_url"])
        found.tokens.filter(revoked_at=None).update(revoked_at=wall())
        _note(ctx, "fhir.client-keys-changed", found)


def clients(ctx: AccessContext) -> list[ClientRow]:
    """All clients: those in force by name, then those revoked, newest first. Raises PermissionRefused."""
    require(ctx, SEE_CLIENTS)
    rows = [
        ClientRow(
            id=each.pk,
            client_id=each.client_id,
            name=each.name,
            role=Role(each.role),
            purpose=Purpose(each.purpose),
            address=each.address,
            scopes=each.scopes,
            keys=each.jwks_url or ("keys" if each.jwks is not None else "token"),
            created_at=each.created_at,
            created_by=each.created_by,
            revoked_at=each.revoked_at,
            expires_at=each.latest if each.jwks is None and not each.jwks_url else None,
            last_token=each.newest,
        )
        for each in ApiClient.objects.annotate(latest=Max("tokens__expires_at"), newest=Max("tokens__issued_at"))
    ]
    in_force = sorted((row for row in rows if row.revoked_at is None), key=lambda row: row.name.casefold())
    ended = sorted((row for row in rows if row.revoked_at), key=lambda row: row.revoked_at or wall(), reverse=True)
    return in_force + ended


def _make(ctx: AccessContext, draft: NewClient, **keys: Any) -> ApiClient:
    require(ctx, MANAGE_CLIENTS)
    name, address = draft.name.strip(), draft.address.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ClientError(f"A client needs a name of plain text, of at most {LONGEST_NAME} characters.")
    if len(address) > LONGEST_TEXT or "\0" in address:
        raise ClientError(f"An address has at most {LONGEST_TEXT:,} characters.")
    try:
        scopes = read_scopes(draft.scopes, is_resource_type, check_narrowing)
    except ScopeError as error:
        raise ClientError(str(error)) from None
    _check_role(draft.role, scopes)
    try:
        with transaction.atomic():
            return ApiClient.objects.create(
                client_id=str(new_id()),
                name=name,
                role=draft.role.value,
                purpose=draft.purpose.value,
                address=address,
                scopes=str(scopes),
                created_at=wall(),
                created_by=ctx.actor,
                **keys,
            )
    except IntegrityError:
        raise ClientError(f"There is a client {name!r} already. Revoke it or choose another name.") from None


def _check_role(role: Role, scopes: Scopes) -> None:
    wanted = {action for each in scopes.granted for action in each.actions}
    for right, actions, doing in ((READ, "rs", "read"), (WRITE, "cud", "write")):
        if wanted & set(actions) and role not in right.roles:
            able = ", ".join(sorted(each.value for each in right.roles))
            raise ClientError(f"The role {role.value} may not {doing} by the API. Roles that may: {able}.")
    assert wanted <= set(ACTIONS)


def _note(ctx: AccessContext, action: str, client: ApiClient, detail: Mapping[str, str] | None = None) -> None:
    append(ctx, action, subjects=[Subject("client", str(client.pk))], detail=dict(detail or {}) or None)
