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
from typing import Self

import orjson
from django.db import connection

from .consumer import Consumer, Event, Start
from .snapshot import NOTHING, Snapshot


@dataclass(frozen=True, slots=True)
class Cursor:
    """A consumer's place in the log; see the table for the meaning of each."""

    name: str
    done: Snapshot
    window: Snapshot | None
    last_id: int
    high_id: int
    seen_id: int

    def past(self, piece: Piece) -> Self:
        """The place after ``piece`` was handed over; at the end of its window the window is done."""
        seen = max(self.seen_id, piece.events[-1].id) if piece.events else self.seen_id
        if piece.last_id is not None:
            return replace(self, last_id=piece.last_id, seen_id=seen)
        return replace(self, done=self.window or self.done, window=None, last_id=0, high_id=0, seen_id=seen)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some events of a window, and the last id that was looked at; None when the window ends with it."""

    events: list[Event]
    last_id: int | None


def has_news(consumer: Consumer) -> bool:
    """Whether there is anything to read or to try again; writes nothing, so that an idle reader costs nothing.

    A consumer without a place, or with other kinds than it had, is given its place first.
    """
    # Written so that only the index by transaction fits, whatever the planner believes of the table.
    kinds = orjson.dumps(sorted(consumer.kinds)).decode()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.reading IS NOT NULL"
            " OR (SELECT e.xid FROM events_event AS e ORDER BY e.xid DESC LIMIT 1) >= pg_snapshot_xmax(c.done)"
            " OR EXISTS (SELECT FROM pg_snapshot_xip(c.done) AS was (xid) WHERE was.xid ="
            "  (SELECT e.xid FROM events_event AS e WHERE e.xid >= was.xid ORDER BY e.xid LIMIT 1))"
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
    while True:
        if place.window is None:
            place = _open_window(place)
            if place.window is None:
                return place, []
        piece = _read(place, place.window, kinds, limit)
        place = place.past(piece)
        if piece.events:
            return place, piece.events


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
            "WITH news AS MATERIALIZED (SELECT e.id FROM events_event AS e"
            "  WHERE (e.xid >= %s::xid8 OR e.xid = ANY(%s::xid8[])) AND e.xid <> pg_current_xact_id())"
            " SELECT min(id), max(id), pg_current_snapshot()::text, pg_current_xact_id()::text::bigint FROM news",
            [str(place.done.xmax), [str(xid) for xid in place.done.running]],
        )
        low, high, text, own = cursor.fetchone()
    if low is None:
        return place
    return replace(place, window=Snapshot.parse(text).without(own), last_id=low - 1, high_id=high)


def _read(place: Cursor, window: Snapshot, kinds: tuple[str, ...], limit: int) -> Piece:
    # The slice is cut before it is sifted, or the planner sorts the whole window for each piece.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.id, e.kind, e.key, e.at, e.payload,"
            " NOT pg_visible_in_snapshot(e.xid, %s::pg_snapshot)"
            " AND pg_visible_in_snapshot(e.xid, %s::pg_snapshot) AND e.kind = ANY(%s)"
            " FROM events_event AS e WHERE e.id > %s AND e.id <= %s ORDER BY e.id LIMIT %s",
            [str(place.done), str(window), list(kinds), place.last_id, place.high_id, limit],
        )
        rows = cursor.fetchall()
    events = [
        Event(id, kind, key, at, orjson.loads(payload)) for id, kind, key, at, payload, wanted in rows if wanted
    ]
    return Piece(events, rows[-1][0] if len(rows) == limit else None)
