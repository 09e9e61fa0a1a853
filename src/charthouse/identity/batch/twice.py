"""Records that stand twice in a source of which it is said that nobody does: seldom, but then evidently.

Even a census counts some people at two addresses. Left apart, the two are each other's rivals, and neither finds
its partner in the other source.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from charthouse.identity.domain.dates import MALFORMED
from charthouse.identity.domain.decision import Thresholds
from charthouse.identity.domain.model import Model

from .judging import judge_pairs
from .table import Ints, Table

#: So many of one name, birth date and source are no record written twice.
_MOST = 4


def written_twice(table: Table, model: Model, source: Ints, thresholds: Thresholds) -> Ints:
    """For each row the first row of its source that is the same record; itself where there is none.

    The same given and family name, and birth date to the day, and ``thresholds.twice`` bits without a conflict."""
    first = np.arange(table.size, dtype=np.int32)
    left, right = _namesakes(table, source)
    if len(left):
        judged = judge_pairs(table, model, left, right, replace(thresholds, same=thresholds.twice))
        one = judged.linked & ~judged.conflict
        # The lower row comes first, so that a third finds where the second went.
        for low, high in zip(judged.pairs.left[one].tolist(), judged.pairs.right[one].tolist(), strict=True):
            first[high] = min(first[high], first[low])
    return first


def _namesakes(table: Table, source: Ints) -> tuple[Ints, Ints]:
    """Pairs of rows of one source with the same names and birth date."""
    birth = table.birth.of
    known = (birth >= 0) & (table.given_word >= 0) & (table.family_word >= 0)
    to_the_day = np.array([len(each) == 10 and each[0] != MALFORMED for each in table.birth.values] + [False])
    rows = np.flatnonzero(known & to_the_day[birth])
    columns = np.stack((source[rows], table.given_word[rows], table.family_word[rows], birth[rows]))
    order = np.lexsort(columns)
    rows, columns = rows[order], columns[:, order]
    starts = np.flatnonzero(np.concatenate(([True], (columns[:, 1:] != columns[:, :-1]).any(axis=0))))
    sizes = np.diff(np.append(starts, len(rows)))
    pairs: list[NDArray[np.int64]] = [np.empty((0, 2), np.int64)]
    for many in range(2, _MOST + 1):
        one, other = np.triu_indices(many, 1)
        begin = starts[sizes == many][:, None]
        pairs.append(np.stack((rows[begin + one].ravel(), rows[begin + other].ravel()), axis=1))
    found = np.concatenate(pairs)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    return found[:, 0].astype(np.int32), found[:, 1].astype(np.int32)
