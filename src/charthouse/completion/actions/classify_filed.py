"""Classify what was filed: a document whose codes no map names becomes work.

A consumer of the record's news; it must see everything to keep the queue right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import orjson
from django.db import connection, transaction

from charthouse.completion.classification import SiteMaps, pieces_of, site_maps
from charthouse.completion.domain.pieces import DOCUMENT_TYPES
from charthouse.completion.permissions import CLASSIFY
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.events.api import Event
from charthouse.foundation.ledger.api import append
from charthouse.record import api as record

from ._classifying import SYSTEM, Unknown, ask, known

_MESSAGES, _RESOURCES = 20, 1_000
_KNOWN = "Its kind is known."


def classify_filed(events: Sequence[Event]) -> None:
    """Look at the documents these events tell of. A consumer of ``record.filed`` and
    ``record.document-corrected``."""
    messages = sorted({int(each.payload["message"]) for each in events if each.payload.get("message")})
    keys = [
        (str(each.payload["type"]), str(each.payload["id"]))
        for each in events
        if each.payload.get("type") in DOCUMENT_TYPES
    ]
    maps = site_maps()
    with connection.cursor() as cursor:
        for start in range(0, len(messages), _MESSAGES):
            _look(record.standing_of_messages(cursor, messages[start : start + _MESSAGES]), maps)
        standing = record.current(cursor, SYSTEM, keys)
    known(
        (f"{kind}/{id}" for (kind, id), each in standing.items() if each.state is not record.State.ACTIVE),
        "It was taken out of the chart.",
    )


def classify_all(ctx: AccessContext, told: Callable[[int], None] = lambda done: None) -> tuple[int, int]:
    """Look at every document there is, and bring the queue up to date: how many, and how many of them nobody knows.
    ``told`` gets the count so far. Raises PermissionRefused."""
    require(ctx, CLASSIFY)
    maps = site_maps()
    done = unknown = 0
    for items in all_documents():
        with transaction.atomic():
            unknown += _look(items, maps, anew=True)
        done += len(items)
        told(done)
    append(ctx, "completion.classified-all", detail={"documents": done, "unclassified": unknown})
    return done, unknown


def all_documents() -> Iterator[list[record.Checkable]]:
    """Every document of the record, some hundred at a time."""
    for kind in DOCUMENT_TYPES:
        row = 0
        while True:
            with connection.cursor() as cursor:
                items = record.standing_after(cursor, kind, row, _RESOURCES)
            if items:
                yield items
            if len(items) < _RESOURCES:
                break
            row = items[-1].row


def _look(items: Sequence[record.Checkable], maps: SiteMaps, *, anew: bool = False) -> int:
    """Open and finish the work of these; how many of them nobody knows."""
    documents = [each for each in items if each.type in DOCUMENT_TYPES]
    if not documents:
        return 0
    resources = {(each.type, each.row): orjson.loads(each.content) for each in documents}
    found = pieces_of(
        [((each.type, each.row), each.source, resources[each.type, each.row]) for each in documents], maps
    )
    unknown, settled = [], []
    for each in documents:
        place, key = (each.type, each.row), f"{each.type}/{each.public_id}"
        if found[place] is None and stands(resources[place]) and not each.is_deleted:
            unknown.append(Unknown(key, each.source, resources[place]))
        elif each.version > 1 or anew:
            settled.append(key)
    ask(unknown)
    known(settled, _KNOWN)
    return len(unknown)


def stands(resource: dict[str, object]) -> bool:
    """Whether a document stands by itself in a chart: it was not taken back, and is not added to another."""
    return resource.get("status") != "entered-in-error" and not record.added_to(resource)
