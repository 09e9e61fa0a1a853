"""Messages that could not be filed, as the screens list, show and mend them. Types only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from .provenance import Format, Original


class UnfiledState(StrEnum):
    """``WAITING`` for a person; ``FILED`` by a retry or a correction; ``REFUSED`` by a person, with a reason."""

    WAITING = "waiting"
    FILED = "filed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class UnfiledFilter:
    """Which to list; empty fields do not filter. ``since`` and ``until`` are days of arrival, both included."""

    state: UnfiledState | None = UnfiledState.WAITING
    connector: str = ""
    reason: str = ""
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class UnfiledRow:
    """One message in the list. ``kind`` is e.g. "ADT^A08" or "Bundle (transaction)"; ``reason`` is the sentence a
    person reads, ``reason_code`` what filters and counts go by; ``place`` is e.g. "PID-3.1" or "entry 4, code"."""

    id: int
    received: datetime
    connector: str
    sender: str
    format: Format
    kind: str
    control_id: str
    reason_code: str
    reason: str
    place: str = ""
    state: UnfiledState = UnfiledState.WAITING
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at filing it, newest first in a list."""

    at: datetime
    actor: str
    outcome: str
    reason: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """How a sender's messages are read where they do not say themselves: zone-less times (IANA name) and the
    character set when MSH-18 is empty."""

    name: str
    time_zone: str
    charset: str


@dataclass(frozen=True, slots=True)
class UnfiledMessage:
    """One unfiled message with its original (the place marked) and what was tried.

    ``editable`` is the text a person may correct, None where the bytes cannot be read as text. A correction
    never changes the original: it is a new original linked to this one (``corrections``; its own message
    carries ``corrects``).
    """

    row: UnfiledRow
    original: Original
    attempts: tuple[Attempt, ...]
    sender: SenderSettings
    editable: str | None = None
    corrects: int | None = None
    corrections: tuple[int, ...] = ()
    closed_reason: str = ""
    hints: tuple[str, ...] = field(default_factory=tuple)
    """What to do, in words, for the reason at hand."""


@dataclass(frozen=True, slots=True)
class UnfiledPage:
    """A page of the list, oldest first. ``next`` is the cursor of the following page, None at the end; ``total``
    counts what the filter selects; ``connectors`` and ``reasons`` are what may be filtered by."""

    rows: tuple[UnfiledRow, ...]
    next: str | None
    total: int
    connectors: tuple[str, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectorHealth:
    """How a connector fares: ``last`` is when the last message came, None when none ever did; ``today`` counts
    messages since midnight of the business day; ``waiting`` those received and not yet worked off; ``running`` is
    None for what runs only when somebody uses it."""

    name: str
    title: str
    last: datetime | None
    today: int
    waiting: int
    running: bool | None = None
