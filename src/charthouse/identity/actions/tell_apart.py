"""Remember that two source patients are two persons, and take that back."""

from __future__ import annotations

from django.db import transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.foundation.work.api import finish_by_dedupe
from charthouse.identity.actions.moving import CannotDecide, locked, needed
from charthouse.identity.actions.telling_apart import remember, take_back
from charthouse.identity.permissions import LINK_PATIENTS, REVIEW_DUPLICATES
from charthouse.identity.queues import POSSIBLE_DUPLICATES, matter


class SamePerson(CannotDecide):
    """The two belong to one person already; they must be unlinked first."""


def tell_apart(ctx: AccessContext, one: int, other: int, reason: str) -> None:
    """Record that two source patients are not the same person, and finish the item that asked.

    Raises PermissionRefused, CannotDecide where there are no two such patients or no reason is given, SamePerson
    where they are linked.
    """
    require(ctx, REVIEW_DUPLICATES)
    reason = needed(reason, "Say why the two are not the same person.")
    with transaction.atomic():
        sides = locked([one, other])
        if len(sides) != 2:
            raise CannotDecide("Two different patients of the index are needed.")
        if sides[one].person == sides[other].person:
            raise SamePerson("The two are filed under one person. Unlink them first.")
        remember(ctx, [(one, other)], reason)
        finish_by_dedupe(POSSIBLE_DUPLICATES, matter(one, other), "not the same", finished_by=ctx.actor)
        append_ledger(
            ctx,
            "identity.tell-apart",
            subjects=[Subject("patient", sides[each].public_id) for each in sorted(sides)],
        )


def revoke_apart(ctx: AccessContext, one: int, other: int, reason: str) -> None:
    """Take back that two source patients are two persons; that it was said once stays in their history.

    Raises PermissionRefused, CannotDecide where nobody says so now or no reason is given.
    """
    require(ctx, LINK_PATIENTS)
    reason = needed(reason, "Say why it is taken back that the two are not the same person.")
    with transaction.atomic():
        sides = locked([one, other])
        if len(sides) != 2 or not take_back(ctx, [(one, other)], reason):
            raise CannotDecide("Nobody says of these two that they are two persons; there is nothing to take back.")
        append_ledger(
            ctx,
            "identity.revoke-apart",
            subjects=[Subject("patient", sides[each].public_id) for each in sorted(sides)],
        )
