"""Looking at work."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import now

from .items import UNFINISHED, HistoryEntry, ItemNotFound, ItemState, WorkError, WorkItem
from .queues import Queue, queues, require_queue
from .queues import queue as queue_of
from .rows import COLUMNS, fetch

_ORDER = "priority, coalesce(due, 'infinity'::timestamptz), id"
_FAR = "infinity"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which items of a queue; None means any. ``due_from`` (inclusive) and ``due_before`` (exclusive) are aware
    instants of the business clock. Only unfinished items may be asked for together."""

    states: Collection[ItemState] = UNFINISHED
    owner: str | None = None
    facility: int | None = None
    patient: str | None = None
    person: str | None = None
    rule: str | None = None
    subject_kind: str | None = None
    subject_id: str | None = None
    due_from: datetime | None = None
    due_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Items in the order they are offered (finished ones: the last finished first), and the cursor of the next
    page, None at the end."""

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
    conditions, values = _where(ctx, queue, chosen)
    finished = set(chosen.states) == {ItemState.FINISHED}
    if finished:
        order = "finished_at DESC, id DESC"
        if cursor is not None:
            conditions.append("(finished_at, id) < (%s::timestamptz, %s)")
            values.extend(_finished_place(cursor))
    else:
        order = _ORDER
        if cursor is not None:
            conditions.append(f"({_ORDER}) > (%s, %s::timestamptz, %s)")
            values.extend(_place(cursor))
    found = fetch(
        f"SELECT {COLUMNS} FROM work_item WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT %s",  # noqa: S608
        [*values, limit + 1],
    )
    page = tuple(found[:limit])
    if len(found) <= limit:
        return Page(page, None)
    return Page(page, _finished_cursor(page[-1]) if finished else _cursor(page[-1]))


def count(ctx: AccessContext, queue: str, filters: Filters, *, most: int = 1000) -> int:
    """How many items of a queue the filters leave; ``most`` + 1 where there are more than ``most``."""
    require_queue(ctx, queue)
    conditions, values = _where(ctx, queue, filters)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT FROM work_item WHERE {' AND '.join(conditions)} LIMIT %s) AS n",  # noqa: S608
            [*values, most + 1],
        )
        return int(cursor.fetchone()[0])


def _where(ctx: AccessContext, queue: str, chosen: Filters) -> tuple[list[str], list[Any]]:
    # States are said in the words of the partial indexes, so that the planner sees which one serves.
    states = ", ".join(f"'{state.value}'" for state in ItemState if state in set(chosen.states))
    conditions = ["queue = %s", f"state IN ({states or 'NULL'})"]
    values: list[Any] = [queue]
    if set(chosen.states) <= set(UNFINISHED):
        conditions.append("state IN ('open', 'taken', 'held')")
    for column in ("owner", "facility", "patient", "person", "rule", "subject_kind", "subject_id"):
        value = getattr(chosen, column)
        if value is not None:
            conditions.append(f"{column} = %s")
            values.append(value)
    if chosen.due_from is not None or chosen.due_before is not None:
        conditions.append("due IS NOT NULL")
    if chosen.due_from is not None:
        conditions.append("due >= %s")
        values.append(chosen.due_from)
    if chosen.due_before is not None:
        conditions.append("due < %s")
        values.append(chosen.due_before)
    if ctx.facilities:
        conditions.append("(facility IS NULL OR facility = ANY(%s))")
        values.append(list(ctx.facilities))
    return conditions, values


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


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much of a queue waits, each number counted no further than ``MOST_COUNTED``."""

    queue: Queue
    unfinished: int
    overdue: int
    unassigned: int
    mine: int
    held: int


#: A reader needs no more to see that a queue is long, and no queue is counted further.
MOST_COUNTED = 1999
#: What may be overdue, in the words of its index.
_LATE = "state IN ('open', 'taken', 'held') AND state <> 'held' AND due IS NOT NULL"
_FACILITY = "(%(all)s OR facility IS NULL OR facility = ANY(%(facilities)s))"


def _counted(condition: str) -> str:
    # Who sees few facilities looks at theirs and at what belongs to none, each in its place of the index.
    each = f"SELECT FROM work_item WHERE queue = q.code AND {condition}"
    return (
        f"(SELECT count(*) FROM ({each} AND (%(all)s OR facility = ANY(%(facilities)s))"  # noqa: S608
        f" UNION ALL {each} AND NOT %(all)s AND facility IS NULL LIMIT %(most)s) AS n)"
    )


_WAITING = (
    "SELECT q.code, "  # noqa: S608
    + ", ".join(
        _counted(condition)
        for condition in (
            "state IN ('open', 'taken', 'held')",
            f"{_LATE} AND due < %(now)s",
            "state IN ('open', 'taken', 'held') AND state = 'open'",
            "state IN ('open', 'taken', 'held') AND owner = %(actor)s",
            "state IN ('open', 'taken', 'held') AND state = 'held'",
        )
    )
    + " FROM unnest(%(queues)s::text[]) AS q (code)"
)
_UNFINISHED = (
    "SELECT q.code, "  # noqa: S608
    + _counted("state IN ('open', 'taken', 'held')")
    + " FROM unnest(%(queues)s::text[]) AS q (code)"
)


