"""What keeps an entry from being taken, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .person import Person


class FrontdeskError(Exception):
    """The entry cannot be taken; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Differing:
    """One thing as it was when the form was opened, as it is now, and as it was typed."""

    title: str
    opened: str
    now: str
    typed: str


class ChangedMeanwhile(FrontdeskError):
    """Somebody else changed the same person since the form was opened. ``merged`` is the person as it is now
    with what was typed here over it, ``version`` what that stands on."""

    def __init__(self, differing: Sequence[Differing], merged: Person, version: str) -> None:
        super().__init__("This was changed since you opened it. Look at both, and send it again.")
        self.merged = merged
        self.differing = tuple(differing)
        self.version = version
