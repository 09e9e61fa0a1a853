"""Millions of pairs weighed as :func:`charthouse.identity.domain.scorer.weigh` weighs one.

The comparators are the same functions, asked once for each pair of distinct values and only where no sieve tells
what they would say. Pairs that cannot come to ``least`` bits any more are dropped before the dear comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charthouse.identity.domain import comparators
from charthouse.identity.domain.model import LEVELS, Beside, Model, TermFrequency
from charthouse.identity.domain.names import Name
from charthouse.identity.domain.scorer import FIELDS, Levels, Weighing, name_pair
from charthouse.identity.domain.traits import Traits

from . import beside
from .sieves import ASK, CODE, Codes, Sieve
from .table import Ints, Longs, Table, Values

Floats = NDArray[np.float64]
_SAME = 0
_BESIDE = {level: code for code, level in enumerate(beside.LEVELS)}
#: Fields in the order they are compared: what decides most for the least work first.
_ORDER = (
    "birth", "given", "family", "middle", "sex", "ssn", "identifier", "generation", "phone", "email", "mother",
    "address",
)  # fmt: skip
_NAMES = ("given", "family", "middle")


@dataclass(slots=True)
class Weighed:
    """Pairs with their weights. ``levels``: field to the codes of its levels. ``beside``: bits of one person over
    two of a family, by the columns beside the traits and by given names that people bear."""

    left: Ints
    right: Ints
    weight: Floats
    levels: dict[str, Codes]
    beside: Floats

    def __len__(self) -> int:
        return len(self.left)

    def take(self, which: Any) -> Weighed:
        """Some of the pairs."""
        return Weighed(
            self.left[which],
            self.right[which],
            self.weight[which],
            {field: codes[which] for field, codes in self.levels.items()},
            self.beside[which],
        )

    def weighing(self, place: int, table: Table) -> Weighing:
        """One pair as the scorer gives it."""
        return next(self.take([place]).weighings(table))

    def weighings(self, table: Table) -> Iterator[Weighing]:
        """Every pair as the scorer gives it."""
        levels = map(Levels._make, zip(*(self._names_of(field) for field in FIELDS), strict=True))
        given, family = self._shared(table, "given"), self._shared(table, "family")
        return map(Weighing, self.weight.tolist(), levels, given, family, self.beside.tolist())

    def _names_of(self, field: str) -> list[str | None]:
        # The last stands for -1: a side says nothing.
        names = (*LEVELS[field], None)
        return [names[code] for code in self.levels[field].tolist()]

    def _shared(self, table: Table, field: str) -> list[str]:
        """The name both sides have, where it is the same."""
        found = [""] * len(self)
        values: Values = getattr(table, field)
        for place in np.flatnonzero(self.levels[field] == _SAME).tolist():
            left, right = int(self.left[place]), int(self.right[place])
            if left in table.several or right in table.several:
                theirs = {getattr(name, field) for name in table.names(right)}
                mine = (getattr(name, field) for name in table.names(left))
                found[place] = next((word for word in mine if word in theirs), "")
            else:
                found[place] = values.at(left)[0]
        return found


def merged(parts: list[Weighed]) -> Weighed:
    """All pairs of the parts."""
    return Weighed(
        np.concatenate([part.left for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.weight for part in parts]),
        {field: np.concatenate([part.levels[field] for part in parts]) for field in FIELDS},
        np.concatenate([part.beside for part in parts]),
    )


class Weigher:
    """Weighs pairs of a table by a model."""

    def __init__(self, table: Table, model: Model) -> None:
        self.table = table
        self.model = model
        self.bits = {
            field: np.array([model.weights[field][level] for level in levels] + [0.0])
            for field, levels in LEVELS.items()
        }
        self.terms = {
            field: _term_bits(values, model.frequencies.get(field))
            for field, values in (("given", table.given), ("family", table.family))
        }
        self.most = {field: max(0.0, float(bits.max())) for field, bits in self.bits.items()}
        for field, terms in self.terms.items():
            self.most[field] = max(self.most[field], float(self.bits[field][_SAME] + terms.max(initial=0.0)))
        self._beside = [
            _Column(values, column) for values, column in zip(table.beside, model.beside, strict=bool(model.beside))
        ]

    def weigh(self, left: Ints, right: Ints, least: float | None = None) -> Weighed:
        """The pairs (left[i], right[i]) that weigh ``least`` bits or more, among some that weigh less; all of them
        where it is None."""
        pairs = _Pairs(self, left, right, least, sum(column.most for column in self._beside))
        for field in _ORDER:
            pairs.sieve(field)
        for field in _ORDER:
            pairs.compare(field)
        weighed = Weighed(pairs.left, pairs.right, pairs.weight(), pairs.codes, np.zeros(len(pairs.left)))
        for column in self._beside:
            column.weigh(weighed)
        if self.model.two_names:
            bits = self.model.two_names * are_two_names(
                self.table, weighed.levels["given"], weighed.left, weighed.right
            )
            weighed.weight += bits
            weighed.beside += bits
        return weighed


class _Pairs:
    """Pairs whose levels are found out field by field: what the sieves tell first, then what only comparators can.

    Those that cannot come to ``least`` bits any more are let go on the way; ``rest`` are bits they may get besides.
    Where a patient has several names all of them are compared, and ``_names`` has the bits of the best.
    """

    def __init__(self, weigher: Weigher, left: Ints, right: Ints, least: float | None, rest: float) -> None:
        table = weigher.table
        self._weigher, self._table, self._least = weigher, table, least
        self.left, self.right = left, right
        self.codes = {field: _there(getattr(table, field), left, right) for field in FIELDS}
        self._several = table.has_several[left] | table.has_several[right]
        self._names = np.zeros(len(left))
        for field in _NAMES:
            self.codes[field][self._several] = ASK
        # The most that each pair may come to, as far as its levels are known.
        self._reach = np.full(len(left), weigher.model.prior + rest)
        for field in FIELDS:
            self._reach[self.codes[field] == ASK] += weigher.most[field]
        self._let_go()

    def sieve(self, field: str) -> None:
        """Settle what can be told without a comparator."""
        if field == "given":
            self._settle_crossings()
        asked = self.codes[field] == ASK
        if field in _NAMES:
            asked &= ~self._several
        places = np.flatnonzero(asked)
        sieve = self._table.sieve(field)
        if sieve is not None and len(places):
            of = getattr(self._table, field).of
            one, other = (of[side[places]].astype(np.int64) for side in (self.left, self.right))
            self._settle(field, places, sieve.codes(one, other))
            self._let_go()

    def compare(self, field: str) -> None:
        """Settle the rest."""
        if field == "given":
            self._compare_several()
        places = np.flatnonzero(self.codes[field] == ASK)
        if len(places):
            values: Values = getattr(self._table, field)
            one, other = values.of[self.left[places]], values.of[self.right[places]]
            self._settle(field, places, _compared(values, one, other, _COMPARE[field], CODE[field]))
            self._let_go()

    def weight(self) -> Floats:
        """The bits of each pair, once all its levels are known."""
        bits = self._weigher.bits
        given, family, middle = (bits[field][self.codes[field]] for field in _NAMES)
        names: Floats = given + family + middle
        for field, terms in self._weigher.terms.items():
            same = self.codes[field] == _SAME
            names[same] += terms[getattr(self._table, field).of[self.left[same]]]
        names[self._several] = self._names[self._several]
        found: Floats = self._weigher.model.prior + bits["birth"][self.codes["birth"]] + names
        for field in _ORDER:
            if field not in _NAMES and field != "birth":
                found += bits[field][self.codes[field]]
        return found

    def _settle(self, field: str, places: Longs, codes: Codes) -> None:
        self.codes[field][places] = codes
        if self._least is None:
            return
        most, bits = self._weigher.most[field], self._weigher.bits[field][codes]
        if field in self._weigher.terms:
            same = codes == _SAME
            of = getattr(self._table, field).of
            bits[same] += self._weigher.terms[field][of[self.left[places[same]]]]
        self._reach[places] += np.where(codes == ASK, 0.0, bits - most)

    def _settle_crossings(self) -> None:
        """Both names are told by the level of the given name, so that they do not count twice."""
        crossings = _crossings(self._table, self.left, self.right)
        for level, places in zip(("exchanged", "crossed"), crossings, strict=True):
            open_ = np.array(places, dtype=np.int64)
            open_ = open_[~self._several[open_]]
            self._settle("given", open_, np.full(len(open_), CODE["given"][level], dtype=np.int8))
            for field in ("family", "middle"):
                asked = open_[self.codes[field][open_] == ASK]
                self._settle(field, asked, np.full(len(asked), -1, dtype=np.int8))

    def _compare_several(self) -> None:
        for place in np.flatnonzero(self._several).tolist():
            one, other = (self._table.names(int(side[place])) for side in (self.left, self.right))
            best = name_pair(one, other, self._weigher.model)
            self._names[place] = best[0]
            for field, level in zip(_NAMES, best[1:4], strict=True):
                self.codes[field][place] = CODE[field][level] if level else -1
        most = sum(self._weigher.most[field] for field in _NAMES)
        self._reach[self._several] += self._names[self._several] - most

    def _let_go(self) -> None:
        if self._least is None:
            return
        # Sums in another order differ in their last places.
        kept = self._reach >= self._least - 1e-6
        if np.count_nonzero(kept) > 0.9 * len(kept):
            return
        self.left, self.right = self.left[kept], self.right[kept]
        self.codes = {field: codes[kept] for field, codes in self.codes.items()}
        self._several, self._names, self._reach = self._several[kept], self._names[kept], self._reach[kept]


class _Column:
    """A column beside the traits, with what the model says of it."""

    def __init__(self, values: Values, learnt: Beside) -> None:
        self._values = values
        self._bits = np.array([learnt.weights[level] for level in beside.LEVELS] + [0.0])
        self._kin = np.array([learnt.kin[level] for level in beside.LEVELS] + [0.0])
        self._rarity = np.array([learnt.rarity.of(value) for value in values.values] + [0.0])
        self.most = max(0.0, float(self._bits.max())) + max(0.0, float(self._rarity.max()))

    def weigh(self, weighed: Weighed) -> None:
        codes = beside_codes(self._values, weighed.left, weighed.right)
        same = codes == _SAME
        weighed.weight += self._bits[codes]
        weighed.weight[same] += self._rarity[self._values.of[weighed.left[same]]]
        weighed.beside += self._kin[codes]


def beside_codes(values: Values, left: Ints, right: Ints) -> Codes:
    """The levels of a column beside the traits for pairs of rows."""
    return _codes_of(values, left, right, None, beside.compared, _BESIDE)


def _term_bits(values: Values, frequency: TermFrequency | None) -> Floats:
    if frequency is None:
        return np.zeros(len(values.values))
    return np.array([frequency.of(value[0]) for value in values.values])


def name_codes(table: Table, left: Ints, right: Ints) -> tuple[Codes, Codes, Codes]:
    """The levels of given, family and middle names, of each patient's first name."""
    given = level_codes(table, "given", left, right)
    family = level_codes(table, "family", left, right)
    middle = level_codes(table, "middle", left, right)
    exchanged, crossed = _crossings(table, left, right)
    # Both names are told by the level of the given name, so that they do not count twice.
    given[exchanged], family[exchanged], middle[exchanged] = CODE["given"]["exchanged"], -1, -1
    given[crossed], family[crossed], middle[crossed] = CODE["given"]["crossed"], -1, -1
    return given, family, middle


