"""What a person does about messages that do not go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, Permission, require
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.wake import notify
from charthouse.foundation.work import api as work

from .permissions import MEND_OUTBOX
from .sending import CHANNEL, dedupe
from .telling import Outcome, tell
from .transport import UNCERTAIN


class MessageNotDead(Exception):
    """There is no dead message with this id."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up, with the reason, and how many wait behind it."""

    message_id: UUID
    destination: str
    kind: str
    key: str
    attempts: int
    error: str
    enqueued_at: datetime
    behind: int


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits for one destination; ``oldest`` is the age of the oldest message not sent."""

    destination: str
    waiting: int
    dead: int
    oldest: timedelta


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a message has come: waiting, sending, sent, dead or discarded, with what the last attempt said."""

    message_id: UUID
    state: str
    attempts: int
    error: str
    sent_at: datetime | None

    @property
    def uncertain(self) -> bool:
        """Whether it may have arrived and waits for a person to settle that."""
        return self.state == "dead" and self.error == UNCERTAIN


def deliveries(message_ids: Iterable[UUID]) -> dict[UUID, Delivery]:
    """How far messages have come; one that arrived long ago and was tidied away is left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT message_id, state, attempts, error, sent_at FROM outbox_message WHERE message_id = ANY(%s)",
            [list(message_ids)],
        )
        return {row[0]: Delivery(*row) for row in cursor}


def depth() -> list[Depth]:
    """What is not sent, by destination."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT destination, count(*) FILTER (WHERE state <> 'dead'), count(*) FILTER (WHERE state = 'dead'),"
            " clock_timestamp() - min(enqueued_at) FROM outbox_message"
            " WHERE state IN ('waiting', 'sending', 'dead') GROUP BY destination ORDER BY destination"
        )
        return [Depth(*row) for row in cursor]


def dead_letters(limit: int = 100) -> list[DeadLetter]:
    """Messages given up, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.message_id, d.destination, d.kind, d.key, d.attempts, d.error, d.enqueued_at,"
            " (SELECT count(*) FROM outbox_message AS b WHERE b.destination = d.destination AND b.key = d.key"
            "  AND b.id > d.id AND b.state IN ('waiting', 'sending', 'dead'))"
            " FROM outbox_message AS d WHERE d.state = 'dead' ORDER BY d.id LIMIT %s",
            [limit],
        )
        return [DeadLetter(*row) for row in cursor]


def retry(ctx: AccessContext, message_id: UUID, *, permission: Permission = MEND_OUTBOX) -> None:
    """Give a dead message its attempts back, now. Raises MessageNotDead, PermissionRefused.

    An app that settles messages of its own asks for its own ``permission``.
    """
    _settle(ctx, message_id, "waiting", "outbox.retry", None, permission)


def discard(ctx: AccessContext, message_id: UUID, reason: str, *, permission: Permission = MEND_OUTBOX) -> None:
    """Give a dead message up for good, with a reason, and let those behind it go."""
    if not reason.strip():
        raise ValueError("Say why the message is discarded; the reason is kept in the ledger.")
    _settle(ctx, message_id, "discarded", "outbox.discard", reason, permission)


def _settle(
    ctx: AccessContext, message_id: UUID, state: str, action: str, reason: str | None, permission: Permission
) -> None:
    require(ctx, permission)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE outbox_message SET state = %s, attempts = CASE WHEN %s = 'waiting' THEN 0 ELSE attempts END,"
            " next_try = clock_timestamp() WHERE message_id = %s AND state = 'dead' RETURNING kind",
            [state, state, message_id],
        )
        row = cursor.fetchone()
        if row is None:
            raise MessageNotDead(
                f"Message {message_id} is not dead; `charthouse outbox dead` lists those that are."
            )
        work.finish_by_dedupe(
            work.MACHINERY_QUEUE, dedupe(message_id), "discarded" if reason else "retried", finished_by=ctx.actor
        )
        detail = {"message": str(message_id), "kind": row[0]}
        ledger.append(ctx, action, detail=detail if reason is None else {**detail, "reason": reason})
        tell(row[0], message_id, Outcome.RETRIED if reason is None else Outcome.DISCARDED)
    notify(CHANNEL)
