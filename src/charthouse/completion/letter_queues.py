"""The work queue of the suspension list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.work.api import Column, WorkItem, declare_queue

from .domain.letter_texts import several
from .letter_models import Suspension
from .permissions import DECIDE_SUSPENSION

#: Practitioners proposed for suspension; the subject is the proposal.
SUSPENSIONS = "completion.suspensions"


def _found(items: Sequence[WorkItem]) -> dict[int, Suspension]:
    wanted = {int(item.subject.id): item.id for item in items}
    return {wanted[each.pk]: each for each in Suspension.objects.filter(pk__in=wanted)}


def _who(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {item: each.practitioner_name for item, each in _found(items).items()}


def _delinquent(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {
        item: f"{several(each.delinquent, 'chart')}, oldest {several(each.days, 'day')}"
        for item, each in _found(items).items()
    }


declare_queue(
    SUSPENSIONS,
    "Proposed suspensions",
    DECIDE_SUSPENSION.roles,
    describe_page=_who,
    subject="Practitioner",
    columns=[Column("Delinquent", _delinquent)],
    opens=lambda item: ("suspension", (int(item.subject.id),)),
    by_decision=True,
    also=("Suspension list", "suspensions"),
)
