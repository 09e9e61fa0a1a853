"""What persons said of the documents of a chart goes with the chart when it is destroyed, and so does its work."""

from __future__ import annotations

from typing import Any

from charthouse.record.api import TYPE_NAME, Going, Keeper, Leave, declare_keeper

from ._classifying import known

_GO = """
DELETE FROM completion_document_piece p USING record_resource r
 WHERE r.type = p.type AND r.id = p.resource AND r.patient = ANY(%s)
"""
_WAITING = """
SELECT r.type, r.public_id FROM record_resource r JOIN work_item w
    ON w.queue = 'completion.unclassified' AND w.state IN ('open', 'taken', 'held')
   AND split_part(w.dedupe, '/', 2) = r.public_id
 WHERE r.patient = ANY(%s)
"""


def register() -> None:
    """Tell the record what lies here of charts."""
    declare_keeper(Keeper("pieces", _objects, _destroy))


def _objects(cursor: Any, going: Going) -> str:
    return ""


def _destroy(cursor: Any, going: Going, leave: Leave) -> int:
    cursor.execute(_WAITING, [list(going.patients)])
    known((f"{TYPE_NAME[kind]}/{id}" for kind, id in cursor.fetchall()), "It was destroyed with its chart.")
    cursor.execute(_GO, [list(going.patients)])
    return int(cursor.rowcount)
