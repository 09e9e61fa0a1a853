"""Delete the index rows of versions that are no longer current.

Filing only adds rows: a search passes over those of earlier versions. What was superseded is noted when it happens
and swept when there is time, so that the index stays the size of the record as it stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from django.db import connection, transaction

from charthouse.record import schema

_BATCH = 1_000

# An array, because IN (SELECT … LIMIT) may be planned to be asked again, locks and all, for each row beside it.
_TAKE = """
DELETE FROM record_superseded WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM record_superseded ORDER BY type, resource LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING type, resource
"""
# The range lets the BRIN index find the pages in one pass; the list chooses within them.
_SWEEP = """
DELETE FROM {table} AS i USING record_resource AS r
WHERE i.type = %s AND i.resource BETWEEN %s AND %s AND i.resource = ANY(%s)
  AND r.type = %s AND r.id = i.resource AND i.version < r.version
"""


def sweep_index(told: Callable[[int], None] = lambda swept: None) -> int:
    """Sweep all that is noted as superseded, a batch a transaction; returns how many rows were deleted.

    ``told`` is called with the count so far. Safe beside filing and beside another sweep.
    """
    deleted = 0
    while taken := _sweep_batch():
        deleted += taken[1]
        told(deleted)
    return deleted


def _sweep_batch() -> tuple[int, int] | None:
    """How many resources and rows were swept; None where nothing is left."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, [_BATCH])
        by_type: dict[int, list[int]] = defaultdict(list)
        for type_id, resource in cursor.fetchall():
            by_type[type_id].append(resource)
        deleted = 0
        for type_id, resources in sorted(by_type.items()):
            for table in schema.INDEX_TABLES:
                cursor.execute(
                    _SWEEP.format(table=table), [type_id, min(resources), max(resources), resources, type_id]
                )
                deleted += cursor.rowcount
    count = sum(map(len, by_type.values()))
    return (count, deleted) if count else None
