"""What a verification found, in a form for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class DamageKind(StrEnum):
    """What was done to the ledger."""

    EDITED = "edited"
    REMOVED = "removed"
    ADDED = "added"
    TRUNCATED = "truncated"
    SUBJECT = "subject"
    SEAL = "seal"
    HEADS = "heads"


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was written. What is not known, because it is gone, is None."""

    kind: DamageKind
    words: str
    round: int | None = None
    lane: int | None = None
    seq: int | None = None
    at: datetime | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Resumption:
    """A time when somebody accepted the database as it stood."""

    at: datetime
    round: int
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """The result of :func:`verify`.

    ``checked`` entries in ``rounds`` rounds were compared with their seals in ``seconds``. ``unsealed`` entries,
    the oldest written at ``unsealed_since``, are not protected yet. ``unsigned`` says that the last round awaits
    its head, as after a crash of the sealer. ``damage`` holds the first findings, ``damage_count`` counts all.
    """

    checked: int
    rounds: int
    unsealed: int
    unsealed_since: datetime | None
    unsigned: bool
    damage: tuple[Damage, ...]
    damage_count: int
    resumptions: tuple[Resumption, ...]
    seconds: float

    @property
    def is_whole(self) -> bool:
        return self.damage_count == 0

    @property
    def first(self) -> Damage | None:
        """The earliest finding: by round, then by lane and number."""
        return self.damage[0] if self.damage else None

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "whole": self.is_whole,
            "checked": self.checked,
            "rounds": self.rounds,
            "unsealed": self.unsealed,
            "unsealed_since": self.unsealed_since.isoformat() if self.unsealed_since else None,
            "unsigned": self.unsigned,
            "damage_count": self.damage_count,
            "damage": [
                {
                    "kind": found.kind.value,
                    "words": found.words,
                    "round": found.round,
                    "lane": found.lane,
                    "seq": found.seq,
                    "at": found.at.isoformat() if found.at else None,
                    "action": found.action,
                }
                for found in self.damage
            ],
            "resumptions": [
                {"at": each.at.isoformat(), "round": each.round, "reason": each.reason} for each in self.resumptions
            ],
            "seconds": round(self.seconds, 3),
        }


class Findings:
    """Collects damage: keeps the first ones of a great many, counts all."""

    KEPT = 100

    def __init__(self) -> None:
        self._kept: list[Damage] = []
        self.count = 0

    @property
    def is_full(self) -> bool:
        """Whether more are only counted, so that their wording need not be looked up."""
        return len(self._kept) >= self.KEPT

    def add(self, damage: Damage, *, times: int = 1) -> None:
        self.count += times
        if not self.is_full:
            self._kept.append(damage)

    def in_order(self) -> tuple[Damage, ...]:
        """By round (those of no round last), then lane and number."""
        last = float("inf")
        return tuple(
            sorted(
                self._kept,
                key=lambda found: (
                    last if found.round is None else found.round,
                    -1 if found.lane is None else found.lane,
                    -1 if found.seq is None else found.seq,
                ),
            )
        )
