"""Reading in a safe order.

Ids are drawn before their transactions commit, so a reader that remembers the last id would skip an event whose
transaction was slow. A reader here remembers a *snapshot*: which transactions had ended when it last looked.
Its next *window* is all events of transactions that have ended since, by id. So nothing is skipped and nothing
waits for a slow transaction; and what depends on an event comes after it: whoever saw an event drew a greater
id, and every snapshot that has the later one has the earlier one too. (Ordering by transaction id would not
keep that, for a transaction draws its id at its first write.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import orjson
from django.db import connection

from .consumer import Consumer, Event, Start
from .snapshot import NOTHING, Snapshot

#: events of transactions that had not ended at a snapshot (its xmax, its running ones)
_SINCE = "(e.xid >= %s::xid8 OR e.xid = ANY(%s::xid8[]))"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A consumer's place in the log; see the table for the meaning of each."""

    name: str
    done: Snapshot
    window: Snapshot | None
    last_id: int
    high_id: int
    seen_id: int

    def past(self, events: list[Event], limit: int) -> Self:
        """The place after ``events`` were read with ``limit``: fewer than asked for means the window is done."""
        seen = max(self.seen_id, events[-1].id) if events else self.seen_id
        if len(events) == limit:
            return replace(self, last_id=events[-1].id, seen_id=seen)
        return replace(self, done=self.window or self.done, window=None, last_id=0, high_id=0, seen_id=seen)


def has_news(consumer: Consumer) -> bool:
    """Whether there is anything to read or to try again; writes nothing, so that an idle reader costs nothing.

    A consumer without a place, or with other kinds than it had, is given its place first.
    """
    kinds = orjson.dumps(sorted(consumer.kinds)).decode()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.reading IS NOT NULL"
            " OR EXISTS (SELECT FROM events_event AS e WHERE e.xid >= pg_snapshot_xmax(c.done)"
            "            OR e.xid = ANY(ARRAY(SELECT pg_snapshot_xip(c.done))))"
            " OR EXISTS (SELECT FROM events_parked WHERE consumer = c.name AND state = 'failing'"
            "            AND next_try <= clock_timestamp())"
            " FROM events_cursor AS c WHERE c.name = %s AND c.kinds = %s::jsonb",
            [consumer.name, kinds],
        )
        row = cursor.fetchone()
    if row is None:
        _make(consumer, kinds)
        return True
    return bool(row[0])


def claim(name: str) -> Cursor | None:
    """The place of a consumer, locked until the transaction ends; None while another process reads for it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT done::text, reading::text, last_id, high_id, seen_id FROM events_cursor"
            " WHERE name = %s FOR UPDATE SKIP LOCKED",
            [name],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    done, window, *ids = row
    return Cursor(name, Snapshot.parse(done), Snapshot.parse(window) if window else None, *ids)


def next_batch(place: Cursor, kinds: tuple[str, ...], limit: int) -> tuple[Cursor, list[Event]]:
    """Up to ``limit`` events and the place after them; opens the next window when the last is done."""
    if place.window is not None:
        events = _read(place, place.window, kinds, limit)
        place = place.past(events, limit)
        if events:
            return place, events
    place = _open_window(place)
    if place.window is None:
        return place, []
    events = _read(place, place.window, kinds, limit)
    return place.past(events, limit), events


def save(place: Cursor) -> None:
    """Keep the place in the current transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE events_cursor SET done = %s::pg_snapshot, reading = %s::pg_snapshot, last_id = %s,"
            " high_id = %s, seen_id = %s, moved_at = clock_timestamp() WHERE name = %s",
            [
                str(place.done),
                str(place.window) if place.window else None,
                place.last_id,
                place.high_id,
                place.seen_id,
                place.name,
            ],
        )


def _make(consumer: Consumer, kinds: str) -> None:
    done = f"'{NOTHING}'::pg_snapshot" if consumer.start is Start.BEGINNING else "pg_current_snapshot()"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_cursor (name, kinds, done, last_id, high_id, seen_id)"  # noqa: S608
            f" VALUES (%s, %s::jsonb, {done}, 0, 0, 0)"
            " ON CONFLICT (name) DO UPDATE SET kinds = excluded.kinds",
            [consumer.name, kinds],
        )


def _open_window(place: Cursor) -> Cursor:
    # Materialized, or the planner answers min(id) by walking the whole log from its first id.
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH news AS MATERIALIZED (SELECT e.id FROM events_event AS e WHERE {_SINCE}"  # noqa: S608
            " AND e.xid <> pg_current_xact_id())"
            " SELECT min(id), max(id), pg_current_snapshot()::text, pg_current_xact_id()::text::bigint FROM news",
            _since(place),
        )
        low, high, text, own = cursor.fetchone()
    if low is None:
        return place
    return replace(place, window=Snapshot.parse(text).without(own), last_id=low - 1, high_id=high)


def _read(place: Cursor, window: Snapshot, kinds: tuple[str, ...], limit: int) -> list[Event]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.id, e.kind, e.key, e.at, e.payload FROM events_event AS e"  # noqa: S608
            f" WHERE e.id > %s AND e.id <= %s AND {_SINCE}"
            " AND pg_visible_in_snapshot(e.xid, %s::pg_snapshot) AND e.kind = ANY(%s)"
            " ORDER BY e.id LIMIT %s",
            [place.last_id, place.high_id, *_since(place), str(window), list(kinds), limit],
        )
        return [Event(id, kind, key, at, orjson.loads(payload)) for id, kind, key, at, payload in cursor]


def _since(place: Cursor) -> list[Any]:
    return [str(place.done.xmax), [str(xid) for xid in place.done.running]]
