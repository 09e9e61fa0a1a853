"""Which encounters news touches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection

from charthouse.foundation.clock import now
from charthouse.foundation.rulepacks.api import parameter
from charthouse.record.api import TYPE_ID, decompress, encounters_since

NIGHTLY = "completion.nightly"
_ENCOUNTER = TYPE_ID["Encounter"]
#: What rules look at; a result or a vital sign makes no difference to a chart's completion.
_LOOKED_AT = [
    TYPE_ID[each]
    for each in (
        "Encounter",
        "DocumentReference",
        "Composition",
        "DiagnosticReport",
        "Media",
        "Consent",
        "Procedure",
        "ServiceRequest",
        "MedicationRequest",
        "Condition",
        "Specimen",
    )
]
_NAMED = re.compile(rb'"Encounter/([A-Za-z0-9.-]{1,64})"')

# Each with the version that was brought first.
_BROUGHT = """
SELECT r.type, r.id, r.encounter, min(v.version) FROM record_version v
  JOIN record_resource r ON r.type = v.type AND r.id = v.resource
 WHERE v.message = ANY(%s) AND v.type = ANY(%s) AND r.patient IS NOT NULL GROUP BY 1, 2, 3
"""
# Of an act it is not told which version it made; a document that is corrected here has few.
_DOCUMENTS = """
SELECT r.type, r.id, r.encounter, CASE r.version WHEN 1 THEN 1 ELSE 2 END FROM record_resource r
 WHERE (r.type, r.public_id) IN (SELECT * FROM unnest(%s::smallint[], %s::text[]))
"""
_VERSIONS_BEFORE = """
SELECT v.content FROM unnest(%s::smallint[], %s::bigint[], %s::integer[]) AS c (type, id, version)
  JOIN record_resource r ON r.type = c.type AND r.id = c.id
  JOIN record_version v ON v.type = c.type AND v.resource = c.id
   AND v.version >= c.version - 1 AND v.version < r.version
"""


def touched_by_messages(messages: Sequence[int]) -> set[int]:
    """The rows of the encounters that these messages brought or their resources name, now or in any version from
    the one before the message on: what was moved is lacking where it was, though it was moved on since."""
    if not messages:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_BROUGHT, [list(messages), _LOOKED_AT])
        return _touched(cursor, cursor.fetchall())


def touched_by_documents(documents: Iterable[tuple[str, str]]) -> set[int]:
    """The rows of the encounters to which these documents ``(type, id)`` belong, or ever belonged."""
    wanted = sorted(documents)
    if not wanted:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_DOCUMENTS, [[TYPE_ID[kind] for kind, _ in wanted], [id for _, id in wanted]])
        return _touched(cursor, cursor.fetchall())


def _touched(cursor: Any, found: Sequence[tuple[int, int, int | None, int]]) -> set[int]:
    rows = {row for kind, row, _, _ in found if kind == _ENCOUNTER}
    rows |= {encounter for _, _, encounter, _ in found if encounter is not None}
    changed = [(kind, row, since) for kind, row, _, since in found if since > 1 and kind != _ENCOUNTER]
    if not changed:
        return rows
    cursor.execute(_VERSIONS_BEFORE, [list(each) for each in zip(*changed, strict=True)])
    ids = {id.decode() for (content,) in cursor.fetchall() for id in _NAMED.findall(decompress(content))}
    if ids:
        cursor.execute(
            "SELECT id FROM record_resource WHERE type = %s AND public_id = ANY(%s)", [_ENCOUNTER, sorted(ids)]
        )
        rows |= {row for (row,) in cursor.fetchall()}
    return rows


def looked_at_nightly() -> list[int]:
    """The rows of the encounters whose chart is not complete, and of those that last or ended lately."""
    since = now() - timedelta(days=int(parameter(NIGHTLY, "days")))
    with connection.cursor() as cursor:
        cursor.execute("SELECT encounter FROM completion_chart WHERE state IN ('incomplete', 'delinquent')")
        undone = {row for (row,) in cursor.fetchall()}
    return sorted(undone.union(encounters_since(since)))
