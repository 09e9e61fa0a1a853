"""Where an item came from: the message, how it travelled, and the very place in it. Types only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from charthouse.record.chart import UNKNOWN, When


class Format(StrEnum):
    """What the original is written in."""

    FHIR = "FHIR R4"
    HL7V2 = "HL7 v2"
    CDA = "C-CDA"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class OriginalLine:
    """One line of an original as a screen shows it: an HL7 v2 segment, or a line of indented JSON or XML.

    ``number`` counts from 1. ``marked`` lines are what the item came from; ``spans`` are the (start, end)
    character ranges within ``text`` that say more closely where, in order and without overlap.
    """

    number: int
    text: str
    marked: bool = False
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Original:
    """The original as text. ``omitted`` counts the characters left out of a very long one, never those of a
    marked line. ``charset`` is the character set it was read in."""

    format: Format
    lines: tuple[OriginalLine, ...]
    size: int
    sha256: str
    charset: str = "UTF-8"
    omitted: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an item. ``change`` says in words what made it: created, updated, retracted, …"""

    number: int
    recorded: datetime
    change: str
    actor: str
    message: int | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """The way of one version of an item into the record.

    Four times are kept apart: ``occurred`` (when it happened), ``authored`` (when it was written down),
    ``received`` (when the message arrived) and ``filed`` (when it was put in the record). ``original`` is None
    where the original was lawfully destroyed; ``destroyed`` then says when. ``entered_by`` is
    who entered it by hand.
    """

    type: str
    id: str
    version: int
    connector: str
    sender: str
    kind: str
    control_id: str
    message: int | None
    received: datetime | None
    filed: datetime
    occurred: When = UNKNOWN
    authored: When = UNKNOWN
    original: Original | None = None
    destroyed: datetime | None = None
    versions: tuple[Version, ...] = ()
    entered_by: str = ""