def are_two_names(table: Table, given: Codes, left: Ints, right: Ints) -> NDArray[np.bool_]:
    """Pairs whose given names differ and are both names that people bear."""
    found: NDArray[np.bool_] = (given == CODE["given"]["different"]) & table.known_given[left]
    return found & table.known_given[right]


def _crossings(table: Table, left: Ints, right: Ints) -> tuple[list[int], list[int]]:
    """The places of pairs whose names stand in each other's place: both names, or one."""
    first, last = table.family_word[left], table.family_word[right]
    perhaps = (first >= 0) & (last >= 0) & (table.given_word[left] >= 0) & (table.given_word[right] >= 0)
    perhaps &= (
        (table.given_word[left] == last)
        | (table.joined_word[left] == last)
        | (table.given_word[right] == first)
        | (table.joined_word[right] == first)
    )
    exchanged: list[int] = []
    crossed: list[int] = []
    for place in np.flatnonzero(perhaps).tolist():
        one, other = table.names(int(left[place]))[0], table.names(int(right[place]))[0]
        if comparators.are_exchanged(one, other):
            exchanged.append(place)
        elif comparators.are_crossed(one, other):
            crossed.append(place)
    return exchanged, crossed


def level_codes(table: Table, field: str, left: Ints, right: Ints) -> Codes:
    """The levels of one field (names: of each patient's first name) for pairs of rows."""
    values: Values = getattr(table, field)
    return _codes_of(values, left, right, table.sieve(field), _COMPARE[field], CODE[field])


