"""The queue of documents of which nobody knows what part of a chart they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.work.api import Column, WorkItem, declare_queue
from charthouse.record.api import current, source_rows

from .domain.pieces import said_kind
from .permissions import CLASSIFY

#: Documents that no map names; the subject is the document.
UNCLASSIFIED = "completion.unclassified"
#: The rule of how soon one is looked at.
RULE = "completion.unclassified"


def _titles(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    """What each document calls itself, as far as the asker may see it."""
    keys = {item.id: (item.subject.id.partition("/")[0], item.subject.id.partition("/")[2]) for item in items}
    with connection.cursor() as cursor:
        found = current(cursor, ctx, keys.values())
    return {
        item: said_kind(found[key].resource) or "Document" if key in found else "a document you may not see"
        for item, key in keys.items()
    }


def _codes(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    return {item.id: str(item.detail.get("code", "")) for item in items}


def _senders(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    with connection.cursor() as cursor:
        names = source_rows(cursor, {int(item.detail["source"]) for item in items if "source" in item.detail})
    return {
        item.id: names[source].name if (source := int(item.detail.get("source", 0))) in names else ""
        for item in items
    }


declare_queue(
    UNCLASSIFIED,
    "Unclassified documents",
    CLASSIFY.roles,
    describe_page=_titles,
    subject="Document",
    columns=[Column("Code", _codes), Column("Sender", _senders)],
    opens=lambda item: ("unclassified", (item.id,)),
    by_decision=True,
    also=("Codes of documents", "document-codes"),
)
