"""Merge two persons whom somebody found to be one: all records of the one are put under the other.

No row of a record is rewritten: the merge is a decision with an event for each source patient, and is undone as a
whole by :mod:`.undo_decision`. What the banner shows of the person is chosen field by field among its records.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from django.db import transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.work.api import finish_many_by_dedupe
from charthouse.identity.actions.moving import (
    CannotDecide,
    Move,
    Side,
    held,
    move,
    needed,
    undisturbed,
    write_decision,
)
from charthouse.identity.actions.telling_others import tell_others
from charthouse.identity.checks import SHOWN_FIELDS, merge_findings, sees_all
from charthouse.identity.domain.merging import Finding, unconfirmed
from charthouse.identity.models import Decision
from charthouse.identity.permissions import MERGE_PERSONS
from charthouse.identity.queues import POSSIBLE_DUPLICATES, matter

KIND = "merged"


class NotMerged(CannotDecide):
    """Something speaks against the merge: ``findings`` refuse it, or wait to be confirmed."""

    def __init__(self, findings: Collection[Finding]) -> None:
        refused = any(each.refuses for each in findings)
        super().__init__(
            " ".join(each.words for each in findings)
            + ("" if refused else " Confirm this, or look at the charts first.")
        )
        self.findings = tuple(findings)


@undisturbed
def merge(
    ctx: AccessContext,
    survivor: UUID,
    other: UUID,
    reason: str,
    *,
    shown: Mapping[str, int] | None = None,
    confirmed: Collection[str] = (),
) -> int:
    """Put every source patient of ``other`` under ``survivor``; returns the decision's number, which undoes it.

    ``shown`` says of fields of the banner (``checks.SHOWN_FIELDS``) which source patient's is shown; ``confirmed``
    are the rules whose warnings were read. Raises PermissionRefused; CannotDecide where there are no two such
    persons, the asker may not see all of both, no reason is given or a field is chosen of somebody else; NotMerged
    where a check refuses or was not confirmed.
    """
    require(ctx, MERGE_PERSONS)
    reason = needed(reason, "Say why the two are the same person.")
    with transaction.atomic():
        sides = held({survivor, other})
        kept = [each for each in sides.values() if each.person == survivor]
        gone = [each for each in sides.values() if each.person == other]
        if survivor == other or not kept or not gone:
            raise CannotDecide("Two persons are needed who both have records. Perhaps one was merged meanwhile.")
        if not sees_all(ctx, [survivor, other]):
            raise CannotDecide("One of the two has a record you may not see. Ask somebody who may.")
        chosen = _chosen(shown or {}, sides)
        found = merge_findings([each.patient for each in kept], [each.patient for each in gone])
        if against := unconfirmed(found, confirmed):
            raise NotMerged(against)
        decision = write_decision(
            ctx, Decision.Kind.MERGE, survivor, other, reason,
            {
                "moved": [each.patient for each in gone],
                "confirmed": sorted(each.rule for each in found),
                **({"shown": chosen} if chosen else {}),
            },
        )  # fmt: skip
        lead = min(kept, key=lambda each: each.patient)
        move(
            ctx,
            decision,
            [Move(each, survivor) for each in sorted(gone, key=lambda each: each.patient)],
            {"kind": KIND, "reason": reason, "others": {each.patient: lead.patient for each in gone}},
            "identity.merge",
        )
        finish_many_by_dedupe(
            POSSIBLE_DUPLICATES,
            [matter(a.patient, b.patient) for a in kept for b in gone],
            "same",
            finished_by=ctx.actor,
        )
        tell_others(ctx, decision)
    return decision


def _chosen(shown: Mapping[str, int], sides: Mapping[int, Side]) -> dict[str, int]:
    for field, patient in shown.items():
        if field not in SHOWN_FIELDS:
            raise CannotDecide(f"The banner has no field {field!r}; it has: {', '.join(SHOWN_FIELDS)}.")
        if patient not in sides:
            raise CannotDecide("What is shown has to be chosen among the records of the two.")
    return dict(shown)
