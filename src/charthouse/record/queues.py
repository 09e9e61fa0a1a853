"""The work queues that corrections of documents open items in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from charthouse.foundation.access.api import AccessContext, Role
from charthouse.foundation.work.api import Column, WorkItem, declare_queue

from .domain.documents import Kind
from .models import Correction

#: Corrections that a second person confirms; the subject is the correction.
CORRECTIONS = "record.corrections"
#: Recipients of earlier copies who are to be told; the subject is the correction.
RECIPIENTS = "record.recipients"


def _found(items: Sequence[WorkItem]) -> dict[int, Correction]:
    wanted = {int(item.subject.id): item.id for item in items}
    return {wanted[each.pk]: each for each in Correction.objects.filter(pk__in=wanted)}


def _kinds(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {item: Kind(each.kind).words for item, each in _found(items).items()}


def _askers(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {item: each.name for item, each in _found(items).items()}


def _screen(item: WorkItem) -> tuple[str, tuple[object, ...]]:
    return "correction", (int(item.subject.id),)


declare_queue(
    CORRECTIONS,
    "Corrections to confirm",
    {Role.HIT, Role.PRIVACY, Role.MANAGER},
    describe_page=_kinds,
    subject="Correction",
    columns=[Column("Asked for by", _askers)],
    opens=_screen,
    by_decision=True,
)
declare_queue(
    RECIPIENTS,
    "Recipients to be told",
    {Role.RELEASE, Role.HIT, Role.PRIVACY, Role.MANAGER},
    describe_page=_kinds,
    subject="Correction",
    columns=[Column("Corrected by", _askers)],
    opens=_screen,
)
