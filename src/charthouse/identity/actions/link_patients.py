"""Link two source patients whom somebody found to be one person.

The source patients stay as they are; one is put under the other's person, by an event that says who found so, why,
and how the evidence stood then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.work.api import finish_many_by_dedupe
from charthouse.identity.actions.moving import (
    CannotDecide,
    Move,
    Side,
    ask_about,
    held_of,
    move,
    needed,
    undisturbed,
    write_decision,
)
from charthouse.identity.actions.tell_apart import SamePerson
from charthouse.identity.actions.telling_apart import told_apart
from charthouse.identity.actions.telling_others import tell_others
from charthouse.identity.domain.scorer import score
from charthouse.identity.domain.traits import traits_from_json
from charthouse.identity.models import Decision
from charthouse.identity.permissions import REVIEW_DUPLICATES
from charthouse.identity.policy import policy
from charthouse.identity.queues import POSSIBLE_DUPLICATES, matter

KIND = "linked"
LEFT_BEHIND = (
    "Another record of this person was found to belong to a second person. Perhaps this one belongs there too."
)


class ToldApart(CannotDecide):
    """Somebody found the two to be two persons; that decision must be undone first."""


@undisturbed
def link(ctx: AccessContext, one: int, other: int, reason: str) -> UUID:
    """Put two source patients under one person, the one that was here first, and finish the items that asked.

    Raises PermissionRefused, CannotDecide where there are no two such patients or no reason is given, SamePerson
    where they are one already, ToldApart where somebody found that they, or one of them and another patient of the
    other's person, are two.
    """
    require(ctx, REVIEW_DUPLICATES)
    reason = needed(reason, "Say why the two are the same person.")
    with transaction.atomic():
        sides = held_of([one, other])
        if one == other or not {one, other} <= set(sides):
            raise CannotDecide("Two different patients of the index are needed.")
        if sides[one].person == sides[other].person:
            raise SamePerson("The two are filed under one person already.")
        kept, gone = in_order(sides[one], sides[other])
        family = [each.patient for each in sides.values() if each.person == kept.person]
        _refuse_told_apart(kept, gone, family)
        decision = write_decision(ctx, Decision.Kind.LINK, kept.person, gone.person, reason)
        left = move(
            ctx, decision, [Move(gone, kept.person)], {"kind": KIND, "reason": reason, **evidence(gone, kept)},
            "identity.link",
        )  # fmt: skip
        finish_many_by_dedupe(
            POSSIBLE_DUPLICATES, [matter(gone.patient, each) for each in family], "same", finished_by=ctx.actor
        )
        ask_about(ctx, left, kept, LEFT_BEHIND)
        tell_others(ctx, decision)
    return kept.person


def in_order(one: Side, other: Side) -> tuple[Side, Side]:
    """The side whose person has the older enterprise number, and the one that goes under it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM identity_person WHERE id = ANY(%s) ORDER BY created_at, number LIMIT 1",
            [[one.person, other.person]],
        )
        first = cursor.fetchone()[0]
    return (one, other) if one.person == first else (other, one)


def _refuse_told_apart(kept: Side, gone: Side, family: list[int]) -> None:
    found = told_apart([gone.patient], family)
    if not found:
        return
    if (min(gone.patient, kept.patient), max(gone.patient, kept.patient)) in found:
        raise ToldApart("Somebody found the two to be two persons. That decision must be undone first.")
    raise ToldApart(
        "Somebody found one of the two and another record of the other's person to be two persons. "
        "Look at that pair first."
    )


def evidence(gone: Side, kept: Side) -> Mapping[str, Any]:
    """How the two compare now, as the link event keeps it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, traits::text FROM identity_traits WHERE patient = ANY(%s)",
            [[kept.patient, gone.patient]],
        )
        texts = dict(cursor.fetchall())
    model = policy().model
    found = score(traits_from_json(texts[gone.patient]), traits_from_json(texts[kept.patient]), model)
    return {
        "others": {gone.patient: kept.patient},
        "model": model.version,
        "weight": found.weight,
        "waterfall": found.waterfall,
    }
