"""How right links are: pairwise, and by whole clusters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import comb


@dataclass(frozen=True, slots=True)
class Rate:
    """``right`` of ``found``, where there were ``there`` to be found. Of nothing found all is right, and of nothing
    there all is found."""

    right: int
    found: int
    there: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.there if self.there else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def pairs_of_clusters(
    cluster: Sequence[Hashable], truth: Sequence[Hashable], source: Sequence[Hashable] | None = None
) -> Rate:
    """Pairs of records in one cluster against pairs of one person. ``source``: only pairs across sources count."""
    both = list(zip(cluster, truth, strict=True))
    return Rate(_pairs(both, source), _pairs(cluster, source), _pairs(truth, source))


def _pairs(groups: Sequence[Hashable], source: Sequence[Hashable] | None) -> int:
    total = sum(comb(many, 2) for many in Counter(groups).values())
    if source is None:
        return total
    within = Counter(zip(groups, source, strict=True))
    return total - sum(comb(many, 2) for many in within.values())


def pairs_there(truth: Sequence[Hashable], source: Sequence[Hashable] | None = None) -> int:
    """How many pairs of one person there are."""
    return _pairs(truth, source)


def whole_clusters(cluster: Sequence[Hashable], truth: Sequence[Hashable]) -> Rate:
    """Clusters of two records and more that are exactly one person with all records, against persons with two
    records and more."""
    found, there = _members(cluster), _members(truth)
    return Rate(len(found & there), len(found), len(there))


def _members(groups: Iterable[Hashable]) -> set[tuple[int, ...]]:
    members: dict[Hashable, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    return {tuple(rows) for rows in members.values() if len(rows) > 1}


def b_cubed(cluster: Sequence[Hashable], truth: Sequence[Hashable]) -> tuple[float, float, float]:
    """Precision, recall and F1 of the mean record: how much of its cluster is its person, and of its person its
    cluster (Bagga and Baldwin, 1998)."""
    if not len(cluster):
        return 1.0, 1.0, 1.0
    both = Counter(zip(cluster, truth, strict=True))
    clusters, truths = Counter(cluster), Counter(truth)
    precision = sum(many * many / clusters[group] for (group, _), many in both.items()) / len(cluster)
    recall = sum(many * many / truths[person] for (_, person), many in both.items()) / len(cluster)
    return precision, recall, 2 * precision * recall / (precision + recall)
