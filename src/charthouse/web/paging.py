"""Part of a long list, and the way to what comes after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SIZE = 100


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of ``total``, the first of them number ``start`` (from 0). ``next`` is where the following page
    starts, None at the end."""

    rows: Sequence[Any]
    start: int
    total: int

    @property
    def next(self) -> int | None:
        after = self.start + len(self.rows)
        return after if after < self.total else None


def page_of(rows: Sequence[Any], start: str | None, size: int = SIZE) -> Page:
    """The page that starts at ``start`` as an address gives it; the first for anything that is no such number."""
    first = int(start) if start and start.isascii() and start.isdigit() else 0
    if first >= len(rows):
        first = 0
    return Page(rows[first : first + size], first, len(rows))
