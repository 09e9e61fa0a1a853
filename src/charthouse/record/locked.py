"""Which documents are not their senders' to change any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .domain.documents import ADDED


def locked_here(cursor: Any, keys: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Of documents (type number, row), those that were signed or corrected here: their senders no longer change
    them."""
    if not keys:
        return set()
    kinds, rows = [kind for kind, _ in keys], [row for _, row in keys]
    cursor.execute(
        "WITH asked AS (SELECT * FROM unnest(%s::smallint[], %s::bigint[]) AS a (type, resource)) "
        "SELECT a.type, a.resource FROM asked a WHERE EXISTS (SELECT FROM record_signature s "
        "WHERE s.type = a.type AND s.resource = a.resource AND s.message = 0) OR EXISTS ("
        "SELECT FROM record_correction c JOIN record_correction_decision d ON d.correction_id = c.id "
        "WHERE c.type = a.type AND c.resource = a.resource AND d.outcome = 'done' AND c.kind <> ALL(%s))",
        [kinds, rows, [each.value for each in ADDED]],
    )
    return {(kind, row) for kind, row in cursor.fetchall()}
