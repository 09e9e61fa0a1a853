"""The foundation's tables, gathered from its parts, where Django looks for them."""

from __future__ import annotations

from .disclosure.models import Disclosure, DisclosureItem
from .events.models import Event, EventCluster, EventCursor, EventParked
from .files.models import File
from .jobs.models import JobProgress
from .ledger.models import LedgerEntry, LedgerSeal, LedgerSubject
from .outbox.models import OutboxMessage
from .work.models import WorkHistory, WorkItem

__all__ = [
    "Disclosure",
    "DisclosureItem",
    "Event",
    "EventCluster",
    "EventCursor",
    "EventParked",
    "File",
    "JobProgress",
    "LedgerEntry",
    "LedgerSeal",
    "LedgerSubject",
    "OutboxMessage",
    "WorkHistory",
    "WorkItem",
]