def _codes_of(
    values: Values,
    left: Ints,
    right: Ints,
    sieve: Sieve | None,
    compare: Callable[[Any, Any], str | None],
    code: dict[str, int],
) -> Codes:
    codes = _there(values, left, right)
    one, other = values.of[left], values.of[right]
    if sieve is not None:
        asked = np.flatnonzero(codes == ASK)
        codes[asked] = sieve.codes(one[asked].astype(np.int64), other[asked].astype(np.int64))
    asked = np.flatnonzero(codes == ASK)
    codes[asked] = _compared(values, one[asked], other[asked], compare, code)
    return codes


def _there(values: Values, left: Ints, right: Ints) -> Codes:
    """ASK where both sides say something; -1 where one does not."""
    return np.where((values.of[left] >= 0) & (values.of[right] >= 0), ASK, -1).astype(np.int8)


def _compared(
    values: Values, one: Ints, other: Ints, compare: Callable[[Any, Any], str | None], code: dict[str, int]
) -> Codes:
    """What the comparator says of pairs of values; it is asked once for each pair of distinct ones."""
    known, many = values.values, len(values.values)
    pairs = np.minimum(one, other).astype(np.int64) * many + np.maximum(one, other)
    distinct, place = np.unique(pairs, return_inverse=True)
    lows, highs = np.divmod(distinct, many)
    found = [
        _code(compare(known[low], known[high]), code)
        for low, high in zip(lows.tolist(), highs.tolist(), strict=True)
    ]
    return np.array(found, dtype=np.int8)[place]


