"""Work items: one queue for everything that waits for a person.

An app declares its queues, opens an item where something must be done, and finishes it where it was done. Every
item says why it is here, under which rule, and when it is due.
"""

from __future__ import annotations

from charthouse.foundation.ledger.api import Subject

from .doing import assign, finish_item, hold, note, release, reopen, resume, take, take_next
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
from .queues import MACHINERY_QUEUE, Queue, declare_queue, queue, queues
from .reading import Filters, Page, QueueCount, counts, describe, history, item, items

#: the former name of Subject
ItemSubject = Subject

__all__ = [
    "ASSIGN",
    "MACHINERY_QUEUE",
    "UNFINISHED",
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
    "Subject",
    "UnknownQueue",
    "WorkError",
    "WorkItem",
    "assign",
    "counts",
    "declare_queue",
    "describe",
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
    "queue",
    "queues",
    "release",
    "reopen",
    "resume",
    "take",
    "take_next",
]
