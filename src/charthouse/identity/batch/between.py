"""Pairs of rows that share no key, and yet are worth comparing: those between two groups that may be one person.

Of a person with many records some pairs agree in too little to share a key. Whether two groups are one is asked of
all their pairs, and not only of those that keys brought together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .judging import Judged
from .sieves import among
from .table import Ints, Longs

#: So many pairs a row are looked at beside those of the keys, on the average at the most.
_EACH = 15


def pairs_between(groups: Ints, judged: Judged, left: Ints, right: Ints, source: Ints | None) -> tuple[Ints, Ints]:
    """Pairs of rows, the lower first, of groups between which some pair came to "perhaps" or more, without the
    pairs ``left``, ``right``, which are in order; the groups of the surest pairs first. ``source``: only pairs of
    different sources."""
    size = len(groups)
    one, other, weight = _likely(groups, judged)
    order = np.argsort(groups, kind="stable").astype(np.int32)
    counts = np.bincount(groups, minlength=size)
    starts = np.cumsum(counts) - counts
    many = counts[one] * counts[other]
    surest = np.lexsort((other, one, -weight))
    surest = surest[many[surest] > 1]
    surest = surest[: int(np.searchsorted(np.cumsum(many[surest]), _EACH * size, side="right"))]
    one, other, many = one[surest], other[surest], many[surest]
    whose = np.repeat(np.arange(len(many)), many)
    within = np.arange(len(whose)) - np.repeat(np.cumsum(many) - many, many)
    wide = counts[other][whose]
    first = order[starts[one][whose] + within // wide]
    second = order[starts[other][whose] + within % wide]
    codes = np.unique(np.minimum(first, second).astype(np.int64) * size + np.maximum(first, second))
    codes = codes[~among(codes, left.astype(np.int64) * size + right)]
    low, high = (part.astype(np.int32) for part in np.divmod(codes, size))
    if source is not None:
        apart = source[low] != source[high]
        low, high = low[apart], high[apart]
    return low, high


def _likely(groups: Ints, judged: Judged) -> tuple[Longs, Longs, NDArray[np.float64]]:
    """Pairs of groups between which some pair may be one person, and the bits of the surest."""
    size = len(groups)
    a, b = groups[judged.pairs.left].astype(np.int64), groups[judged.pairs.right].astype(np.int64)
    some = (a != b) & (judged.linked | judged.review)
    codes, place = np.unique(np.minimum(a, b)[some] * size + np.maximum(a, b)[some], return_inverse=True)
    best = np.full(len(codes), -np.inf)
    np.maximum.at(best, place, judged.bits[some])
    one, other = np.divmod(codes, size)
    return one, other, best