def _code(level: str | None, code: dict[str, int]) -> int:
    return -1 if level is None else code[level]


@lru_cache(maxsize=1 << 18)
def _given_name(value: tuple[str, tuple[str, ...]]) -> Name:
    return Name(given=value[0], middle=value[1])


@lru_cache(maxsize=1 << 18)
def _family_name(value: tuple[str, tuple[str, ...]]) -> Name:
    return Name(family=value[0], families=value[1])


def _generation(a: tuple[int, ...], b: tuple[int, ...]) -> str | None:
    return comparators.generation_level(
        Traits(names=tuple(Name(generation=each) for each in a)),
        Traits(names=tuple(Name(generation=each) for each in b)),
    )


_COMPARE: dict[str, Callable[[Any, Any], str | None]] = {
    "given": lambda a, b: comparators.given_level(_given_name(a), _given_name(b)),
    "family": lambda a, b: comparators.family_level(_family_name(a), _family_name(b)),
    "middle": lambda a, b: comparators.middle_level(Name(middle=a), Name(middle=b)),
    "generation": _generation,
    "birth": comparators.birth_level,
    "sex": comparators.sex_level,
    "ssn": comparators.ssn_level,
    "identifier": comparators.identifier_level,
    "address": comparators.address_level,
    "phone": comparators.phone_level,
    "email": comparators.email_level,
    "mother": comparators.mother_level,
}
