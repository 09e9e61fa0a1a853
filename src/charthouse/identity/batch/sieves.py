"""Which pairs of values need no comparator, because a few measures of whole columns tell their level.

A sieve gives for pairs of values the code of their level, or ASK where only the comparator can tell; it looks at
what costs least first, and measures edits and likeness only of what is left. A sieve never answers otherwise than
its comparator; a test holds it to that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import combinations
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA, JaroWinkler, Postfix
from rapidfuzz.fuzz import token_set_ratio
from rapidfuzz.process import cpdist

from charthouse.identity.domain.addresses import Address, district
from charthouse.identity.domain.dates import MALFORMED
from charthouse.identity.domain.model import LEVELS
from charthouse.identity.domain.reference import full_names, is_known_given
from charthouse.identity.domain.text import sound
from charthouse.identity.domain.traits import Identifier

Longs = NDArray[np.int64]
Mask = NDArray[np.bool_]
Codes = NDArray[np.int8]
#: The code of a level is its place among those of its field; -1 where a side says nothing.
CODE = {field: {level: code for code, level in enumerate(levels)} for field, levels in LEVELS.items()}
#: What a sieve says where the comparator has to be asked.
ASK = -2
#: Likeness is measured here in single precision; so much less is still asked of the comparator.
_SLACK = 0.005


class Sieve(Protocol):
    """The levels of pairs of a field's values, by the numbers of the values."""

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        ...


