"""Looking at work."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import now

from .items import UNFINISHED, HistoryEntry, ItemNotFound, ItemState, WorkError, WorkItem
from .queues import Queue, queues, require_queue
from .rows import COLUMNS, fetch

_ORDER = "priority, coalesce(due, 'infinity'::timestamptz), id"
_FAR = "infinity"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which items of a queue; None means any. ``due_before`` is an aware instant of the business clock."""

    states: Collection[ItemState] = UNFINISHED
    owner: str | None = None
    facility: int | None = None
    patient: str | None = None
    person: str | None = None
    rule: str | None = None
    subject_kind: str | None = None
    subject_id: str | None = None
    due_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Items in the order they are offered, and the cursor of the next page, None at the end."""

    items: tuple[WorkItem, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many unfinished items a queue holds. ``overdue`` counts open and taken ones past due; ``mine`` the
    asker's."""

    queue: Queue
    open: int
    taken: int
    held: int
    overdue: int
    mine: int

    @property
    def unfinished(self) -> int:
        return self.open + self.taken + self.held


def item(ctx: AccessContext, id: int) -> WorkItem:
    """One item. Raises ItemNotFound, PermissionRefused."""
    found = fetch(f"SELECT {COLUMNS} FROM work_item WHERE id = %s", [id])  # noqa: S608
    if not found:
        raise ItemNotFound(f"There is no work item {id}.")
    require_queue(ctx, found[0].queue)
    return found[0]


def items(
    ctx: AccessContext, queue: str, filters: Filters | None = None, cursor: str | None = None, *, limit: int = 50
) -> Page:
    """A page of a queue: most urgent first, then soonest due, then oldest. Raises PermissionRefused, UnknownQueue.

    Pages follow on without gaps or repeats while items come and go, because a cursor is a place in the order.
    """
    require_queue(ctx, queue)
    chosen = filters or Filters()
    conditions = ["queue = %s", "state = ANY(%s)"]
    values: list[Any] = [queue, [str(state) for state in chosen.states]]
    if set(chosen.states) <= set(UNFINISHED):
        # Said again in the words of the partial indexes.
        conditions.append("state IN ('open', 'taken', 'held')")
    for column in ("owner", "facility", "patient", "person", "rule", "subject_kind", "subject_id"):
        value = getattr(chosen, column)
        if value is not None:
            conditions.append(f"{column} = %s")
            values.append(value)
    if chosen.due_before is not None:
        conditions.append("due < %s")
        values.append(chosen.due_before)
    if ctx.facilities:
        conditions.append("(facility IS NULL OR facility = ANY(%s))")
        values.append(list(ctx.facilities))
    if cursor is not None:
        conditions.append(f"({_ORDER}) > (%s, %s::timestamptz, %s)")
        values.extend(_place(cursor))
    found = fetch(
        f"SELECT {COLUMNS} FROM work_item WHERE {' AND '.join(conditions)} ORDER BY {_ORDER} LIMIT %s",  # noqa: S608
        [*values, limit + 1],
    )
    page = tuple(found[:limit])
    return Page(page, _cursor(page[-1]) if len(found) > limit else None)


def history(ctx: AccessContext, id: int) -> tuple[HistoryEntry, ...]:
    """What happened to an item, oldest first."""
    item(ctx, id)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, actor, action, note, detail FROM work_history WHERE item_id = %s ORDER BY id", [id]
        )
        return tuple(
            HistoryEntry(at, actor, action, note, orjson.loads(detail))
            for at, actor, action, note, detail in cursor
        )


def counts(ctx: AccessContext) -> tuple[QueueCount, ...]:
    """The asker's queues, by title, with how much each holds, the empty ones too."""
    mine = queues(ctx)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT queue, count(*) FILTER (WHERE state = 'open'), count(*) FILTER (WHERE state = 'taken'),"
            " count(*) FILTER (WHERE state = 'held'), count(*) FILTER (WHERE state <> 'held' AND due < %s),"
            " count(*) FILTER (WHERE owner = %s)"
            " FROM work_item WHERE state IN ('open', 'taken', 'held') AND queue = ANY(%s)"
            " AND (%s OR facility IS NULL OR facility = ANY(%s)) GROUP BY queue",
            [now(), ctx.actor, [queue.code for queue in mine], not ctx.facilities, list(ctx.facilities)],
        )
        found = {code: numbers for code, *numbers in cursor}
    return tuple(QueueCount(queue, *found.get(queue.code, [0] * 5)) for queue in mine)


def describe(ctx: AccessContext, item: WorkItem) -> str:
    """The item's subject in words this asker may read; its kind and id where the queue has no words for it."""
    queue = require_queue(ctx, item.queue)
    return queue.describe(ctx, item) if queue.describe else f"{item.subject.kind} {item.subject.id}"


def _cursor(item: WorkItem) -> str:
    due = item.due.astimezone(UTC).isoformat() if item.due else _FAR
    return base64.urlsafe_b64encode(f"{int(item.priority)}|{due}|{item.id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[int, str, int]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        priority, due, id = text.split("|")
        if due != _FAR:
            datetime.fromisoformat(due)
        return int(priority), due, int(id)
    except (ValueError, binascii.Error):
        raise WorkError("This page of the queue cannot be found; begin again at the first.") from None
