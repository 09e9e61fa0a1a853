"""The work queues that corrections of documents open items in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import connection

from charthouse.foundation.access.api import AccessContext, Role
from charthouse.foundation.work.api import Column, WorkItem, declare_queue

from .charting.documents import entry
from .charting.item import item_of
from .domain.documents import Kind
from .domain.types import TYPE_NAME
from .models import Correction, Destruction
from .queries import current

#: Corrections that a second person confirms; the subject is the correction.
CORRECTIONS = "record.corrections"
#: Recipients of earlier copies who are to be told; the subject is the correction.
RECIPIENTS = "record.recipients"
#: Charts that a second person destroys, or keeps; the subject is the destruction.
DESTRUCTIONS = "record.destructions"


def _found(items: Sequence[WorkItem]) -> dict[int, Correction]:
    wanted = {int(item.subject.id): item.id for item in items}
    return {wanted[each.pk]: each for each in Correction.objects.filter(pk__in=wanted)}


def _kinds(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    """What is corrected in which way; the document only where the asker may see it."""
    found = _found(items)
    with connection.cursor() as cursor:
        stored = current(cursor, ctx, {(TYPE_NAME[each.type], each.public_id) for each in found.values()})
    titles = {key: entry(item_of(document)).title for key, document in stored.items()}
    return {
        item: ": ".join(filter(None, (Kind(each.kind).words, titles.get((TYPE_NAME[each.type], each.public_id)))))
        for item, each in found.items()
    }


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


def _asked(items: Sequence[WorkItem]) -> dict[int, Destruction]:
    wanted = {int(item.subject.id): item.id for item in items}
    return {wanted[each.pk]: each for each in Destruction.objects.filter(pk__in=wanted)}


def _extent(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {item: _how_much(each) for item, each in _asked(items).items()}


def _how_much(asked: Destruction) -> str:
    if not asked.documents:
        return f"A chart of {asked.items} items"
    return (
        "One document of a chart" if len(asked.documents) == 1 else f"{len(asked.documents)} documents of a chart"
    )


def _askers_of_destruction(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {item: each.name for item, each in _asked(items).items()}


declare_queue(
    DESTRUCTIONS,
    "Charts to destroy",
    {Role.PRIVACY, Role.MANAGER},
    describe_page=_extent,
    subject="Chart",
    columns=[Column("Asked for by", _askers_of_destruction)],
    opens=lambda item: ("destruction", (int(item.subject.id),)),
    by_decision=True,
)
