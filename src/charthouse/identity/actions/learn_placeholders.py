"""Find values that stand for no value, and decide of each whether it is believed."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.identity.actions.moving import CannotDecide, needed
from charthouse.identity.frequent import find_frequent
from charthouse.identity.permissions import CHANGE_MATCHING
from charthouse.identity.policy import ask_again


def find_placeholders(ctx: AccessContext) -> int:
    """Look through the whole index and keep what may be placeholders; how many there are.

    What was decided stays decided, with its count renewed; what nobody decided and is no longer frequent is
    dropped. Raises PermissionRefused.
    """
    require(ctx, CHANGE_MATCHING)
    with transaction.atomic(), connection.cursor() as cursor:
        found = find_frequent(cursor)
        cursor.execute(
            "DELETE FROM identity_placeholder p WHERE state = 'found' AND NOT EXISTS"
            " (SELECT FROM unnest(%s::text[], %s::text[]) AS f (field, value)"
            " WHERE f.field = p.field AND f.value = p.value)",
            [[each.field for each in found], [each.value for each in found]],
        )
        for each in found:
            cursor.execute(
                "INSERT INTO identity_placeholder (field, value, persons, reason, found_at)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (field, value) DO UPDATE SET"
                " persons = excluded.persons, reason = excluded.reason, found_at = excluded.found_at",
                [each.field, each.value, each.persons, each.reason, wall()],
            )
        append_ledger(ctx, "identity.find-placeholders", detail={"found": len(found)})
    return len(found)


def decide_placeholders(ctx: AccessContext, ids: Sequence[int], *, accepted: bool, why: str) -> None:
    """Say of found values that they stand for none and are not believed, or that they are real and are.

    May be decided anew at any time: nothing is lost by it. Raises PermissionRefused, CannotDecide where one of them
    is not kept or no reason is given.
    """
    require(ctx, CHANGE_MATCHING)
    why = needed(why, "Say why these are placeholders, or are not.")
    wanted = sorted(set(ids))
    if not wanted:
        raise CannotDecide("Choose at least one value.")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE identity_placeholder SET state = %s, decided_by = %s, decided_why = %s, decided_at = %s"
            " WHERE id = ANY(%s)",
            ["accepted" if accepted else "rejected", ctx.actor, why, wall(), wanted],
        )
        if cursor.rowcount != len(wanted):
            raise CannotDecide("One of these is not kept any more; look at the list again.")
        append_ledger(
            ctx, "identity.decide-placeholders", detail={"placeholders": wanted, "accepted": accepted, "why": why}
        )
    ask_again()
