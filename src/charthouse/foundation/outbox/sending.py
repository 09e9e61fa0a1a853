"""Enqueueing and sending.

Messages of one destination and key go one after another, each only when the one before has arrived or was
discarded; other keys are not kept waiting. A message is claimed for a time (the lease), sent, and marked: when
the sender dies in between, the lease runs out and the message goes again under the same ``message_id``.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import structlog
from django.db import connection, transaction

from charthouse.foundation.clock import wall
from charthouse.foundation.ids import new_id
from charthouse.foundation.logging import where
from charthouse.foundation.wake import notify, run_pump
from charthouse.foundation.work import api as work

from .telling import Outcome, tell
from .transport import Outgoing, TransportError, Uncertain, transport_for

CHANNEL = "charthouse_outbox"
LEASE = timedelta(seconds=60)
_BATCH = 100

log = structlog.get_logger("charthouse.outbox")


@dataclass(frozen=True, slots=True)
class Patience:
    """When to try again: after ``first``, then twice as long each time up to ``longest``, a random half to whole of
    it, so that many messages do not come back at once; dead after ``attempts``."""

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=15)
    attempts: int = 20

    def pause(self, attempts: int) -> timedelta:
        """How long to wait after so many failures."""
        whole: timedelta = min(self.first * 2.0 ** min(attempts - 1, 32), self.longest)
        return whole * random.uniform(0.5, 1.0)  # noqa: S311


PATIENCE = Patience()


def enqueue(destination: str, kind: str, payload: bytes | str | Mapping[str, Any], key: str) -> UUID:
    """Send a message after the current transaction commits; returns the id the receiver will know it by.

    ``destination`` is ``scheme:…``; ``kind`` names the message type, e.g. ``hl7v2/ADT^A01``; ``key`` is the
    patient or other thing by which order is kept; a mapping is sent as JSON, text as UTF-8. Raises RuntimeError
    outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("A message is enqueued in the transaction it tells of: wrap the action in atomic().")
    if isinstance(payload, Mapping):
        content = orjson.dumps(dict(payload))
    else:
        content = payload.encode() if isinstance(payload, str) else payload
    message_id = new_id()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outbox_message (message_id, destination, kind, key, payload, next_try, enqueued_at)"
            " VALUES (%s, %s, %s, %s, %s, clock_timestamp(), clock_timestamp())",
            [message_id, destination, kind, key, content],
        )
    notify(CHANNEL)
    return message_id


def send_due(limit: int = _BATCH, *, patience: Patience = PATIENCE, lease: timedelta = LEASE) -> int:
    """Send up to ``limit`` messages that may go now; returns how many were tried. Several senders may run."""
    tried = 0
    while tried < limit and (claimed := _claim(lease)) is not None:
        message, claim = claimed
        tried += 1
        try:
            transport_for(message.destination).send(message)
        except TransportError as error:
            _not_sent(
                message,
                claim,
                str(error),
                permanent=error.permanent,
                patience=patience,
                outcome=Outcome.UNCERTAIN if isinstance(error, Uncertain) else Outcome.FAILED,
            )
        except Exception as error:
            _not_sent(message, claim, where(error), permanent=False, patience=patience)
        else:
            _sent(message, claim)
    return tried


def pump(stop: threading.Event) -> None:
    """Send until ``stop`` is set, waking at once when messages are committed."""
    run_pump("outbox", CHANNEL, send_due, stop)


def trim(before: datetime) -> int:
    """Delete messages sent before ``before``; returns how many. Dead and discarded ones stay."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM outbox_message WHERE state = 'sent' AND sent_at < %s", [before])
        return int(cursor.rowcount)


def dedupe(message_id: UUID) -> str:
    """The matter of a dead message's work item."""
    return f"outbox:{message_id}"


def _claim(lease: timedelta) -> tuple[Outgoing, UUID] | None:
    claim = uuid4()
    present = wall()
    # A message under way whose lease ran out was left by a sender that died.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE outbox_message AS o SET state = 'sending', claim = %s, next_try = %s, attempts = o.attempts + 1"
            " FROM (SELECT m.id, m.state FROM outbox_message AS m"
            "  WHERE m.state IN ('waiting', 'sending') AND m.next_try <= %s"
            "  AND NOT EXISTS (SELECT FROM outbox_message AS e WHERE e.destination = m.destination"
            "   AND e.key = m.key AND e.id < m.id AND e.state IN ('waiting', 'sending', 'dead'))"
            "  ORDER BY m.next_try, m.id LIMIT 1 FOR UPDATE SKIP LOCKED) AS due WHERE o.id = due.id"
            " RETURNING o.id, o.message_id, o.destination, o.kind, o.key, o.payload, o.attempts, o.enqueued_at,"
            " due.state = 'sending'",
            [claim, present + lease, present],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    id, message_id, destination, kind, key, payload, attempts, enqueued_at, left = row
    return Outgoing(id, message_id, destination, kind, key, bytes(payload), attempts, enqueued_at, left), claim


def _sent(message: Outgoing, claim: UUID) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE outbox_message SET state = 'sent', sent_at = clock_timestamp(), claim = NULL, error = ''"
            " WHERE id = %s AND claim = %s",
            [message.number, claim],
        )
        ours = bool(cursor.rowcount)
        if message.attempt > 1:
            work.finish_by_dedupe(work.MACHINERY_QUEUE, dedupe(message.message_id), "sent")
        if ours:
            tell(message.kind, message.message_id, Outcome.SENT)


def _not_sent(
    message: Outgoing,
    claim: UUID,
    error: str,
    *,
    permanent: bool,
    patience: Patience,
    outcome: Outcome = Outcome.FAILED,
) -> None:
    dead = permanent or message.attempt >= patience.attempts
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE outbox_message SET state = %s, next_try = %s, claim = NULL, error = %s"
            " WHERE id = %s AND claim = %s",
            [
                "dead" if dead else "waiting",
                wall() + patience.pause(message.attempt),
                error,
                message.number,
                claim,
            ],
        )
        if not cursor.rowcount or not dead:
            return
        work.open_item(
            work.MACHINERY_QUEUE,
            subject=work.Subject("outgoing-message", str(message.message_id)),
            reason="A message to another system could not be delivered, and later ones of the same key wait"
            " behind it. Mend the cause, then retry or discard it.",
            dedupe=dedupe(message.message_id),
            detail={"message": str(message.message_id), "kind": message.kind, "error": error},
        )
        tell(message.kind, message.message_id, outcome, error)
    log.error("message dead", message_id=message.message_id, kind=message.kind, attempts=message.attempt)
