"""Rows of the work tables to values and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from django.db import connection

from charthouse.foundation.ledger.api import Subject

from .items import ItemState, Priority, WorkItem

COLUMNS = (
    "id, queue, subject_kind, subject_id, patient, person, reason, rule, due, priority, facility, state, owner,"
    " taken_at, hold_reason, hold_until, outcome, finished_at, dedupe, detail, version, opened, opened_at"
)


def to_item(row: Sequence[Any]) -> WorkItem:
    """A row of COLUMNS as an item."""
    id, queue, kind, subject, patient, person, reason, rule, due, priority, facility, state, *rest = row
    owner, taken_at, hold_reason, hold_until, outcome, finished_at, dedupe, detail, version, opened, opened_at = (
        rest
    )
    return WorkItem(
        id=id,
        queue=queue,
        subject=Subject(kind, subject),
        patient=patient,
        person=person,
        reason=reason,
        rule=rule,
        due=due,
        priority=Priority(priority),
        facility=facility,
        state=ItemState(state),
        owner=owner,
        taken_at=taken_at,
        hold_reason=hold_reason,
        hold_until=hold_until,
        outcome=outcome,
        finished_at=finished_at,
        dedupe=dedupe,
        detail=orjson.loads(detail),
        version=version,
        opened=opened,
        opened_at=opened_at,
    )


def fetch(sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[WorkItem]:
    """Run a query or a statement that returns COLUMNS."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [to_item(row) for row in cursor]


def add_history(
    item: int, actor: str, action: str, note: str = "", detail: Mapping[str, Any] | None = None
) -> None:
    """Add what happened, in the current transaction."""
    with connection.cursor() as cursor:
        cursor.execute(ADD_HISTORY, history_row(item, actor, action, note, detail))


#: Adds the row that :func:`history_row` gives.
ADD_HISTORY = "INSERT INTO work_history (item_id, actor, action, note, detail) VALUES (%s, %s, %s, %s, %s::jsonb)"


def history_row(
    item: int, actor: str, action: str, note: str, detail: Mapping[str, Any] | None
) -> tuple[int, str, str, str, str]:
    """What happened to an item as a row of its history."""
    return item, actor, action, note, orjson.dumps(dict(detail or {})).decode()
