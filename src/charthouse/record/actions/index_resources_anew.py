"""Make the search index anew from the resources as they stand, after a change of what is searched.

A batch a transaction, its resources locked: searches see the old rows or the new ones, filing waits for the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson
from django.db import connection, transaction

from charthouse.exchange.fhir.api import encounter_of, extract, patient_of
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.copying import MINUS_INFINITY, UNIX_EPOCH, copy_in
from charthouse.foundation.ledger.api import append
from charthouse.record import schema
from charthouse.record.domain.index_rows import COLUMNS, complete, render
from charthouse.record.domain.packing import decompress
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.queries import types_present

_BATCH = 1_000

# NO KEY UPDATE is what filing takes, too; the times as microseconds, none where there is no date.
_TAKE = """
SELECT r.id, r.version, r.labels, r.type,
       CASE WHEN isfinite(r.main_low) THEN (extract(epoch FROM r.main_low) * 1000000)::bigint END, v.content
  FROM record_resource r
  JOIN record_version v ON v.type = r.type AND v.resource = r.id AND v.version = r.version
 WHERE r.type = %s AND v.type = %s AND r.id > %s
 ORDER BY r.id LIMIT %s FOR NO KEY UPDATE OF r
"""
_FORGET = "DELETE FROM {table} WHERE type = %s AND resource BETWEEN %s AND %s AND resource = ANY(%s)"


def index_resources_anew(
    ctx: AccessContext, kinds: Iterable[str] = (), told: Callable[[int], None] = lambda done: None
) -> int:
    """Index all resources of these types, of all there are unless given; how many there were.

    Broken off, it may be done again. Raises KeyError for what is no type of FHIR R4.
    """
    numbers = [TYPE_ID[kind] for kind in kinds] or [TYPE_ID[kind] for kind in types_present()]
    done = 0
    for number in numbers:
        last = 0
        while (taken := _index_batch(number, last)) is not None:
            last, count = taken
            done += count
            told(done)
    append(ctx, "record.index", detail={"resources": done})
    return done


def _index_batch(number: int, after: int) -> tuple[int, int] | None:
    """The last row of a batch and how many it had; None where nothing is left."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, [number, number, after, _BATCH])
        records = cursor.fetchall()
        if not records:
            return None
        index: dict[str, list[bytes]] = {table: [] for table in COLUMNS}
        for row, version, labels, kind, main, content in records:
            resource = orjson.loads(decompress(content))
            rows = extract(resource, patient_of(resource), encounter_of(resource))
            at = MINUS_INFINITY if main is None else main - UNIX_EPOCH
            complete(render(rows, labels=labels, type_id=kind), index, resource=row, at=at, version=version)
        ids = [record[0] for record in records]
        for table in schema.INDEX_TABLES:
            cursor.execute(_FORGET.format(table=table), [number, ids[0], ids[-1], ids])
            copy_in(cursor, table, COLUMNS[table], index[table])
    return ids[-1], len(ids)
