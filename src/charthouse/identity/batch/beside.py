"""Columns of somebody's file that hold none of the traits, and yet speak of the person: race, birthplace,
occupation.

Values are compared as they are. How much an agreement tells is learnt from the file, as of everything else; a
column that tells nothing comes to weigh nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rapidfuzz.distance import OSA, JaroWinkler

from charthouse.identity.domain.text import fold

#: The levels of such a column, and how often each is met for one person before the data say.
LEVELS = ("same", "similar", "different")
USUALLY = {"same": 0.85, "similar": 0.03, "different": 0.12}
#: What strangers have in common is learnt from random pairs; so many at the least.
AT_RANDOM = {"same": 0.2, "similar": 0.02, "different": 0.78}
#: A column is compared where it has so few different values; or no more than so many, and most rows have one that
#: so many rows share.
_FEW, _MANY, _SHARED, _MOSTLY = 60, 3_000, 25, 0.6
#: Not where nearly all have one value, or hardly anybody has any.
_NEARLY_ALL, _HARDLY_ANY = 0.98, 0.05
#: A column says again what another says where that tells so much of it, by values that so many rows have.
_AGAIN, _TOGETHER = 0.9, 8
#: No file has more of them; the first are taken.
_MOST = 8
#: Names of columns that are another number of the row, the person or the household.
_NUMBERS = ("id", "key", "num", "no", "nr", "number", "cluster", "household", "family")


def compared(one: str, other: str) -> str:
    """same, similar (a slip of the pen in a word) or different."""
    if one == other:
        return "same"
    if len(one) < 4 or len(other) < 4 or not (one.replace(" ", "").isalpha() and other.replace(" ", "").isalpha()):
        return "different"
    slip = OSA.distance(one, other, score_cutoff=1) <= 1 or JaroWinkler.similarity(one, other) >= 0.93
    return "similar" if slip else "different"


def worth_comparing(
    header: Sequence[str],
    unused: Sequence[str],
    sample: Sequence[Sequence[str]],
    used: Mapping[str, Sequence[int]],
) -> list[int]:
    """The places of the unused columns that are compared as they are. ``used``: those of the traits, of which some
    may only be said again."""
    names = set(unused)
    chosen: list[int] = []
    known = [place for field in ("sex", "city", "state", "postal") for place in used.get(field, ())[:1]]
    for place, name in enumerate(header):
        if name not in names or _numbers(name) or len(chosen) == _MOST:
            continue
        values = [fold(row[place]) for row in sample]
        if not _tells(values):
            continue
        if any(_says_again(values, [fold(row[other]) for row in sample]) for other in (*known, *chosen)):
            continue
        chosen.append(place)
    return chosen


def _numbers(name: str) -> bool:
    words = fold(name.replace("_", " ")).split()
    return any(word in _NUMBERS for word in words)


def _tells(values: Sequence[str]) -> bool:
    counts = Counter(value for value in values if value)
    there = sum(counts.values())
    if not there or there < _HARDLY_ANY * len(values) or len(counts) < 2:
        return False
    if _are_many(counts) or max(counts.values()) > _NEARLY_ALL * there:
        return False
    return len(counts) <= _FEW or not all(value.replace(" ", "").isdecimal() for value in counts)


def _are_many(counts: Mapping[str, int]) -> bool:
    """Whether hardly anybody has a value in common with many, as with numbers, and addresses of one's own."""
    if len(counts) <= _FEW:
        return False
    shared = sum(many for many in counts.values() if many >= _SHARED)
    return len(counts) > _MANY or shared < _MOSTLY * sum(counts.values())


def _says_again(values: Sequence[str], others: Sequence[str]) -> bool:
    """Whether one of two columns follows from the other."""
    return _follows(values, others) or _follows(others, values)


def _follows(of: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the other column tells this one's values; a value that few rows have tells nothing."""
    groups: dict[str, Counter[str]] = {}
    for value, by in zip(of, other, strict=True):
        if value and by:
            groups.setdefault(by, Counter())[value] += 1
    if _are_many({by: sum(counts.values()) for by, counts in groups.items()}):
        # An address of one person's own tells all that person's rows say.
        return False
    large = [counts for counts in groups.values() if sum(counts.values()) >= _TOGETHER]
    rows = sum(sum(counts.values()) for counts in large)
    if rows < 10 * _TOGETHER:
        return False
    unaided = max(sum(large, Counter()).values()) / rows
    aided = sum(max(counts.values()) for counts in large) / rows
    return unaided < _NEARLY_ALL and aided - unaided >= _AGAIN * (1 - unaided)
