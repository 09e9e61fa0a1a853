"""Put messages that could not be filed back in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject, append
from charthouse.intake.permissions import MEND_UNFILED


def retry_messages(ctx: AccessContext, messages: Sequence[int]) -> int:
    """Ask for another try at filing ``messages``; returns how many were unfiled and now wait again.

    Raises PermissionRefused.
    """
    require(ctx, MEND_UNFILED)
    with transaction.atomic(), connection.cursor() as cursor:
        waiting = requeue(cursor, messages, actor=ctx.actor)
        append(ctx, "intake.retry", subjects=[Subject("message", str(number)) for number in waiting])
        return len(waiting)


#: What a document that came within a message lost. The message is filed; the same bytes would lose it again, and
#: bring an old message over what came since.
_OF_DOCUMENTS = ("document-patient", "attachment", "section", "not-cda")


def requeue(cursor: Any, messages: Sequence[int], *, actor: str, sent_again: bool = False) -> list[int]:
    """Queue those of ``messages`` of which something waits to be mended; returns them. With ``sent_again`` nobody
    asked for it, but their bytes came once more."""
    if not messages:
        return []
    cursor.execute(
        "INSERT INTO intake_queue (message, key, actor) SELECT m.id, key, %s FROM intake_message m, "
        "unnest(CASE WHEN m.keys = '{}' THEN ARRAY[m.id] ELSE m.keys END) AS key "
        "WHERE m.id = ANY(%s) "
        "AND EXISTS (SELECT FROM intake_unfiled u WHERE u.message = m.id AND u.state = 'open' "
        "AND NOT (%s AND m.format <> 'cda' AND u.code = ANY(%s))) "
        "ON CONFLICT DO NOTHING RETURNING message",
        [actor, list(messages), sent_again, list(_OF_DOCUMENTS)],
    )
    return sorted({number for (number,) in cursor.fetchall()})