def waiting(ctx: AccessContext, queue: str | None = None) -> tuple[Waiting, ...]:
    """What waits in the asker's queues, by title, or in one of them. The time it takes does not grow with the
    queues: nothing is counted beyond ``MOST_COUNTED`` + 1. Raises PermissionRefused, UnknownQueue."""
    mine = queues(ctx) if queue is None else (require_queue(ctx, queue),)
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, _asked(ctx, mine, MOST_COUNTED))
        found = {code: numbers for code, *numbers in cursor}
    return tuple(Waiting(each, *found[each.code]) for each in mine)


def unfinished(ctx: AccessContext, *, most: int = 999) -> tuple[tuple[Queue, int], ...]:
    """The asker's queues by title, each with its unfinished items, counted no further than ``most`` + 1."""
    mine = queues(ctx)
    with connection.cursor() as cursor:
        cursor.execute(_UNFINISHED, _asked(ctx, mine, most))
        found = dict(cursor.fetchall())
    return tuple((each, found[each.code]) for each in mine)


def overdue(ctx: AccessContext, *, limit: int = 20) -> tuple[WorkItem, ...]:
    """What is past due across the asker's queues, held items left aside, the longest overdue first."""
    return tuple(
        fetch(
            f"SELECT w.* FROM unnest(%(queues)s::text[]) AS q (code), LATERAL (SELECT {COLUMNS}"  # noqa: S608
            f" FROM work_item WHERE queue = q.code AND {_LATE} AND due < %(now)s AND {_FACILITY}"
            " ORDER BY due, id LIMIT %(most)s) AS w ORDER BY w.due, w.id LIMIT %(most)s",
            _asked(ctx, queues(ctx), limit - 1),
        )
    )


def _asked(ctx: AccessContext, asked: Sequence[Queue], most: int) -> dict[str, Any]:
    return {
        "queues": [each.code for each in asked],
        "now": now(),
        "actor": ctx.actor,
        "all": not ctx.facilities,
        "facilities": list(ctx.facilities),
        "most": most + 1,
    }


def rules_in(ctx: AccessContext, queue: str) -> tuple[str, ...]:
    """The rules that unfinished items of a queue are under, by code."""
    require_queue(ctx, queue)
    # Leaps from one code to the next along the index, so that it costs as many look-ups as there are rules.
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE found AS ("
            " (SELECT rule FROM work_item WHERE queue = %(queue)s AND state IN ('open', 'taken', 'held')"
            "   AND rule IS NOT NULL ORDER BY rule LIMIT 1)"
            " UNION ALL SELECT (SELECT rule FROM work_item WHERE queue = %(queue)s"
            "   AND state IN ('open', 'taken', 'held') AND rule IS NOT NULL AND rule > found.rule"
            "   ORDER BY rule LIMIT 1) FROM found WHERE found.rule IS NOT NULL"
            ") SELECT rule FROM found WHERE rule IS NOT NULL",
            {"queue": queue},
        )
        return tuple(rule for (rule,) in cursor)


def describe_all(ctx: AccessContext, queue: str, items: Sequence[WorkItem]) -> dict[int, str]:
    """The subjects of a page of items of one queue, in words this asker may read, by item."""
    asked = require_queue(ctx, queue)
    told = dict(asked.describe_page(ctx, items)) if asked.describe_page else {}
    return {each.id: told.get(each.id) or _told(ctx, asked, each) for each in items}


def _told(ctx: AccessContext, queue: Queue, item: WorkItem) -> str:
    return queue.describe(ctx, item) if queue.describe else f"{item.subject.kind} {item.subject.id}"


def describe(ctx: AccessContext, item: WorkItem) -> str:
    """The item's subject in words this asker may read; its kind and id where the queue has no words for it."""
    return describe_all(ctx, item.queue, [item])[item.id]


def _cursor(item: WorkItem) -> str:
    due = item.due.astimezone(UTC).isoformat() if item.due else _FAR
    return base64.urlsafe_b64encode(f"{int(item.priority)}|{due}|{item.id}".encode()).decode().rstrip("=")


def _finished_cursor(item: WorkItem) -> str:
    at = item.finished_at.astimezone(UTC).isoformat() if item.finished_at else ""
    return base64.urlsafe_b64encode(f"{at}|{item.id}".encode()).decode().rstrip("=")


def _finished_place(cursor: str) -> tuple[str, int]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        at, id = text.split("|")
        return datetime.fromisoformat(at).isoformat(), int(id)
    except (ValueError, binascii.Error):
        raise WorkError("This page of the queue cannot be found; begin again at the first.") from None


def _place(cursor: str) -> tuple[int, str, int]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        priority, due, id = text.split("|")
        if due != _FAR:
            datetime.fromisoformat(due)
        return int(priority), due, int(id)
    except (ValueError, binascii.Error):
        raise WorkError("This page of the queue cannot be found; begin again at the first.") from None


@dataclass(frozen=True, slots=True)
class Resolution:
    """How long the items of a queue took from opening to the end: how many, the median and the slowest tenth's
    beginning, None where none was finished."""

    finished: int
    median: timedelta | None
    slowest: timedelta | None


def resolution(queue: str, since: datetime) -> Resolution:
    """How long those took that were finished since then. Says nothing of any item, so it asks for no right."""
    queue_of(queue)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY finished_at - opened_at),"
            " percentile_cont(0.9) WITHIN GROUP (ORDER BY finished_at - opened_at)"
            " FROM work_item WHERE queue = %s AND state = 'finished' AND finished_at >= %s",
            [queue, since],
        )
        return Resolution(*cursor.fetchone())
