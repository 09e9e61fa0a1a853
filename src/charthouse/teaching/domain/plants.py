"""Errors planted on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from .answers import Answer
from .feed import Feed, Message
from .items import Item, Stay
from .population import Person

if TYPE_CHECKING:
    from .hospital import Hospital


@dataclass(slots=True)
class Planted:
    items: list[Item]
    answers: list[Answer] = field(default_factory=list)
    extra: list[Callable[[Feed], Message]] = field(default_factory=list)

    def messages(self, feed: Feed) -> list[Message]:
        return [each(feed) for each in self.extra]


def near_misses(person: Person, stays: list[Stay], anchor: datetime) -> list[Answer]:
    return []


def plant(hospital: Hospital, person: Person, stays: list[Stay], items: list[Item]) -> Planted:
    return Planted(items)
