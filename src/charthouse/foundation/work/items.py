"""What a work item is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from charthouse.foundation.ledger.api import Subject


class WorkError(Exception):
    """Work cannot be done as asked; the message says why and what to do."""


class ItemNotFound(WorkError):
    """There is no such item."""


class ItemInUse(WorkError):
    """Another person has the item."""


class ItemChanged(WorkError):
    """The item is no longer as the asker saw it."""


class UnknownQueue(WorkError):
    """No app declares this queue."""


class ItemState(StrEnum):
    """OPEN waits for anybody, TAKEN is with its owner, HELD waits for something outside, FINISHED is done."""

    OPEN = "open"
    TAKEN = "taken"
    HELD = "held"
    FINISHED = "finished"


UNFINISHED = (ItemState.OPEN, ItemState.TAKEN, ItemState.HELD)


class Priority(IntEnum):
    """How urgent, by the codes of FHIR's request-priority; the lowest number comes first."""

    STAT = 0
    ASAP = 1
    URGENT = 2
    ROUTINE = 3


@dataclass(frozen=True, slots=True)
class NewItem:
    """Work to be opened. ``dedupe`` names the matter: while an item of it is unfinished, there is no second.

    ``reason`` is a sentence without PHI; ``rule`` a code of the rule packs; ``due`` an aware instant of the
    business clock; ``detail`` holds ids and codes.
    """

    queue: str
    subject: Subject
    reason: str
    dedupe: str
    rule: str | None = None
    due: datetime | None = None
    priority: Priority = Priority.ROUTINE
    facility: int | None = None
    patient: str | None = None
    person: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One item as it stands. ``opened`` is the business clock's instant, ``opened_at`` the wall clock's."""

    id: int
    queue: str
    subject: Subject
    patient: str | None
    person: str | None
    reason: str
    rule: str | None
    due: datetime | None
    priority: Priority
    facility: int | None
    state: ItemState
    owner: str | None
    taken_at: datetime | None
    hold_reason: str | None
    hold_until: datetime | None
    outcome: str | None
    finished_at: datetime | None
    dedupe: str
    detail: Mapping[str, Any]
    version: int
    opened: datetime
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that happened to an item: who did what, when, and what was said with it."""

    at: datetime
    actor: str
    action: str
    note: str
    detail: Mapping[str, Any]