class Words:
    """The words of a field's values, with what is measured of each once."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = np.array(words, dtype=object)
        self.length = _lengths(words)

    @cached_property
    def sound(self) -> NDArray[np.int32]:
        """Words that sound alike have one number."""
        return _numbered(map(sound, self.words))

    @cached_property
    def beginning(self) -> NDArray[np.int32]:
        """Words whose first three letters are the same have one number."""
        return _numbered(map(itemgetter(slice(3)), self.words))

    @cached_property
    def nicknames(self) -> Longs:
        """Codes low * size + high of the pairs of words that are forms of one name, in order."""
        forms: dict[str, list[int]] = defaultdict(list)
        for number, word in enumerate(self.words):
            for name in full_names(word):
                forms[name].append(number)
        size = len(self.words)
        found = {low * size + high for members in forms.values() for low, high in combinations(members, 2)}
        return np.array(sorted(found), dtype=np.int64)

    def are_forms(self, one: Longs, other: Longs) -> Mask:
        """Whether the words are forms of one name."""
        return among(np.minimum(one, other) * len(self.words) + np.maximum(one, other), self.nicknames)

    def are_like(self, one: Longs, other: Longs, least: float) -> Mask:
        """Whether likeness by Jaro and Winkler may come to ``least``."""
        found: Mask = self._measured(one, other, JaroWinkler.similarity, np.float32) >= least - _SLACK
        return found

    def are_within(self, one: Longs, other: Longs, edits: int) -> Mask:
        """Whether so many edits lead from word to word, or fewer."""
        found: Mask = self._measured(one, other, OSA.distance, np.int32, edits) <= edits
        return found

    def end_alike(self, one: Longs, other: Longs, letters: int) -> Mask:
        """Whether so many letters at the end are the same."""
        found: Mask = self._measured(one, other, Postfix.similarity, np.int32) >= letters
        return found

    def share_words(self, one: Longs, other: Longs, least: float) -> Mask:
        """Whether likeness by words in any order may come to ``least``, of 100."""
        found: Mask = self._measured(one, other, token_set_ratio, np.float32) >= least - 1
        return found

    def _measured(self, one: Longs, other: Longs, scorer: Any, dtype: Any, score_cutoff: Any = None) -> Any:
        return cpdist(
            self.words[one], self.words[other], scorer=scorer, dtype=dtype, score_cutoff=score_cutoff, workers=1
        )


def _numbered(values: Iterable[Any]) -> NDArray[np.int32]:
    numbers: dict[Any, int] = {}
    number = numbers.setdefault
    return np.array([number(value, len(numbers)) for value in values], dtype=np.int32)


def _lengths(values: Sequence[Any]) -> NDArray[np.int32]:
    return np.fromiter(map(len, values), np.int32, len(values))


def _first(letters: Sequence[str]) -> NDArray[np.int32]:
    """The code of the first letter of each word; 0 for an empty one."""
    return np.array(letters, dtype="U1").view(np.int32)


def among(codes: Longs, ordered: Longs) -> Mask:
    """Which codes are among those in order."""
    if not len(ordered):
        return np.zeros(len(codes), dtype=bool)
    place = np.minimum(np.searchsorted(ordered, codes), len(ordered) - 1)
    found: Mask = ordered[place] == codes
    return found


def _further(found: Mask, one: Longs, other: Longs, *measures: Callable[[Longs, Longs], Mask]) -> Mask:
    """``found``, and of what is not in it what a measure finds; each is taken only of what none before found."""
    for measure in measures:
        rest = np.flatnonzero(~found)
        if len(rest):
            found[rest] = measure(one[rest], other[rest])
    return found


def _different(field: str, asked: Mask) -> Codes:
    """ASK where ``asked`` says so, and else "different"."""
    return np.where(asked, ASK, CODE[field]["different"]).astype(np.int8)


class GivenSieve:
    """Given names with their middle names."""

    def __init__(self, values: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        numbers: dict[str, int] = {}
        number = numbers.setdefault
        self._word = np.array([number(value[0], len(numbers)) for value in values], dtype=np.int64)
        self._words = Words(list(numbers))
        self._known = np.array([is_known_given(word) for word in numbers], dtype=bool)
        #: The first middle name as a given name; -1 where nobody is called so.
        self._middle = np.array(
            [numbers.get(value[1][0], -1) if value[1] else -1 for value in values], dtype=np.int64
        )
        self._middles = _lengths([value[1] for value in values]) > 1

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        words, a, b = self._words, self._word[one], self._word[other]
        same = (a == b) & (words.length[a] > 1)
        rest = np.flatnonzero(~same)
        asked = np.zeros(len(a), dtype=bool)
        asked[rest] = self._may_agree(one[rest], other[rest], a[rest], b[rest])
        found = _different("given", asked)
        found[same] = CODE["given"]["same"]
        return found

    def _may_agree(self, one: Longs, other: Longs, a: Longs, b: Longs) -> Mask:
        words = self._words
        found: Mask = (words.length[a] == 1) | (words.length[b] == 1) | (words.sound[a] == words.sound[b])
        found |= (self._middle[one] == b) | (self._middle[other] == a)
        found |= self._middles[one] | self._middles[other]
        found |= words.are_forms(a, b)
        # Two names people bear that are none of these are two names, however alike.
        rest = np.flatnonzero(~found & ~(self._known[a] & self._known[b]))
        a, b = a[rest], b[rest]
        found[rest] = _further(
            words.beginning[a] == words.beginning[b],
            a,
            b,
            lambda x, y: words.are_like(x, y, 0.8),
            lambda x, y: words.are_within(x, y, 2),
        )
        return found


class FamilySieve:
    """Family names with their parts."""

    def __init__(self, values: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        self._words = Words([value[0] for value in values])
        self._compound = _lengths([value[1] for value in values]) > 0

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        words, same = self._words, one == other
        asked: Mask = same | self._compound[one] | self._compound[other]
        asked |= (words.sound[one] == words.sound[other]) | (words.length[one] == 1) | (words.length[other] == 1)
        asked = _further(
            asked, one, other, lambda x, y: words.are_like(x, y, 0.8), lambda x, y: words.are_within(x, y, 2)
        )
        found = _different("family", asked)
        found[same] = CODE["family"]["same"]
        return found


class MiddleSieve:
    """Middle names, of which the first is compared."""

    def __init__(self, values: Sequence[tuple[str, ...]]) -> None:
        first = [value[0] for value in values]
        self._words, self._letter = Words(first), _first(first)

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        words = self._words
        asked: Mask = (words.length[one] == 1) | (words.length[other] == 1)
        asked &= self._letter[one] == self._letter[other]
        asked |= one == other
        return _different("middle", _further(asked, one, other, lambda x, y: words.are_within(x, y, 1)))


class BirthSieve:
    """Birth dates."""

    def __init__(self, values: Sequence[str]) -> None:
        years, months, days = ([value[begin:end] for value in values] for begin, end in ((0, 4), (5, 7), (8, 10)))
        self._year = _numbered(years)
        self._month, self._day = np.split(_numbered(months + days), 2)
        self._first = np.array([value.endswith("-01-01") for value in values], dtype=bool)
        self._odd = (_lengths(values) != 10) | (_first(values) == ord(MALFORMED))

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        year, month, day = (part[one] == part[other] for part in (self._year, self._month, self._day))
        # A slip of the pen leaves two of the three parts as they are.
        asked: Mask = (month & day) | (year & (month | day))
        asked |= year & (self._month[one] == self._day[other]) & (self._day[one] == self._month[other])
        asked |= year & (self._first[one] | self._first[other])
        asked |= self._odd[one] | self._odd[other]
        return _different("birth", asked)


class SexSieve:
    """The sex: the same or not."""

    def __init__(self, values: Sequence[str]) -> None:
        pass

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level."""
        return np.where(one == other, CODE["sex"]["same"], CODE["sex"]["different"]).astype(np.int8)


class SsnSieve:
    """Social security numbers."""

    def __init__(self, values: Sequence[str]) -> None:
        self._words = Words(values)
        self._unissued = (self._words.length == 9) & (_first(values) == ord("9"))

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        asked: Mask = self._unissued[one] | self._unissued[other]
        asked = _further(
            asked,
            one,
            other,
            lambda x, y: self._words.end_alike(x, y, 4),
            lambda x, y: self._words.are_within(x, y, 1),
        )
        return _different("ssn", asked)


