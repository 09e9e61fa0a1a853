"""A message ready to be sent, and the connector it goes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Way(Enum):
    """The connector a message is sent to."""

    MLLP = "mllp"
    FOLDER = "folder"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send: its number at the sender, the sender as intake names it, and the bytes."""

    number: str
    sender: str
    way: Way
    data: bytes
