"""Remember for good that two source patients are two persons."""

from __future__ import annotations

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.foundation.work.api import finish_by_dedupe
from charthouse.identity.permissions import REVIEW_DUPLICATES
from charthouse.identity.queues import POSSIBLE_DUPLICATES, matter


class CannotDecide(ValueError):
    """The two cannot be decided about as asked; the message says why and what to do."""


class SamePerson(CannotDecide):
    """The two belong to one person already; they must be unlinked first."""


def tell_apart(ctx: AccessContext, one: int, other: int, reason: str) -> None:
    """Record that two source patients are not the same person, and finish the item that asked.

    Raises PermissionRefused, CannotDecide where there are no two such patients or no reason is given, SamePerson
    where they are linked.
    """
    require(ctx, REVIEW_DUPLICATES)
    if not reason.strip():
        raise CannotDecide("Say why the two are not the same person.")
    low, high = min(one, other), max(one, other)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT public_id, person FROM identity_source_patient WHERE patient = ANY(%s)"
            " ORDER BY patient FOR UPDATE",
            [[low, high]],
        )
        found = cursor.fetchall()
        if len(found) != 2:
            raise CannotDecide("Two different patients of the index are needed.")
        if found[0][1] == found[1][1]:
            raise SamePerson("The two are filed under one person. Unlink them first.")
        cursor.execute(
            "INSERT INTO identity_not_same (low, high, actor, reason, at) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [low, high, ctx.actor, reason.strip(), wall()],
        )
        finish_by_dedupe(POSSIBLE_DUPLICATES, matter(low, high), "not the same", finished_by=ctx.actor)
        append_ledger(
            ctx, "identity.tell-apart", subjects=[Subject("patient", public_id) for public_id, _ in found]
        )
