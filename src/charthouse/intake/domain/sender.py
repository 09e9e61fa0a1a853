"""Who sends messages."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Sender:
    """A sending system: its number, its name, and the zone its times without offset are in."""

    id: int
    name: str
    zone: ZoneInfo
