"""Where else bytes of a chart lie: apps above say so, and destroy their part in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Going:
    """The chart that is destroyed: its source patients, and the (message, original) pairs its versions came from.

    ``others`` are originals from which versions came that stay, of another patient. ``items`` are the (type, row)
    of what goes where that is not the whole chart."""

    destruction: int
    patients: Sequence[int]
    origins: frozenset[tuple[int, int]]
    others: frozenset[int]
    items: tuple[tuple[int, int], ...] | None = None


class Leave(Protocol):
    """Write tombstones of (item, bytes) that the keeper is about to destroy."""

    def __call__(self, kind: str, items: Sequence[tuple[int, bytes]]) -> None: ...


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who keeps bytes of charts. ``objects`` says why they cannot go now (empty for nothing), ``destroy`` lets them
    go and answers how many there were."""

    name: str
    objects: Callable[[Any, Going], str]
    destroy: Callable[[Any, Going, Leave], int]


_keepers: dict[str, Keeper] = {}


def declare_keeper(keeper: Keeper) -> None:
    """Make a keeper known; once a process for each name."""
    _keepers[keeper.name] = keeper


def keepers() -> Sequence[Keeper]:
    return tuple(_keepers.values())