class IdentifierSieve:
    """Numbers of assigners: two single ones of one assigner and kind that differ are "other", those of two
    assigners say nothing."""

    def __init__(self, values: Sequence[tuple[Identifier, ...]]) -> None:
        first = [value[0] for value in values]
        self._several = _lengths(values) > 1
        self._number = _numbered((each.system, each.folded) for each in first)
        self._assigner = _numbered((each.system, each.kind) for each in first)
        self._shared = np.array([each.is_shared for each in first], dtype=bool)

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        found = np.full(len(one), -1, dtype=np.int8)
        found[(self._assigner[one] == self._assigner[other]) & ~self._shared[one]] = CODE["identifier"]["other"]
        found[self._several[one] | self._several[other] | (self._number[one] == self._number[other])] = ASK
        return found


class AddressSieve:
    """Addresses. Those of two places are only alike by their street, and by the number or a hint of one place."""

    def __init__(self, values: Sequence[tuple[Address, ...]]) -> None:
        first = [value[0] for value in values]
        self._several = _lengths(values) > 1
        self._number, self._street, self._city, self._postal = (
            _Part([getattr(each, part) for each in first]) for part in ("number", "street", "city", "postal")
        )
        self._district = _numbered(map(district, self._postal.words.words))

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        city, postal, street = self._city, self._postal, self._street
        postals, cities = postal.are_said(one, other), city.are_said(one, other)
        asked: Mask = self._several[one] | self._several[other]
        asked |= postals & (self._district[postal.of[one]] == self._district[postal.of[other]])
        asked |= cities & (city.of[one] == city.of[other])
        near = ~postals & ~cities
        near |= self._number.are_said(one, other) & (self._number.of[one] == self._number.of[other])
        rest = np.flatnonzero(~asked & street.are_said(one, other))
        a, b = one[rest], other[rest]
        near = _further(
            near[rest],
            a,
            b,
            lambda x, y: postal.words.are_within(postal.of[x], postal.of[y], 1),
            lambda x, y: city.words.are_like(city.of[x], city.of[y], 0.9),
        )
        rest = rest[near]
        a, b = street.of[one[rest]], street.of[other[rest]]
        asked[rest] = _further(
            a == b,
            a,
            b,
            lambda x, y: street.words.are_like(x, y, 0.9),
            lambda x, y: street.words.share_words(x, y, 88),
        )
        return _different("address", asked)


class _Part:
    """One part of many addresses. ``of``: the number of its word for each address."""

    def __init__(self, values: Sequence[str]) -> None:
        numbers: dict[str, int] = {}
        number = numbers.setdefault
        self.of = np.array([number(value, len(numbers)) for value in values], dtype=np.int64)
        self.words = Words(list(numbers))

    def are_said(self, one: Longs, other: Longs) -> Mask:
        """Whether both addresses say something of it."""
        length = self.words.length
        found: Mask = (length[self.of[one]] > 0) & (length[self.of[other]] > 0)
        return found


class PhoneSieve:
    """Telephone numbers."""

    def __init__(self, values: Sequence[tuple[str, ...]]) -> None:
        self._words = Words([value[0] for value in values])
        self._several = _lengths(values) > 1

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        words = self._words
        asked: Mask = self._several[one] | self._several[other]
        asked = _further(
            asked, one, other, lambda x, y: words.end_alike(x, y, 7), lambda x, y: words.are_within(x, y, 1)
        )
        return _different("phone", asked)


class EmailSieve:
    """Mail addresses."""

    def __init__(self, values: Sequence[tuple[str, ...]]) -> None:
        first = [value[0] for value in values]
        self._words = Words(first)
        self._name = _numbered(address.partition("@")[0] for address in first)
        self._several = _lengths(values) > 1

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        asked: Mask = self._several[one] | self._several[other] | (self._name[one] == self._name[other])
        return _different("email", _further(asked, one, other, lambda x, y: self._words.are_within(x, y, 1)))


class MotherSieve:
    """Mothers' maiden names."""

    def __init__(self, values: Sequence[tuple[str, ...]]) -> None:
        self._words = Words([value[-1] for value in values])
        self._several = _lengths(values) > 1

    def codes(self, one: Longs, other: Longs) -> Codes:
        """The code of each pair's level, or ASK."""
        asked: Mask = self._several[one] | self._several[other]
        return _different("mother", _further(asked, one, other, lambda x, y: self._words.are_like(x, y, 0.92)))


SIEVES: dict[str, Callable[[Any], Sieve]] = {
    "given": GivenSieve,
    "family": FamilySieve,
    "middle": MiddleSieve,
    "birth": BirthSieve,
    "sex": SexSieve,
    "ssn": SsnSieve,
    "identifier": IdentifierSieve,
    "address": AddressSieve,
    "phone": PhoneSieve,
    "email": EmailSieve,
    "mother": MotherSieve,
}
