"""Who reads events: a name, the kinds it wants, and what it does with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of news as it was told."""

    id: int
    kind: str
    key: str
    at: datetime
    payload: Mapping[str, Any]


Handler = Callable[[Sequence[Event]], None]


class Start(StrEnum):
    """Where a consumer begins that was never run before."""

    BEGINNING = "beginning"
    NOW = "now"


@dataclass(frozen=True, slots=True)
class Consumer:
    """A reader of events.

    ``handler`` gets a batch in order and writes in the transaction in which the cursor moves, so that its writes
    are done once. It must bear a repeat all the same (a batch that fails is given again, event by event; a restored
    database may repeat some), and it must do nothing outside the database. A kind added later is read from where
    the consumer stands.
    """

    name: str
    kinds: tuple[str, ...]
    handler: Handler
    start: Start = Start.BEGINNING
    attempts: int = 5

    def __post_init__(self) -> None:
        if not self.kinds:
            raise ValueError(f"The consumer {self.name} names no kind of event.")
        if self.attempts < 1:
            raise ValueError(f"The consumer {self.name} needs at least one attempt.")


_consumers: dict[str, Consumer] = {}


def register(consumer: Consumer) -> Consumer:
    """Make a consumer known to the worker. Raises ValueError when its name is taken by another."""
    if _consumers.setdefault(consumer.name, consumer) != consumer:
        raise ValueError(f"There are two consumers called {consumer.name}.")
    return consumer


def registered() -> tuple[Consumer, ...]:
    """The consumers the worker runs, by name."""
    return tuple(_consumers[name] for name in sorted(_consumers))
