"""Split a source patient that holds two persons, because one was written over the other (an overlay)."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.identity.actions.moving import CannotDecide, held_of, needed, undisturbed
from charthouse.identity.checks import sees_all
from charthouse.identity.permissions import SPLIT_PATIENT

from .hold_updates import settle_filed
from .splitting import Key, part


@undisturbed
def split(
    ctx: AccessContext,
    patient: int,
    *,
    stays: int,
    goes: int,
    items: Sequence[Key],
    reason: str,
    apart: bool = True,
) -> int:
    """Part a source patient into two true charts; returns the decision's number, which undoes it.

    ``stays`` and ``goes`` are the versions of its demographics by which the two persons are known from now on,
    ``items`` the (type, id) of what goes to the new one. ``apart`` remembers that they are two persons. Raises
    PermissionRefused; CannotDecide where there is no such patient, the asker may not see all of it, a version or
    item is not there, or no reason is given.
    """
    require(ctx, SPLIT_PATIENT)
    reason = needed(reason, "Say why these are two persons.")
    with transaction.atomic():
        sides = held_of([patient])
        if patient not in sides:
            raise CannotDecide("There is no such record in the index.")
        if not sees_all(ctx, [sides[patient].person]):
            raise CannotDecide("The person has a record you may not see. Ask somebody who may.")
        number = part(ctx, sides[patient], stays, goes, list(dict.fromkeys(items)), reason, apart=apart)
        settle_filed(patient, "split", ctx.actor)
        return number
