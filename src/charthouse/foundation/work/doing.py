"""What people do with items. Each act checks the right, writes once, and stands in the history and the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, may, require
from charthouse.foundation.clock import now
from charthouse.foundation.ledger import api as ledger

from .items import ItemChanged, ItemInUse, ItemNotFound, ItemState, WorkError, WorkItem
from .permissions import ASSIGN
from .queues import queue as queue_of
from .queues import require_queue
from .rows import ADD_HISTORY, COLUMNS, add_history, fetch, history_row


def take(ctx: AccessContext, id: int, *, version: int | None = None) -> WorkItem:
    """Make an open item the asker's own; taking one's own again changes nothing.

    Raises ItemInUse when another has it, WorkError when it is held by none or finished.
    """
    with _locked(ctx, id, version) as item:
        if item.owner == ctx.actor and item.state is ItemState.TAKEN:
            return item
        _refuse_others(ctx, item)
        if item.state is not ItemState.OPEN:
            raise WorkError(f"Item {id} is {item.state}, so it cannot be taken.")
        return _write(ctx, item, "take", {"state": "taken", "owner": ctx.actor, "taken_at": _WALL})


def take_next(ctx: AccessContext, queue: str) -> WorkItem | None:
    """Take the item that should come next: most urgent, soonest due, oldest; None when none waits.

    Items another is taking at this moment are passed over, so two people never get the same one.
    """
    require_queue(ctx, queue)
    with transaction.atomic():
        found = fetch(
            f"SELECT {COLUMNS} FROM work_item WHERE queue = %s AND state = 'open'"  # noqa: S608
            " AND (%s OR facility IS NULL OR facility = ANY(%s))"
            " ORDER BY priority, coalesce(due, 'infinity'::timestamptz), id LIMIT 1 FOR UPDATE SKIP LOCKED",
            [queue, not ctx.facilities, list(ctx.facilities)],
        )
        if not found:
            return None
        return _write(ctx, found[0], "take", {"state": "taken", "owner": ctx.actor, "taken_at": _WALL})


def release(ctx: AccessContext, id: int, note: str = "", *, version: int | None = None) -> WorkItem:
    """Give an item back to the queue. Another's item is given back only by who may assign."""
    with _locked(ctx, id, version) as item:
        _refuse_others(ctx, item)
        _refuse_finished(item)
        return _write(
            ctx,
            item,
            "release",
            {"state": "open", "owner": None, "taken_at": None, "hold_reason": None, "hold_until": None},
            note,
        )


def assign(ctx: AccessContext, id: int, to: str, note: str = "", *, version: int | None = None) -> WorkItem:
    """Give an item to the user ``to``. Raises PermissionRefused unless the asker may assign, or takes it
    himself."""
    if to != ctx.actor:
        require(ctx, ASSIGN)
    with _locked(ctx, id, version) as item:
        _refuse_others(ctx, item)
        _refuse_finished(item)
        changes = {"owner": to, "taken_at": _WALL}
        if item.state is ItemState.OPEN:
            changes["state"] = "taken"
        return _write(ctx, item, "assign", changes, note, {"to": to, "from": item.owner})


def hold(
    ctx: AccessContext, id: int, reason: str, until: datetime | None = None, *, version: int | None = None
) -> WorkItem:
    """Put an item by while something outside is awaited; it comes back at ``until`` (business clock, aware)."""
    if not reason.strip():
        raise WorkError("Say what is awaited: an item is held for a reason.")
    if until is not None and until.tzinfo is None:
        raise ValueError("The end of a hold needs a time zone.")
    if until is not None and until <= now():
        raise WorkError("The end of the hold is past; choose a later one.")
    with _locked(ctx, id, version) as item:
        _refuse_others(ctx, item)
        _refuse_finished(item)
        return _write(
            ctx,
            item,
            "hold",
            {"state": "held", "hold_reason": reason, "hold_until": until},
            reason,
            {"until": until.isoformat() if until else None},
        )


def resume(ctx: AccessContext, id: int, note: str = "", *, version: int | None = None) -> WorkItem:
    """End a hold before its time: back to the owner, or to the queue where there is none."""
    with _locked(ctx, id, version) as item:
        _refuse_others(ctx, item)
        if item.state is not ItemState.HELD:
            raise WorkError(f"Item {id} is {item.state}, so there is no hold to end.")
        state = "open" if item.owner is None else "taken"
        return _write(ctx, item, "resume", {"state": state, "hold_reason": None, "hold_until": None}, note)


def finish_item(ctx: AccessContext, item_id: int, outcome: str, *, version: int | None = None) -> WorkItem:
    """Finish an item with an outcome (a code or a short phrase without PHI). Raises ItemInUse for another's."""
    if not outcome.strip():
        raise WorkError("Say with which outcome the item is finished.")
    with _locked(ctx, item_id, version) as item:
        _refuse_by_hand(item, "finished by deciding it: open it")
        _refuse_others(ctx, item)
        _refuse_finished(item)
        return _write(
            ctx,
            item,
            "finish",
            {
                "state": "finished",
                "outcome": outcome,
                "finished_at": _WALL,
                "owner": item.owner or ctx.actor,
                "hold_reason": None,
                "hold_until": None,
            },
            outcome,
        )


