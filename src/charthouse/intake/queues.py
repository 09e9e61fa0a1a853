"""The work queues intake opens items in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import connection

from charthouse.foundation.access.api import AccessContext, Role
from charthouse.foundation.work.api import Column, WorkItem, declare_queue
from charthouse.record.api import source_rows

#: Messages that could not be filed; the subject is the message.
UNFILED = "intake.unfiled"
#: The rule of how soon one is mended.
UNFILED_RULE = "intake.unfiled"


def _kinds(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    found = _messages(items)
    return {item.id: found[int(item.subject.id)][0] for item in items if int(item.subject.id) in found}


def _senders(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    found = _messages(items)
    with connection.cursor() as cursor:
        names = source_rows(cursor, {source for _, source in found.values()})
    senders = {message: names[source].name for message, (_, source) in found.items() if source in names}
    return {item.id: senders.get(int(item.subject.id), "") for item in items}


def _messages(items: Sequence[WorkItem]) -> dict[int, tuple[str, int]]:
    """The kind and source of the messages the items are about."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, kind, source FROM intake_message WHERE id = ANY(%s)",
            [[int(item.subject.id) for item in items]],
        )
        return {id: (kind, source) for id, kind, source in cursor.fetchall()}


declare_queue(
    UNFILED,
    "Unfiled messages",
    {Role.HIT, Role.MANAGER, Role.ADMINISTRATOR},
    describe_page=_kinds,
    subject="Message",
    columns=[Column("Sender", _senders)],
    opens=lambda item: ("unfiled-message", (int(item.subject.id),)),
    by_decision=True,
    also=("By connector and reason", "unfiled"),
)
