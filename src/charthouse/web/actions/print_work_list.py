"""Printing a work list: what waits in a queue, in the order in which it is offered."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.work import api as work
from charthouse.web.printing import local_time
from charthouse.web.printing_parts import Cell

from .printed import Draft, Printed, set_print, write_down

MOST_ITEMS = 500
_STATES = {
    work.ItemState.OPEN: "Waits for anybody",
    work.ItemState.TAKEN: "Taken",
    work.ItemState.HELD: "On hold",
    work.ItemState.FINISHED: "Finished",
}


def print_work_list(
    ctx: AccessContext, queue: str, items: Sequence[work.WorkItem] | None = None, shown: str = ""
) -> Printed:
    """A queue's items as a table, for use here; without ``items`` all that wait, up to MOST_ITEMS.

    ``shown`` says in words which items these are ("Overdue, unassigned"). Raises PermissionRefused, UnknownQueue.
    """
    declared = work.queue(queue)
    require(ctx, declared.permission)
    more = False
    if items is None:
        page = work.items(ctx, queue, limit=MOST_ITEMS)
        items, more = page.items, page.next is not None
    left_out = [f"more than the first {MOST_ITEMS} items wait; the others are not listed."] if more else []
    told = work.describe_all(ctx, queue, items)
    columns = (("What", 4), ("Why it is here", 6), ("Rule", 3), ("Due", 3), ("State", 3))
    parts = (
        [
            {
                "kind": "listing",
                "columns": columns,
                "rows": [{"cells": _cells(item, told[item.id])} for item in items],
            }
        ]
        if items
        else [{"kind": "empty", "text": "Nothing waits here."}]
    )
    count = "1 item" if len(items) == 1 else f"{len(items)} items"
    about = ", ".join(filter(None, (shown, count)))
    draft = Draft(
        "web/work_list",
        declared.title,
        {"about": about[:1].upper() + about[1:], "parts": parts, "left_out": left_out},
    )
    printed = set_print(ctx, draft, None)
    persons = {item.person for item in items if item.person}
    subjects = [Subject("person", person) for person in sorted(persons)]
    subjects += [Subject("work-item", str(item.id)) for item in items]
    return write_down(ctx, "work.print", printed, subjects=subjects, detail={"queue": queue, "items": len(items)})


def _cells(item: work.WorkItem, told: str) -> tuple[Cell, ...]:
    zone = ZoneInfo(configuration().time_zone)
    due: Cell = {"text": "no date"}
    if item.due:
        late = item.state is not work.ItemState.HELD and item.due < clock.now()
        due = {"text": local_time(item.due, zone), "danger": late, "soft": "overdue" if late else ""}
    held = item.hold_reason or ""
    if item.hold_until:
        held = f"{held} until {local_time(item.hold_until, zone)}".strip()
    return (
        told,
        item.reason,
        {"text": item.rule or "–"},
        due,
        {"text": _STATES[item.state], "soft": held or item.owner or ""},
    )
