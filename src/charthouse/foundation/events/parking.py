"""Events that could not be handled.

A failing event steps aside with its error, so that other keys go on; later events of its key wait behind it. It is
tried again with growing pauses; after the consumer's number of attempts it is *parked*: an item in the machinery
queue asks a person to retry or discard it. The order within a key holds throughout.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from django.db import connection

from charthouse.foundation.clock import wall

from .consumer import Consumer, Event


class State(StrEnum):
    """FAILING is tried again by itself, PARKED waits for a person, WAITING waits behind another of its key."""

    FAILING = "failing"
    PARKED = "parked"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Aside:
    """An event that stands aside. ``error`` names the class of the failure and where it arose, never data."""

    id: int
    consumer: str
    event: Event
    state: State
    attempts: int
    error: str
    next_try: datetime | None


_COLUMNS = "id, consumer, event_id, kind, key, at, payload, state, attempts, error, next_try"


def pause(attempts: int) -> timedelta:
    """How long to wait after so many failures: 1, 4, 16 … seconds, at most ten minutes."""
    return timedelta(seconds=min(4 ** (attempts - 1), 600))


def keys_aside(consumer: str, keys: Collection[str]) -> set[str]:
    """Which of these keys have an event aside."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT key FROM events_parked WHERE consumer = %s AND key = ANY(%s)", [consumer, list(keys)]
        )
        return {key for (key,) in cursor}


def put_aside(consumer: str, events: Sequence[Event]) -> None:
    """Let events wait behind the one of their key that stands aside."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO events_parked (consumer, event_id, kind, key, at, payload, state, attempts, error)"
            " VALUES (%s, %s, %s, %s, %s, %s::jsonb, 'waiting', 0, '')"
            " ON CONFLICT (consumer, key, event_id) DO NOTHING",
            [[consumer, e.id, e.kind, e.key, e.at, orjson.dumps(dict(e.payload)).decode()] for e in events],
        )


def failed(consumer: Consumer, event: Event, error: str) -> State:
    """Count a failure of the event that stands first of its key; says whether it is parked now."""
    put_aside(consumer.name, [event])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE events_parked SET attempts = attempts + 1, error = %s,"
            " state = CASE WHEN attempts + 1 >= %s THEN 'parked' ELSE 'failing' END"
            " WHERE consumer = %s AND key = %s AND event_id = %s RETURNING id, attempts, state",
            [error, consumer.attempts, consumer.name, event.key, event.id],
        )
        id, attempts, state = cursor.fetchone()
        next_try = wall() + pause(attempts) if state == State.FAILING else None
        cursor.execute("UPDATE events_parked SET next_try = %s WHERE id = %s", [next_try, id])
    return State(state)


def due(consumer: str, limit: int) -> list[Aside]:
    """Failing events whose pause is over."""
    return _select(
        "WHERE consumer = %s AND state = 'failing' AND next_try <= %s ORDER BY next_try, id LIMIT %s",
        [consumer, wall(), limit],
    )


def remove(aside: Aside) -> Aside | None:
    """Take an event away, and call up the one behind it, which is returned."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM events_parked WHERE id = %s", [aside.id])
        cursor.execute(
            "UPDATE events_parked SET state = 'failing', next_try = %s WHERE id = ("
            " SELECT id FROM events_parked WHERE consumer = %s AND key = %s ORDER BY id LIMIT 1)"
            " AND state = 'waiting' RETURNING id",
            [wall(), aside.consumer, aside.event.key],
        )
        row = cursor.fetchone()
    return get(row[0]) if row else None


def get(id: int) -> Aside | None:
    """One event that stands aside, by its row's id."""
    found = _select("WHERE id = %s", [id])
    return found[0] if found else None


def listed(consumer: str | None, states: Collection[State], limit: int) -> list[Aside]:
    """Events that stand aside, oldest first."""
    return _select(
        "WHERE state = ANY(%s) AND (%s::text IS NULL OR consumer = %s) ORDER BY consumer, id LIMIT %s",
        [[str(state) for state in states], consumer, consumer, limit],
    )


def try_again(id: int) -> bool:
    """Give a parked event its attempts back, now; False when it is not parked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE events_parked SET state = 'failing', attempts = 0, next_try = %s"
            " WHERE id = %s AND state <> 'waiting'",
            [wall(), id],
        )
        return bool(cursor.rowcount == 1)


def _select(where: str, parameters: list[Any]) -> list[Aside]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM events_parked {where}", parameters)  # noqa: S608
        return [
            Aside(
                id,
                consumer,
                Event(event_id, kind, key, at, orjson.loads(payload)),
                State(state),
                attempts,
                error,
                next_try,
            )
            for id, consumer, event_id, kind, key, at, payload, state, attempts, error, next_try in cursor
        ]
