"""Which pairs of values need no comparator, because nothing can be alike about them.

Each sieve says for pairs of values, by a few measures of whole columns, which are surely of one plain level; only
the rest is asked of the comparators one by one. A sieve never answers otherwise than its comparator; a test holds
it to that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.fuzz import token_set_ratio
from rapidfuzz.process import cpdist

from charthouse.identity.domain.addresses import district
from charthouse.identity.domain.reference import full_names
from charthouse.identity.domain.text import sound

Longs = NDArray[np.int64]
Mask = NDArray[np.bool_]
#: No two words alike in any way the comparators know are less alike than this, by Jaro and Winkler, but for two
#: slips.
_UNLIKE = 0.66


class Words:
    """The words of a field's values, with what is measured of each once."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = np.array(words, dtype=object)
        self.length = np.array([len(word) for word in words], dtype=np.int32)

    @cached_property
    def sound(self) -> NDArray[np.int32]:
        """Words that sound alike have one number."""
        return _numbered([sound(word) for word in self.words])

    @cached_property
    def nicknames(self) -> Longs:
        """Codes low * size + high of the pairs of words that are forms of one name."""
        forms: dict[str, list[int]] = defaultdict(list)
        for number, word in enumerate(self.words):
            for name in full_names(word):
                forms[name].append(number)
        size = len(self.words)
        found = {
            low * size + high
            for members in forms.values()
            if len(members) < 2_000
            for low in members
            for high in members
            if low < high
        }
        return np.array(sorted(found), dtype=np.int64)

    def likeness(self, one: Longs, other: Longs) -> Any:
        return _measured(self.words, one, other, JaroWinkler.similarity, np.float32)

    def edits(self, one: Longs, other: Longs) -> Any:
        """Edits from word to word; 3 for three and more. An array of int32."""
        return _measured(self.words, one, other, OSA.distance, np.int32, score_cutoff=2)

    def may_be_alike(self, one: Longs, other: Longs) -> Mask:
        found: Mask = (self.sound[one] == self.sound[other]) | (self.length[one] == 1) | (self.length[other] == 1)
        found |= self.likeness(one, other) >= _UNLIKE
        found |= self.edits(one, other) <= 2
        return found


def _numbered(values: Sequence[Any]) -> NDArray[np.int32]:
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int32)


def _measured(
    words: NDArray[np.object_], one: Longs, other: Longs, scorer: Any, dtype: Any, score_cutoff: Any = None
) -> Any:
    return cpdist(words[one], words[other], scorer=scorer, dtype=dtype, score_cutoff=score_cutoff, workers=1)


class GivenSieve:
    """Given names with their middle names."""

    def __init__(self, values: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        distinct: dict[str, int] = {}
        self._word = np.array([distinct.setdefault(value[0], len(distinct)) for value in values], dtype=np.int64)
        self._words = Words(list(distinct))
        self._long_middle = np.array([any(len(word) > 1 for word in value[1]) for value in values], dtype=bool)

    def undecided(self, one: Longs, other: Longs) -> Mask:
        """Pairs of which more is to be asked; the others are "different"."""
        found: Mask = self._long_middle[one] | self._long_middle[other]
        a, b = self._word[one], self._word[other]
        # The same word is asked of many pairs that differ in middle names only.
        pair = np.minimum(a, b) * len(self._words.words) + np.maximum(a, b)
        distinct, place = np.unique(pair, return_inverse=True)
        a, b = np.divmod(distinct, len(self._words.words))
        alike = (a == b) | self._words.may_be_alike(a, b)
        alike |= np.isin(distinct, self._words.nicknames)
        found |= alike[place]
        return found


class FamilySieve:
    """Family names with their parts."""

    def __init__(self, values: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        self._words = Words([value[0] for value in values])
        self._compound = np.array([bool(value[1]) for value in values], dtype=bool)

    def undecided(self, one: Longs, other: Longs) -> Mask:
        """Pairs of which more is to be asked; the others are "different"."""
        found: Mask = self._compound[one] | self._compound[other]
        return found | self._words.may_be_alike(one, other)


class BirthSieve:
    """Birth dates."""

    def __init__(self, values: Sequence[str]) -> None:
        self._words = Words(values)
        self._year = _numbered([value[:4] for value in values])
        self._odd = np.array([len(value) != 10 or value[0] == "?" for value in values], dtype=bool)

    def undecided(self, one: Longs, other: Longs) -> Mask:
        """Pairs of which more is to be asked; the others are "different"."""
        found: Mask = self._odd[one] | self._odd[other] | (self._year[one] == self._year[other])
        found |= self._words.edits(one, other) <= 2
        return found


class AddressSieve:
    """Addresses. Those that share neither street nor postal district nor city are "different"."""

    def __init__(self, values: Sequence[tuple[Any, ...]]) -> None:
        first = [value[0] for value in values]
        self._several = np.array([len(value) > 1 for value in values], dtype=bool)
        self._street = np.array([address.street for address in first], dtype=object)
        self._has_street = np.array([bool(address.street) for address in first], dtype=bool)
        self._district = _numbered([district(address.postal) or number for number, address in enumerate(first)])
        self._city = _numbered([address.city or number for number, address in enumerate(first)])

    def undecided(self, one: Longs, other: Longs) -> Mask:
        """Pairs of which more is to be asked; the others are "different"."""
        found: Mask = self._several[one] | self._several[other]
        found |= (self._district[one] == self._district[other]) | (self._city[one] == self._city[other])
        rest = np.flatnonzero(~found & self._has_street[one] & self._has_street[other])
        a, b = one[rest], other[rest]
        alike = _measured(self._street, a, b, JaroWinkler.similarity, np.float32) >= 0.89
        alike |= _measured(self._street, a, b, token_set_ratio, np.float32) >= 87
        found[rest] = alike
        return found


class PhoneSieve:
    """Telephone numbers; those of one length that differ in more than a digit are "different"."""

    def __init__(self, values: Sequence[tuple[str, ...]]) -> None:
        self._words = Words([value[0] for value in values])
        self._several = np.array([len(value) > 1 for value in values], dtype=bool)

    def undecided(self, one: Longs, other: Longs) -> Mask:
        """Pairs of which more is to be asked; the others are "different"."""
        found: Mask = self._several[one] | self._several[other]
        found |= self._words.length[one] != self._words.length[other]
        found |= self._words.edits(one, other) <= 1
        return found


SIEVES: dict[str, Callable[[Any], Any]] = {
    "given": GivenSieve,
    "family": FamilySieve,
    "birth": BirthSieve,
    "address": AddressSieve,
    "phone": PhoneSieve,
}
