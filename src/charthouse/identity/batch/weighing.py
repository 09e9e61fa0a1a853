"""Millions of pairs weighed as :func:`charthouse.identity.domain.scorer.weigh` weighs one.

The comparators are the same functions, asked once for each pair of distinct values. Pairs that cannot come to
``least`` bits any more are dropped before the dear comparisons.
"""

from __future__ import annotations

from collections.abc import Callable
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
from .table import Ints, Table, Values

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]
#: The code of a level is its place among those of its field; -1 where a side says nothing.
CODE = {field: {level: code for code, level in enumerate(levels)} for field, levels in LEVELS.items()}
_SAME = 0
_BESIDE = {level: code for code, level in enumerate(beside.LEVELS)}
#: Fields in the order they are compared: what decides most for the least work first.
_ORDER = (
    "birth", "name", "sex", "ssn", "identifier", "generation", "phone", "email", "mother", "address",
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
        names = {
            field: LEVELS[field][code] if (code := int(self.levels[field][place])) >= 0 else None
            for field in FIELDS
        }
        left, right = int(self.left[place]), int(self.right[place])
        levels = Levels(**names)
        given = family = ""
        if levels.given == "same":
            given = _shared(table, left, right, "given")
        if levels.family == "same":
            family = _shared(table, left, right, "family")
        return Weighing(float(self.weight[place]), levels, given, family, float(self.beside[place]))


def _shared(table: Table, left: int, right: int, field: str) -> str:
    mine = [getattr(name, field) for name in table.names(left)]
    theirs = {getattr(name, field) for name in table.names(right)}
    return next((word for word in mine if word in theirs), "")


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
        self._bits = {
            field: np.array([model.weights[field][level] for level in levels] + [0.0])
            for field, levels in LEVELS.items()
        }
        self._terms = {
            field: _term_bits(values, model.frequencies.get(field))
            for field, values in (("given", table.given), ("family", table.family))
        }
        most = {field: max(0.0, float(bits.max())) for field, bits in self._bits.items()}
        most["name"] = sum(
            most[field] + (float(self._terms[field].max(initial=0.0)) if field in self._terms else 0.0)
            for field in _NAMES
        )
        self._beside = [
            _Column(values, column) for values, column in zip(table.beside, model.beside, strict=bool(model.beside))
        ]
        rest = sum(column.most for column in self._beside)
        self._reach = [sum(most[field] for field in _ORDER[place + 1 :]) + rest for place in range(len(_ORDER))]

    def weigh(self, left: Ints, right: Ints, least: float | None = None) -> Weighed:
        """The pairs (left[i], right[i]) that weigh ``least`` bits or more; all of them where it is None."""
        weighed = Weighed(left, right, np.full(len(left), self.model.prior), {}, np.zeros(len(left)))
        for place, field in enumerate(_ORDER):
            if field == "name":
                self._weigh_names(weighed)
            else:
                codes = level_codes(self.table, field, weighed.left, weighed.right)
                weighed.levels[field] = codes
                weighed.weight += self._bits[field][codes]
            if least is not None:
                kept = weighed.weight + self._reach[place] >= least - 1e-9
                if not kept.all():
                    weighed = weighed.take(kept)
        for column in self._beside:
            column.weigh(weighed)
        if self.model.two_names:
            bits = self.model.two_names * are_two_names(
                self.table, weighed.levels["given"], weighed.left, weighed.right
            )
            weighed.weight += bits
            weighed.beside += bits
        return weighed

    def _weigh_names(self, weighed: Weighed) -> None:
        table, left, right = self.table, weighed.left, weighed.right
        given, family, middle = name_codes(table, left, right)
        bits = self._bits["given"][given] + self._bits["family"][family] + self._bits["middle"][middle]
        for field, codes, values in (("given", given, table.given), ("family", family, table.family)):
            same = codes == _SAME
            bits[same] += self._terms[field][values.of[left[same]]]
        for place in np.flatnonzero(table.has_several[left] | table.has_several[right]):
            best = name_pair(table.names(int(left[place])), table.names(int(right[place])), self.model)
            bits[place] = best[0]
            for codes, field, level in zip((given, family, middle), _NAMES, best[1:4], strict=True):
                codes[place] = CODE[field][level] if level else -1
        weighed.weight += bits
        weighed.levels.update(given=given, family=family, middle=middle)


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
    return _codes_of(getattr(table, field), left, right, lambda: table.sieve(field), _COMPARE[field], CODE[field])


def _codes_of(
    values: Values,
    left: Ints,
    right: Ints,
    sieve: Callable[[], Any] | None,
    compare: Callable[[Any, Any], str | None],
    code: dict[str, int],
) -> Codes:
    held = values.of
    a, b = held[left], held[right]
    codes = np.full(len(left), -1, dtype=np.int8)
    present = (a >= 0) & (b >= 0)
    equal = present & (a == b)
    codes[equal] = _of_themselves(values, a[equal], compare, code)
    others = np.flatnonzero(present & (a != b))
    if len(others):
        a, b = a[others].astype(np.int64), b[others].astype(np.int64)
        pair = np.minimum(a, b) * len(values.values) + np.maximum(a, b)
        distinct, place = np.unique(pair, return_inverse=True)
        codes[others] = _compared(sieve() if sieve else None, values, distinct, compare, code)[place]
    return codes


def _of_themselves(
    values: Values, numbers: Ints, compare: Callable[[Any, Any], str | None], code: dict[str, int]
) -> Codes:
    if not len(numbers):
        return np.empty(0, np.int8)
    distinct, place = np.unique(numbers, return_inverse=True)
    known = values.values
    found = np.array([_code(compare(known[number], known[number]), code) for number in distinct], dtype=np.int8)
    return found[place]


def _compared(
    sieve: Any,
    values: Values,
    pairs: NDArray[np.int64],
    compare: Callable[[Any, Any], str | None],
    code: dict[str, int],
) -> Codes:
    known, many = values.values, len(values.values)
    lows, highs = np.divmod(pairs, many)
    found = np.full(len(pairs), code.get("different", -1), dtype=np.int8)
    asked = np.arange(len(pairs)) if sieve is None else np.flatnonzero(sieve.undecided(lows, highs))
    found[asked] = [
        _code(compare(known[low], known[high]), code)
        for low, high in zip(lows[asked].tolist(), highs[asked].tolist(), strict=True)
    ]
    return found


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
