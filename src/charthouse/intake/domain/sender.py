"""Who sends messages."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Sender:
    """A sending system: its number, its name, the zone its times without offset are in, and the charset of its
    HL7 messages without MSH-18 (empty: told by the bytes)."""

    id: int
    name: str
    zone: ZoneInfo
    charset: str = ""
