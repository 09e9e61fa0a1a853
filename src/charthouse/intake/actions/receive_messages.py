"""Keep messages, durably, before anybody is told that they arrived."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from charthouse.foundation.arrays import array
from charthouse.foundation.copying import blob, copy_in, int4, int8, next_numbers, row
from charthouse.intake.domain.arrival import Arrival, Receipt
from charthouse.intake.domain.naming import storable

_ARRIVED = """unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[],
    %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::text[]) WITH ORDINALITY AS
    a(source, connector, format, kind, control_id, batch, digest,
    size, received_at, occurred, corrects, keys, place)"""
_COLUMNS = """source, connector, format, kind, control_id, batch, digest, size, received_at, occurred, corrects,
    keys, state, state_at, duplicate_of, created, updated, unchanged, unfiled"""
_VALUES = """a.source, a.connector, a.format, a.kind, a.control_id, a.batch, a.digest, a.size, a.received_at,
    a.occurred, a.corrects, a.keys::bigint[]"""
_RECEIVE = f"""
INSERT INTO intake_message ({_COLUMNS})
SELECT {_VALUES}, 'received', a.received_at, NULL, 0, 0, 0, 0 FROM {_ARRIVED} ORDER BY a.place
ON CONFLICT (source, digest) WHERE duplicate_of IS NULL DO NOTHING RETURNING id, source, digest"""  # noqa: S608
_DUPLICATE = f"""
INSERT INTO intake_message ({_COLUMNS})
SELECT {_VALUES}, 'duplicate', a.received_at, m.id, 0, 0, 0, 0
FROM {_ARRIVED} JOIN intake_message m
    ON m.source = a.source AND m.digest = a.digest AND m.duplicate_of IS NULL
ORDER BY a.place RETURNING id, source, digest, duplicate_of"""  # noqa: S608


def receive_messages(cursor: Any, arrivals: Sequence[Arrival], *, queue: bool = True) -> list[Receipt]:
    """Keep ``arrivals`` in the caller's transaction; receipts in the same order.

    Bytes that the same sender sent before are noted as a duplicate and not kept again. With ``queue`` the new
    messages wait for the workers; without it the caller files them itself in this transaction.
    """
    first: dict[tuple[int, bytes], int] = {}
    for position, arrival in enumerate(arrivals):
        first.setdefault((arrival.source, arrival.digest), position)
    fresh = [arrivals[position] for position in first.values()]
    cursor.execute(_RECEIVE, _columns(fresh))
    numbers = {(source, bytes(digest)): number for number, source, digest in cursor.fetchall()}

    again = [
        position
        for position, arrival in enumerate(arrivals)
        if (key := (arrival.source, arrival.digest)) not in numbers or first[key] != position
    ]
    receipts: dict[int, Receipt] = {}
    if again:
        cursor.execute(_DUPLICATE, _columns([arrivals[position] for position in again]))
        earlier: dict[tuple[int, bytes], list[Receipt]] = {}
        for number, source, digest, original in cursor.fetchall():
            earlier.setdefault((source, bytes(digest)), []).append(Receipt(number, original))
        for position in again:
            arrival = arrivals[position]
            receipts[position] = earlier[(arrival.source, arrival.digest)].pop(0)
    kept = [position for position in range(len(arrivals)) if position not in receipts]
    count = sum(len(arrivals[position].originals) for position in kept)
    parts = iter(next_numbers(cursor, "intake_original_id_seq", count))
    originals: list[bytes] = []
    waiting: list[bytes] = []
    for position in kept:
        arrival = arrivals[position]
        message = numbers[(arrival.source, arrival.digest)]
        mine = tuple(islice(parts, len(arrival.originals)))
        receipts[position] = Receipt(message, originals=mine)
        originals.extend(
            row(int8(number), int8(message), int4(part.seq), int4(part.size), blob(part.body))
            for number, part in zip(mine, arrival.originals, strict=True)
        )
        if queue:
            waiting.extend(row(int8(message), int8(key)) for key in sorted(set(arrival.keys) or {message}))
    copy_in(cursor, "intake_original", ("id", "message", "seq", "size", "body"), originals)
    copy_in(cursor, "intake_queue", ("message", "key"), waiting)
    return [receipts[position] for position in range(len(arrivals))]


def _columns(arrivals: Sequence[Arrival]) -> list[list[Any]]:
    return [
        [each.source for each in arrivals],
        [each.connector.value for each in arrivals],
        [each.format.value for each in arrivals],
        [storable(each.kind, 64) for each in arrivals],
        [storable(each.control_id, 250) for each in arrivals],
        [storable(each.batch, 250) for each in arrivals],
        [each.digest for each in arrivals],
        [each.size for each in arrivals],
        [each.received_at for each in arrivals],
        [each.occurred for each in arrivals],
        [each.corrects for each in arrivals],
        [array(sorted(set(each.keys))) for each in arrivals],
    ]
