"""What going over the whole index found becomes review work; what is beyond doubt may be linked, where asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.foundation.work.api import ItemSubject, NewItem, open_items
from charthouse.identity.actions.link_patients import link
from charthouse.identity.actions.moving import CannotDecide
from charthouse.identity.permissions import REVIEW_DUPLICATES
from charthouse.identity.policy import DECISION
from charthouse.identity.queues import POSSIBLE_DUPLICATES, matter

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Suspect:
    """Two source patients of two persons that may be one. ``certain``: they may be linked without a look."""

    one: int
    other: int
    weight: float
    reason: str
    waterfall: tuple[dict[str, str | float], ...]
    certain: bool


@dataclass(frozen=True, slots=True)
class Done:
    """How many pairs became review work, were linked, and were one person by the time they were looked at."""

    opened: int
    linked: int
    settled: int


def review_findings(
    ctx: AccessContext, suspects: Sequence[Suspect], model: str, tell: Callable[[int], None] = lambda done: None
) -> Done:
    """Open an item for each pair, or link it where it is certain.

    A few hundred at a time, each its own transaction: broken off, the same call goes on where it was, for a pair
    has one item at the most. Raises PermissionRefused.
    """
    require(ctx, REVIEW_DUPLICATES)
    opened = linked = settled = 0
    for begin in range(0, len(suspects), _AT_ONCE):
        some = suspects[begin : begin + _AT_ONCE]
        for each in some:
            if each.certain and _link(ctx, each):
                linked += 1
        with transaction.atomic():
            waiting = _of_two_persons(some)
            items = [
                _item(each, *waiting[each.one, each.other], model)
                for each in some
                if (each.one, each.other) in waiting
            ]
            open_items(items, opened_by=ctx.actor)
            opened += len(items)
            settled += len(some) - len(items)
        tell(begin + len(some))
    append_ledger(
        ctx,
        "identity.dedupe",
        detail={"pairs": len(suspects), "opened": opened, "linked": linked, "model": model},
    )
    return Done(opened, linked, settled - linked)


def _link(ctx: AccessContext, suspect: Suspect) -> bool:
    try:
        link(ctx, suspect.one, suspect.other, f"Found by going over the whole index. {suspect.reason}")
    except CannotDecide:
        # One person by now, or told apart meanwhile: the first needs nothing, the second a person.
        return False
    return True


def _of_two_persons(suspects: Sequence[Suspect]) -> dict[tuple[int, int], tuple[str, str, str]]:
    """The pairs that still are two persons, with the public id of the first and both persons."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.patient, b.patient, a.public_id, a.person::text, b.person::text"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS p (one, other)"
            " JOIN identity_source_patient a ON a.patient = p.one"
            " JOIN identity_source_patient b ON b.patient = p.other"
            " WHERE a.person <> b.person AND NOT EXISTS (SELECT FROM identity_not_same n"
            "  WHERE n.low = least(p.one, p.other) AND n.high = greatest(p.one, p.other))",
            [[each.one for each in suspects], [each.other for each in suspects]],
        )
        return {(row[0], row[1]): (row[2], row[3], row[4]) for row in cursor.fetchall()}


def _item(suspect: Suspect, public_id: str, person: str, other_person: str, model: str) -> NewItem:
    return NewItem(
        queue=POSSIBLE_DUPLICATES,
        subject=ItemSubject("patient", public_id),
        reason=f"Perhaps two charts of one person. {suspect.reason}",
        dedupe=matter(suspect.one, suspect.other),
        rule=DECISION,
        patient=public_id,
        person=person,
        detail={
            "patients": [suspect.one, suspect.other],
            "persons": [person, other_person],
            "rivals": [],
            "weight": round(suspect.weight, 3),
            "model": model,
            "waterfall": list(suspect.waterfall),
        },
    )
