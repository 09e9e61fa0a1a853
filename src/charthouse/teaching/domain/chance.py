"""Chance that comes out the same: one generator for each purpose, seeded by words."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def chance(*parts: object) -> Random:
    """A generator of its own for ``parts``, such as seed, purpose and patient number."""
    return Random("/".join(str(part) for part in parts))  # noqa: S311 (invented people, not secrets)


def weighted(rng: Random, items: Sequence[tuple[T, float]]) -> T:
    """One of the items by weight. Raises IndexError for none."""
    point = rng.random() * sum(weight for _, weight in items)
    for item, weight in items:
        point -= weight
        if point < 0:
            return item
    return items[-1][0]