def reopen(ctx: AccessContext, id: int, note: str, *, version: int | None = None) -> WorkItem:
    """Open a finished item again, for anybody. Raises WorkError when a newer item of the same matter is
    unfinished."""
    if not note.strip():
        raise WorkError("Say why the item is opened again.")
    with _locked(ctx, id, version) as item:
        _refuse_by_hand(item, "opened again by undoing what was decided")
        if item.state is not ItemState.FINISHED:
            raise WorkError(f"Item {id} is {item.state}; only a finished item is opened again.")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM work_item WHERE queue = %s AND dedupe = %s AND state IN ('open', 'taken', 'held')",
                [item.queue, item.dedupe],
            )
            newer = cursor.fetchone()
        if newer:
            raise WorkError(f"Item {newer[0]} is about the same matter and unfinished: go on with that one.")
        return _write(
            ctx,
            item,
            "reopen",
            {"state": "open", "owner": None, "taken_at": None, "outcome": None, "finished_at": None},
            note,
        )


def note(ctx: AccessContext, id: int, text: str) -> WorkItem:
    """Add a note to an item's history; anyone who works the queue may."""
    if not text.strip():
        raise WorkError("The note is empty.")
    with _locked(ctx, id, None) as item:
        return _write(ctx, item, "note", {}, text)


def do_to_each(
    queue: str, chosen: Iterable[tuple[int, int]], act: Callable[[int, int], WorkItem]
) -> tuple[int, list[str]]:
    """Do one act (given an id and the version seen) to several items of a queue, in one transaction; how many it
    was done to, and why not to the others, which stay as they are. Raises PermissionRefused.

    Items are locked in the order of their ids, so that two people who act on the same ones wait for each other and
    never in a circle. An act that raises must leave nothing behind, as those of this module do.
    """
    done, refused = 0, []
    with transaction.atomic(), ledger.together():
        chosen = sorted(chosen)
        here = _in_queue(queue, [id for id, _ in chosen])
        for id, version in chosen:
            try:
                if id not in here:
                    raise ItemNotFound(f"There is no item {id} in this queue.")
                act(id, version)
                done += 1
            except WorkError as error:
                refused.append(str(error))
    return done, refused


def _in_queue(queue: str, ids: list[int]) -> set[int]:
    """Those of ``ids`` that are items of ``queue``; an item stays in its queue."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM work_item WHERE queue = %s AND id = ANY(%s)", [queue, ids])
        return {id for (id,) in cursor.fetchall()}


#: stands for the database's present instant among the changes
_WALL = object()


@contextmanager
def _locked(ctx: AccessContext, id: int, version: int | None) -> Iterator[WorkItem]:
    # Acts refuse before they write, so a savepoint within a transaction would protect nothing.
    with nullcontext() if connection.in_atomic_block else transaction.atomic():
        found = fetch(f"SELECT {COLUMNS} FROM work_item WHERE id = %s FOR UPDATE", [id])  # noqa: S608
        if not found:
            raise ItemNotFound(f"There is no work item {id}.")
        item = found[0]
        require_queue(ctx, item.queue)
        if version is not None and version != item.version:
            raise ItemChanged(f"Item {id} was changed by somebody else meanwhile. Look at it again.")
        yield item


def _refuse_others(ctx: AccessContext, item: WorkItem) -> None:
    if item.owner is not None and item.owner != ctx.actor and not may(ctx, ASSIGN):
        if item.state is ItemState.FINISHED:
            return
        raise ItemInUse(
            f"Item {item.id} is with {item.owner}. Ask them to give it back, or a manager to reassign it."
        )


def _refuse_by_hand(item: WorkItem, how: str) -> None:
    if queue_of(item.queue).by_decision:
        raise WorkError(f"An item of “{queue_of(item.queue).title}” is {how}.")


def _refuse_finished(item: WorkItem) -> None:
    if item.state is ItemState.FINISHED:
        raise WorkError(f"Item {item.id} is finished already ({item.outcome}). Reopen it to go on with it.")


def _write(
    ctx: AccessContext,
    item: WorkItem,
    action: str,
    changes: Mapping[str, Any],
    note: str = "",
    detail: Mapping[str, Any] | None = None,
) -> WorkItem:
    """Write the changes, the history and the ledger's entry; the item as it then stands."""
    sets = [f"{name} = clock_timestamp()" if value is _WALL else f"{name} = %s" for name, value in changes.items()]
    values = [value for value in changes.values() if value is not _WALL]
    if changes:
        sets.append("version = version + 1")
        (item,) = fetch(
            f"WITH changed AS (UPDATE work_item SET {', '.join(sets)} WHERE id = %s RETURNING {COLUMNS}),"  # noqa: S608
            f" told AS ({ADD_HISTORY}) SELECT {COLUMNS} FROM changed",
            [*values, item.id, *history_row(item.id, ctx.actor, action, note, detail)],
        )
    else:
        add_history(item.id, ctx.actor, action, note, detail)
    subjects = [ledger.Subject("work-item", str(item.id))]
    if item.patient:
        subjects.append(ledger.Subject("patient", item.patient))
    ledger.append(ctx, f"work.{action}", subjects=subjects, detail={"queue": item.queue})
    return item
