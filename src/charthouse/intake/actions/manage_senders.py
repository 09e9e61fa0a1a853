"""Let systems send to ``/intake``: tokens made, checked and taken back."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import append
from charthouse.intake.domain.errors import IntakeError
from charthouse.intake.domain.naming import LONGEST_SENDER, refuse_own_desk, storable
from charthouse.intake.models import SenderToken
from charthouse.intake.permissions import MANAGE_SENDERS
from charthouse.record.api import source_id, source_rows

_PREFIX = "cht_"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as listed; never the secret."""

    name: str
    sender: str
    created_at: datetime
    revoked_at: datetime | None


def add_sender_token(ctx: AccessContext, name: str, sender: str) -> str:
    """Make a token called ``name`` that sends as ``sender``; the secret is shown this once.

    Raises PermissionRefused; IntakeError for a name in use, an empty one, or the name of our own desk.
    """
    require(ctx, MANAGE_SENDERS)
    name, sender = name.strip(), sender.strip()
    if not name or not sender:
        raise IntakeError("A token needs a name, and the name of the sender it stands for.")
    if (name, sender) != (storable(name, LONGEST_SENDER), storable(sender, LONGEST_SENDER)):
        raise IntakeError(f"Names of tokens and senders are plain text of at most {LONGEST_SENDER} characters.")
    refuse_own_desk(sender)
    secret = _PREFIX + secrets.token_urlsafe(32)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            SenderToken.objects.create(
                name=name,
                source=source_id(cursor, sender),
                digest=_digest(secret),
                created_at=wall(),
            )
            append(ctx, "intake.token-added", detail={"token": name})
    except IntegrityError:
        raise IntakeError(f"There is a token called {name!r} already. Revoke it or choose another name.") from None
    return secret


def revoke_sender_token(ctx: AccessContext, name: str) -> None:
    """Take a token back; what it sent stays. Raises PermissionRefused; IntakeError for an unknown name."""
    require(ctx, MANAGE_SENDERS)
    with transaction.atomic():
        if not SenderToken.objects.filter(name=name, revoked_at=None).update(revoked_at=wall()):
            raise IntakeError(f"There is no token called {name!r} in force.")
        append(ctx, "intake.token-revoked", detail={"token": name})


def sender_tokens(ctx: AccessContext) -> list[TokenRow]:
    """All tokens, in the order of their names. Raises PermissionRefused."""
    require(ctx, MANAGE_SENDERS)
    tokens = list(SenderToken.objects.order_by("name"))
    with connection.cursor() as cursor:
        names = source_rows(cursor, {each.source for each in tokens})
    return [TokenRow(each.name, names[each.source].name, each.created_at, each.revoked_at) for each in tokens]


def sender_of_token(secret: str) -> str | None:
    """The sender a token stands for; None for one that is unknown or revoked."""
    if not secret.startswith(_PREFIX):
        return None
    found = SenderToken.objects.filter(digest=_digest(secret), revoked_at=None).first()
    if found is None:
        return None
    with connection.cursor() as cursor:
        return source_rows(cursor, [found.source])[found.source].name


def _digest(secret: str) -> bytes:
    """The stored form. The secret is random, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()
