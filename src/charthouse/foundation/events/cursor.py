"""Reading in a safe order.

Ids are drawn before their transactions commit, so a reader that remembers the last id would skip an event whose
transaction was slow. A reader here takes *windows*: all events of the transactions that ended since its last
window (``floor`` ≤ xid < the oldest transaction still running), by id. A transaction that could have seen another's
event ended after it, so it is in the same window with a greater id, or in a later one: what depends on an event
always comes after it. Ordering by (xid, id) would not keep that, for a transaction id is drawn at the first write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import orjson
from django.db import connection

from .consumer import Consumer, Event, Start

_COLUMNS = "floor::text::bigint, ceiling::text::bigint, last_id, high_id, seen_id"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A consumer's place in the log; see the table for the meaning of each number."""

    name: str
    floor: int
    ceiling: int
    last_id: int
    high_id: int
    seen_id: int

    @property
    def window_open(self) -> bool:
        return self.ceiling > self.floor

    def past(self, events: list[Event], limit: int) -> Self:
        """The place after ``events`` were read with ``limit``: fewer than asked for means the window is done."""
        if len(events) == limit:
            return replace(self, last_id=events[-1].id, seen_id=max(self.seen_id, events[-1].id))
        seen = max(self.seen_id, events[-1].id) if events else self.seen_id
        return replace(self, floor=self.ceiling, last_id=0, high_id=0, seen_id=seen)


def make(consumer: Consumer) -> None:
    """Give a new consumer its place, and note the kinds it now reads."""
    floor = "'0'::xid8" if consumer.start is Start.BEGINNING else "pg_snapshot_xmin(pg_current_snapshot())"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_cursor (name, kinds, floor, ceiling, last_id, high_id, seen_id)"  # noqa: S608
            f" SELECT %s, %s::jsonb, f, f, 0, 0, 0 FROM (SELECT {floor} AS f) AS start"
            " ON CONFLICT (name) DO UPDATE SET kinds = excluded.kinds"
            " WHERE events_cursor.kinds IS DISTINCT FROM excluded.kinds",
            [consumer.name, orjson.dumps(sorted(consumer.kinds)).decode()],
        )


def has_news(name: str) -> bool:
    """Whether there is anything to read or to try again; writes nothing, so that an idle reader costs nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.ceiling > c.floor"
            " OR EXISTS (SELECT FROM events_event WHERE xid >= c.floor"
            "            AND xid < pg_snapshot_xmin(pg_current_snapshot()))"
            " OR EXISTS (SELECT FROM events_parked WHERE consumer = c.name AND state = 'failing'"
            "            AND next_try <= clock_timestamp())"
            " FROM events_cursor AS c WHERE c.name = %s",
            [name],
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def claim(name: str) -> Cursor | None:
    """The place of a consumer, locked until the transaction ends; None while another process reads for it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM events_cursor WHERE name = %s FOR UPDATE SKIP LOCKED",  # noqa: S608
            [name],
        )
        row = cursor.fetchone()
    return Cursor(name, *row) if row else None


def next_batch(place: Cursor, kinds: tuple[str, ...], limit: int) -> tuple[Cursor, list[Event]]:
    """Up to ``limit`` events and the place after them; opens the next window when the last is done."""
    if place.window_open:
        events = _read(place, kinds, limit)
        place = place.past(events, limit)
        if events:
            return place, events
    place = _open_window(place)
    if not place.window_open:
        return place, []
    events = _read(place, kinds, limit)
    return place.past(events, limit), events


def save(place: Cursor) -> None:
    """Keep the place in the current transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE events_cursor SET floor = %s::xid8, ceiling = %s::xid8, last_id = %s, high_id = %s,"
            " seen_id = %s, moved_at = clock_timestamp() WHERE name = %s",
            [str(place.floor), str(place.ceiling), place.last_id, place.high_id, place.seen_id, place.name],
        )


def _open_window(place: Cursor) -> Cursor:
    # Materialized, or the planner answers min(id) by walking the whole log from its first id.
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH horizon AS MATERIALIZED (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid),"
            " news AS MATERIALIZED (SELECT e.id FROM events_event AS e"
            "  WHERE e.xid >= %s::xid8 AND e.xid < (SELECT xid FROM horizon))"
            " SELECT (SELECT xid FROM horizon)::text::bigint, min(id), max(id) FROM news",
            [str(place.floor)],
        )
        ceiling, low, high = cursor.fetchone()
    if low is None:
        return replace(place, floor=max(place.floor, ceiling), ceiling=max(place.floor, ceiling))
    return replace(place, ceiling=ceiling, last_id=low - 1, high_id=high)


def _read(place: Cursor, kinds: tuple[str, ...], limit: int) -> list[Event]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, kind, key, at, payload FROM events_event"
            " WHERE id > %s AND id <= %s AND xid >= %s::xid8 AND xid < %s::xid8 AND kind = ANY(%s)"
            " ORDER BY id LIMIT %s",
            [place.last_id, place.high_id, str(place.floor), str(place.ceiling), list(kinds), limit],
        )
        return [Event(id, kind, key, at, orjson.loads(payload)) for id, kind, key, at, payload in cursor]
