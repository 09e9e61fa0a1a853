"""Writing events, and forgetting old ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction

from charthouse.foundation.wake import notify

CHANNEL = "charthouse_events"
_TRIM_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class NewEvent:
    """News to be told. ``kind`` is ``app.what-happened``; ``key`` is a person's or patient's id, by which order
    is kept; ``payload`` is JSON and holds ids rather than clinical text."""

    kind: str
    key: str
    payload: Mapping[str, Any]


def append(kind: str, *, key: str, payload: Mapping[str, Any]) -> None:
    """Tell one piece of news in the current transaction; consumers see it after the commit, or never.

    Raises RuntimeError outside a transaction: news must stand or fall with what it tells of.
    """
    append_many([NewEvent(kind, key, payload)])


def append_many(events: Iterable[NewEvent]) -> int:
    """Tell many in one round trip, in this order; returns how many."""
    if not connection.in_atomic_block:
        raise RuntimeError("An event is written in the transaction it tells of: wrap the action in atomic().")
    rows = list(events)
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_event (kind, key, payload)"
            " SELECT kind, key, payload::jsonb"
            " FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS n (kind, key, payload, place)"
            " ORDER BY place",
            [
                [row.kind for row in rows],
                [row.key for row in rows],
                [orjson.dumps(dict(row.payload)).decode() for row in rows],
            ],
        )
    notify(CHANNEL)
    return len(rows)


def trim(before: datetime) -> int:
    """Delete events told before ``before`` that every known consumer has done; returns how many.

    A consumer that is no longer part of the program holds them back until it is forgotten.
    """
    deleted = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM events_event WHERE id IN ("
                " SELECT id FROM events_event AS e WHERE at < %s"
                " AND NOT EXISTS (SELECT FROM events_cursor WHERE NOT pg_visible_in_snapshot(e.xid, done))"
                " ORDER BY id LIMIT %s)",
                [before, _TRIM_CHUNK],
            )
            count = int(cursor.rowcount)
        deleted += count
        if count < _TRIM_CHUNK:
            return deleted
