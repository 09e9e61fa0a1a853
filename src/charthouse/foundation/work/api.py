"""Work items: one queue for everything that waits for a person.

An app declares its queues, opens an item where something must be done, and finishes it where it was done. Every
item says why it is here, under which rule, and when it is due.
"""

from __future__ import annotations

from charthouse.foundation.ledger.api import Subject

from .doing import assign, do_to_each, finish_item, hold, note, release, reopen, resume, take, take_next
from .items import (
    UNFINISHED,
    HistoryEntry,
    ItemChanged,
    ItemInUse,
    ItemNotFound,
    ItemState,
    NewItem,
    Priority,
    UnknownQueue,
    WorkError,
    WorkItem,
)
from .opening import end_holds, finish_by_dedupe, finish_many_by_dedupe, open_item, open_items
from .permissions import ASSIGN
from .queues import MACHINERY_QUEUE, Column, Queue, declare_queue, queue, queues, require_queue
from .reading import (
    MOST_COUNTED,
    Filters,
    Page,
    QueueCount,
    Resolution,
    Waiting,
    count,
    counts,
    describe,
    describe_all,
    history,
    item,
    items,
    overdue,
    resolution,
    rules_in,
    unfinished,
    waiting,
)
from .views import View, remove_view, save_view, views

#: the former name of Subject
ItemSubject = Subject

__all__ = [
    "ASSIGN",
    "MACHINERY_QUEUE",
    "MOST_COUNTED",
    "UNFINISHED",
    "Column",
    "Filters",
    "HistoryEntry",
    "ItemChanged",
    "ItemInUse",
    "ItemNotFound",
    "ItemState",
    "ItemSubject",
    "NewItem",
    "Page",
    "Priority",
    "Queue",
    "QueueCount",
    "Resolution",
    "Subject",
    "UnknownQueue",
    "View",
    "Waiting",
    "WorkError",
    "WorkItem",
    "assign",
    "count",
    "counts",
    "declare_queue",
    "describe",
    "describe_all",
    "do_to_each",
    "end_holds",
    "finish_by_dedupe",
    "finish_item",
    "finish_many_by_dedupe",
    "history",
    "hold",
    "item",
    "items",
    "note",
    "open_item",
    "open_items",
    "overdue",
    "queue",
    "queues",
    "release",
    "remove_view",
    "reopen",
    "require_queue",
    "resolution",
    "resume",
    "rules_in",
    "save_view",
    "take",
    "take_next",
    "unfinished",
    "views",
    "waiting",
]
