"""The foundation's tables, gathered from its parts."""

from __future__ import annotations

from .events.models import Event, EventCluster, EventCursor, EventParked
from .files.models import File
from .jobs.models import JobProgress
from .outbox.models import OutboxMessage
from .work.models import WorkHistory, WorkItem

__all__ = [
    "Event",
    "EventCluster",
    "EventCursor",
    "EventParked",
    "File",
    "JobProgress",
    "OutboxMessage",
    "WorkHistory",
    "WorkItem",
]
