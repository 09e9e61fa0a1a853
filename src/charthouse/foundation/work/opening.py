"""Opening work, and closing it by its matter. Called by actions and pumps, in their transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction

from charthouse.foundation.clock import now
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.prepared import prepared

from .items import NewItem, Priority
from .queues import queue as queue_of

_OPEN = """
WITH news AS MATERIALIZED (
  SELECT * FROM unnest((SELECT %s::text[]), %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                       %s::timestamptz[], %s::smallint[], %s::integer[], %s::text[], %s::text[])
    AS n (queue, dedupe, subject_kind, subject_id, patient, person, reason, due, priority, facility, rule, detail)
), before AS MATERIALIZED (
  SELECT w.* FROM work_item AS w JOIN news AS n USING (queue, dedupe) WHERE w.state IN ('open', 'taken', 'held')
), written AS (
  INSERT INTO work_item (queue, dedupe, subject_kind, subject_id, patient, person, reason, due, priority, facility,
                         rule, detail, opened)
  SELECT queue, dedupe, subject_kind, subject_id, patient, person, reason, due, priority, facility, rule,
         detail::jsonb, %s
    FROM news ORDER BY queue, dedupe
  ON CONFLICT (queue, dedupe) WHERE state IN ('open', 'taken', 'held') DO UPDATE SET
    reason = excluded.reason, rule = excluded.rule, due = excluded.due, priority = excluded.priority,
    detail = excluded.detail,
    version = work_item.version + (
      (work_item.reason, work_item.rule, work_item.due, work_item.priority, work_item.detail)
      IS DISTINCT FROM
      (excluded.reason, excluded.rule, excluded.due, excluded.priority, excluded.detail))::integer
  RETURNING id, queue, dedupe, reason, rule, due, priority, detail, version, xmax = 0 AS fresh
), told AS (
  INSERT INTO work_history (item_id, actor, action, note, detail)
  SELECT w.id, %s, CASE WHEN w.fresh THEN 'opened' ELSE 'changed' END, w.reason, '{}'
    FROM written AS w LEFT JOIN before AS b ON b.id = w.id
   WHERE w.fresh
      OR (w.version > 1 AND (w.reason, w.rule, w.due, w.priority, w.detail)
          IS DISTINCT FROM (b.reason, b.rule, b.due, b.priority, b.detail))
)
SELECT queue, dedupe, id FROM written
"""


def open_item(
    queue: str,
    *,
    subject: Subject,
    reason: str,
    dedupe: str,
    rule: str | None = None,
    due: datetime | None = None,
    priority: Priority = Priority.ROUTINE,
    facility: int | None = None,
    patient: str | None = None,
    person: str | None = None,
    detail: Mapping[str, Any] | None = None,
    opened_by: str = "system",
) -> int:
    """Open an item, or bring the unfinished one of the same matter up to date; returns its id.

    An item that exists keeps its state and owner; reason, rule, due, priority and detail become the newest.
    Raises UnknownQueue.
    """
    item = NewItem(queue, subject, reason, dedupe, rule, due, priority, facility, patient, person, detail or {})
    return open_items([item], opened_by=opened_by)[0]


def open_items(items: Iterable[NewItem], *, opened_by: str = "system") -> list[int]:
    """Open many in one round trip, under the rules of :func:`open_item`; ids in the order given."""
    given = list(items)
    if not given:
        return []
    # The last word on a matter counts; the statement may name each matter only once.
    rows = list({(item.queue, item.dedupe): item for item in given}.values())
    for code in {row.queue for row in rows}:
        queue_of(code)
    for row in rows:
        if row.due is not None and row.due.tzinfo is None:
            raise ValueError(f"The due instant of {row.queue}/{row.dedupe} has no time zone.")
    written = prepared(
        _OPEN,
        [
            [row.queue for row in rows],
            [row.dedupe for row in rows],
            [row.subject.kind for row in rows],
            [row.subject.id for row in rows],
            [row.patient for row in rows],
            [row.person for row in rows],
            [row.reason for row in rows],
            [row.due for row in rows],
            [int(row.priority) for row in rows],
            [row.facility for row in rows],
            [row.rule for row in rows],
            [orjson.dumps(dict(row.detail)).decode() for row in rows],
            now(),
            opened_by,
        ],
    )
    ids = {(queue, dedupe): id for queue, dedupe, id in written}
    return [ids[item.queue, item.dedupe] for item in given]


def finish_by_dedupe(queue: str, dedupe: str, outcome: str, *, finished_by: str = "system") -> int | None:
    """Finish the unfinished item of a matter, whoever has it; its id, or None where there is none.

    For the action that settles the matter itself, wherever the person stood when settling it.
    """
    return finish_many_by_dedupe(queue, [dedupe], outcome, finished_by=finished_by).get(dedupe)


def finish_many_by_dedupe(
    queue: str, dedupes: Iterable[str], outcome: str, *, finished_by: str = "system"
) -> dict[str, int]:
    """Finish the unfinished items of many matters in one round trip; the ids of those there were, by matter."""
    queue_of(queue)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "WITH found AS (SELECT id FROM work_item WHERE queue = %s AND dedupe = ANY(%s)"
            "  AND state IN ('open', 'taken', 'held') ORDER BY dedupe FOR UPDATE),"
            " done AS (UPDATE work_item AS w SET state = 'finished', outcome = %s, finished_at = clock_timestamp(),"
            "  hold_reason = NULL, hold_until = NULL, version = version + 1"
            "  FROM found WHERE w.id = found.id RETURNING w.id, w.dedupe),"
            " told AS (INSERT INTO work_history (item_id, actor, action, note, detail)"
            "  SELECT id, %s, 'finished', %s, '{}' FROM done) SELECT dedupe, id FROM done",
            [queue, list(dedupes), outcome, finished_by, outcome],
        )
        return dict(cursor.fetchall())


def end_holds() -> int:
    """Give back items whose hold is over, to their owner or to all; returns how many. Run by the worker."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH over AS (UPDATE work_item SET state = CASE WHEN owner IS NULL THEN 'open' ELSE 'taken' END,"
            " hold_reason = NULL, hold_until = NULL, version = version + 1"
            " WHERE state = 'held' AND hold_until <= %s RETURNING id),"
            " told AS (INSERT INTO work_history (item_id, actor, action, note, detail)"
            " SELECT id, 'system', 'hold ended', '', '{}' FROM over) SELECT count(*) FROM over",
            [now()],
        )
        return int(cursor.fetchone()[0])
