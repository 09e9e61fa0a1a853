"""In which order the parts of a chart stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import yaml

from .facts import EncounterKind
from .pieces import pieces

_DATA = Path(__file__).parent.parent / "data" / "chart_orders.yaml"


@cache
def default_orders() -> Mapping[EncounterKind, tuple[str, ...]]:
    """The order by kind of encounter before a site changes it, every piece in it. Raises ValueError for a piece
    that there is not, or that stands twice."""
    told = yaml.safe_load(_DATA.read_text("utf-8"))
    return {kind: whole(told[kind.value]) for kind in EncounterKind}


def whole(given: Sequence[str]) -> tuple[str, ...]:
    """An order with every piece in it: what it does not name stands behind, in the order of the pieces.

    Raises ValueError for a piece that there is not, or that stands twice.
    """
    unknown = [each for each in given if each not in pieces()]
    if unknown:
        raise ValueError(f"There is no piece {unknown[0]!r}.")
    if len(set(given)) < len(given):
        raise ValueError("A piece stands twice in the order.")
    return (*given, *(each for each in pieces() if each not in given))


def known(given: Iterable[str]) -> tuple[str, ...]:
    """A kept order without what is no piece any more, and with what became one since."""
    return whole([each for each in dict.fromkeys(given) if each in pieces()])


def moved(order: Sequence[str], slug: str, by: int) -> tuple[str, ...]:
    """The order with a piece moved by so many places, at most to its beginning or end. Raises ValueError for a
    piece that is not in it."""
    at = list(order).index(slug)
    rest = [each for each in order if each != slug]
    to = min(max(at + by, 0), len(rest))
    return (*rest[:to], slug, *rest[to:])
