"""From pairs to persons: no bare chain of links, but groups that agree as a whole.

Pairs are taken from the surest on. Two groups become one where their members agree on the average and no two of
them are in conflict; where every person has one record a source, a group never holds two of one, but for those that
are evidently one record written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .table import Ints
from .weighing import Floats

#: The most and the least a pair counts for in the mean of two groups; a pair that was not even compared counts
#: least.
_MOST, _LEAST = 15.0, -8.0


@dataclass(slots=True)
class Groups:
    """``of``: row to the number of its group. ``left_out``: places of the pairs that were to be linked and were
    not."""

    of: Ints
    left_out: list[int] = field(default_factory=list)


def group(
    size: int,
    left: Ints,
    right: Ints,
    weight: Floats,
    linked: Sequence[bool],
    conflict: Sequence[bool],
    source: Ints | None = None,
    *,
    margin: float = 0.0,
    twice: Ints | None = None,
) -> Groups:
    """Groups of rows. ``weight``: bits of every pair that was looked at; ``linked``: whether the pair may be
    linked; ``conflict``: whether it never may. ``source``: at most one row of each in a group, and the best
    partner must lead the next by ``margin``. ``twice``: for each row the first of its source that is the same
    record, itself for most; such rows are one from the start."""
    known = dict(zip((left.astype(np.int64) * size + right).tolist(), range(len(left)), strict=True))
    members: dict[int, list[int]] = {}
    home = list(range(size)) if twice is None else twice.tolist()
    for row, first in enumerate(home):
        if row != first:
            members.setdefault(first, [first]).append(row)
    out: list[int] = []
    close = _close_rivals(left, right, weight, linked, source, margin, twice) if source is not None else None
    chosen = np.flatnonzero(np.asarray(linked, dtype=bool))
    order = chosen[np.lexsort((right[chosen], left[chosen], -weight[chosen]))]
    bits = np.clip(weight, _LEAST, _MOST)
    for place in order.tolist():
        a, b = home[left[place]], home[right[place]]
        if a == b:
            continue
        if close is not None and close[place]:
            out.append(place)
            continue
        mine, theirs = members.get(a, [a]), members.get(b, [b])
        if len(mine) * len(theirs) > 1 and not _agree(mine, theirs, known, bits, conflict, size):
            out.append(place)
            continue
        if source is not None and not {source[row] for row in mine}.isdisjoint({source[row] for row in theirs}):
            out.append(place)
            continue
        if len(mine) < len(theirs):
            a, b, mine, theirs = b, a, theirs, mine
        members[a] = mine + theirs
        members.pop(b, None)
        for row in theirs:
            home[row] = a
    return Groups(np.array(home, dtype=np.int32), out)


def _agree(
    mine: list[int], theirs: list[int], known: dict[int, int], bits: Floats, conflict: Sequence[bool], size: int
) -> bool:
    total = 0.0
    for one in mine:
        for other in theirs:
            place = known.get(min(one, other) * size + max(one, other))
            if place is None:
                total += _LEAST
            elif conflict[place]:
                return False
            else:
                total += float(bits[place])
    return total >= 0


def _close_rivals(
    left: Ints,
    right: Ints,
    weight: Floats,
    linked: Sequence[bool],
    source: Ints,
    margin: float,
    twice: Ints | None,
) -> list[bool]:
    """Pairs one of whose rows has another partner, of the same source, that is nearly as good; not where it
    leads. Rows that are one record are no rivals, and what one of them agrees in speaks for the other."""
    if twice is None:
        return list(np.asarray(linked, dtype=bool) & (weight - rivals(left, right, weight, source) < margin))
    a, b = twice[left].astype(np.int64), twice[right].astype(np.int64)
    _, first, place = np.unique(
        np.minimum(a, b) * len(twice) + np.maximum(a, b), return_index=True, return_inverse=True
    )
    best = np.full(len(first), -np.inf)
    np.maximum.at(best, place, weight)
    lead = best - rivals(twice[left[first]], twice[right[first]], best, source)
    return list(np.asarray(linked, dtype=bool) & (lead[place] < margin))


def rivals(left: Ints, right: Ints, weight: Floats, source: Ints) -> Floats:
    """For each pair the weight of the best other pair that one of its rows has with the source of the other row."""
    if not len(left):
        return np.empty(0)
    many = int(source.max()) + 1
    row = np.concatenate((left, right)).astype(np.int64)
    other = np.concatenate((right, left))
    slot, doubled = row * many + source[other], np.concatenate((weight, weight))
    order = np.lexsort((-doubled, slot))
    slots, weights = slot[order], doubled[order]
    starts = np.flatnonzero(np.concatenate(([True], slots[1:] != slots[:-1])))
    sizes = np.diff(np.append(starts, len(slots)))
    best = np.repeat(weights[starts], sizes)
    second = np.repeat(np.where(sizes > 1, weights[np.minimum(starts + 1, len(slots) - 1)], -np.inf), sizes)
    is_best = np.zeros(len(slots), dtype=bool)
    is_best[starts] = True
    found = np.empty(len(slots))
    found[order] = np.where(is_best, second, best)
    return np.maximum(found[: len(left)], found[len(left) :])
