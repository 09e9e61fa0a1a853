"""A message as a connector hands it over, before anything is known of whom it is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec


class Connector(StrEnum):
    """The way a message came in."""

    FILES = "files"
    FOLDER = "folder"
    MLLP = "mllp"
    HTTP = "http"
    FORM = "form"
    API = "api"


class Part(StrEnum):
    """What of intake runs by itself, as :mod:`charthouse.foundation.presence` knows it."""

    MLLP = "intake-mllp"
    FOLDER = "intake-folder"
    FILING = "intake-filing"


class Format(StrEnum):
    """What a message is written in."""

    FHIR = "fhir"
    HL7V2 = "hl7v2"
    CDA = "cda"


class OriginalPart(msgspec.Struct, frozen=True, gc=False):
    """One original: its place in the message (see Original.seq), its size in bytes and its stored form."""

    seq: int
    size: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message to keep. ``keys`` are hashes of the patients it is about, for the order of filing; ``digest`` is
    the SHA-256 of its bytes; ``batch`` names the file or request it came in; ``corrects`` is the
    message this is a corrected copy of."""

    source: int
    connector: Connector
    format: Format
    kind: str
    digest: bytes
    size: int
    received_at: datetime
    originals: tuple[OriginalPart, ...]
    keys: tuple[int, ...] = ()
    control_id: str = ""
    batch: str = ""
    occurred: datetime | None = None
    corrects: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an arrival: the number it is kept under, the numbers of its originals (in their order) where
    they were asked for, and the earlier message with the same bytes."""

    message: int
    duplicate_of: int | None = None
    originals: tuple[int, ...] = ()
