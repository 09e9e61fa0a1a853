"""What the data themselves teach: weights by expectation and maximization, without a labelled pair.

Pairs are of three kinds: two records of one person, of two strangers, of two members of one family. What strangers
have in common is learnt from random pairs; what the others have, from the pairs that share a key, where each pair
counts for each kind as far as it probably is of that kind. Where the data say little, the model that comes with
Charthouse speaks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charthouse.identity.domain.dates import MALFORMED
from charthouse.identity.domain.guards import GENERATION
from charthouse.identity.domain.model import LEVELS, Beside, Kin, Model, TermFrequency, default_shares
from charthouse.identity.domain.scorer import FIELDS

from .beside import AT_RANDOM, USUALLY
from .beside import LEVELS as BESIDE_LEVELS
from .sieves import CODE, Codes
from .table import Ints, Table, Values
from .weighing import are_two_names, beside_codes, level_codes, name_codes

Floats = NDArray[np.float64]

_RANDOM_PAIRS = 400_000
_MOST_PAIRS = 500_000
_ROUNDS = 30
_SETTLED = 0.002
#: How many pairs the model that comes along counts for, beside those of the data.
_PRIOR_M, _PRIOR_U, _PRIOR_KIN = 10.0, 50.0, 20.0
#: How often members of a family agree, before the data say.
_KIN_SAME = {"family": 0.75, "address": 0.75, "phone": 0.5, "mother": 0.5, "email": 0.3}
_KIN_BESIDE = 0.5
_TWINS, _NAMESAKES = 0.02, 0.03
#: The share of twins that is expected counts for so many pairs of a family for each pair of one person.
_FEW_FAMILIES = 0.3
#: Pairs of a family of which there are so few for each pair of one person are hardly believed.
_NO_FAMILIES = 0.02
#: No more of all pairs are taken to be of one person, though a file of a few rows may hold nobody else.
_MOST_OF_ONE = 0.5
#: What two records of one person seldom differ in, however bad the data: levels of a field and their share at most.
#: Without birth dates a couple at one address would else be learnt to be a person with two given names.
_SELDOM = (
    ("given", ("two names",), 0.02),
    ("family", ("different", "faint"), 0.25),
    ("birth", ("different",), 0.15),
    ("sex", ("different",), 0.05),
)
#: Given names of one person that differ: their share at most where families are many, and where there are none.
_OTHER_NAMES = (0.06, 0.13)
#: The levels learnt of a field: a given name that differs may be a slip of the pen, or another name people bear.
_LEARNT = {**LEVELS, "given": (*LEVELS["given"], "two names")}
#: Of given names that differ, those people bear, before the data say: of one person's, and of strangers'.
_BORNE_BY_ONE, _BORNE_BY_TWO = 0.2, 0.8

#: Of one person's names that stand in each other's place, those of which one was changed as well.
_CROSSED = 0.3


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model learnt from data. ``matches`` is the number of pairs of one person that are expected, ``families`` of
    two of a family; ``rounds`` how many it took."""

    model: Model
    m: dict[str, dict[str, float]]
    u: dict[str, dict[str, float]]
    matches: float
    families: float
    rounds: int


@dataclass(slots=True)
class _Kind:
    """One kind of pairs: how often, and how often each level is met; a field's row ends with 1 for "says
    nothing"."""

    share: float
    levels: dict[str, Floats]

    def bits(self, codes: dict[str, Codes]) -> Floats:
        total = np.full(len(codes["given"]), log2(self.share))
        for field in self.levels:
            total += self.field_bits(field, codes)
        return total

    def field_bits(self, field: str, codes: dict[str, Codes]) -> Floats:
        found: Floats = np.log2(self.levels[field])[codes[field]]
        return found


def learn(table: Table, left: Ints, right: Ints, source: Ints | None = None, *, one_to_one: bool = False) -> Learnt:
    """Learn from the pairs that share a key. ``source``: pairs are of different sources only; ``one_to_one``: no
    record has two partners of another source."""
    generator = np.random.default_rng(20260101)
    total = _pairs_in_all(table.size, source)
    scale = 1.0
    if len(left) > _MOST_PAIRS:
        chosen = generator.random(table.size) < _MOST_PAIRS / len(left)
        some = chosen[left]
        scale = len(left) / max(1, int(some.sum()))
        left, right = left[some], right[some]
    codes = _codes(table, left, right)
    random_left, random_right = _random_pairs(table.size, source, generator)
    random_codes = _codes(table, random_left, random_right)

    given = _Term(table.given, left, right, codes["given"])
    family = _Term(table.family, left, right, codes["family"])
    beside = {
        column: _Term(values, left, right, codes[column], str)
        for column, values in zip(_columns(table), table.beside, strict=True)
    }
    fallback_m, fallback_u = map(dict, default_shares())
    for shares, borne, usual in ((fallback_m, _BORNE_BY_ONE, USUALLY), (fallback_u, _BORNE_BY_TWO, AT_RANDOM)):
        different = shares["given"]["different"]
        shares["given"] = {
            **shares["given"],
            "different": (1 - borne) * different,
            "two names": borne * different,
        }
        shares.update(dict.fromkeys(beside, usual))
    u = _levels(random_codes, None, fallback_u, _PRIOR_U, jeffreys=0.5)
    expected = 0.3 * table.size if source is None else 0.5 * int(np.bincount(source).min())
    one = _Kind(min(expected / total, _MOST_OF_ONE), {field: _row(fallback_m[field]) for field in codes})
    strangers = _Kind(1.0, u)
    kin = _Kind(0.2 * expected / total, _kin_levels(u))
    has_family = bool((codes["family"] >= 0).any()) and bool(
        (codes["address"] >= 0).any() or (codes["phone"] >= 0).any()
    )
    generation = _generation_apart(table, left, right)
    of_kin = np.full(len(left), -np.inf)
    rounds = 0
    for rounds in range(1, _ROUNDS + 1):
        terms = given.bits(u["given"]) + family.bits(u["family"])
        for column, term in beside.items():
            terms += term.bits(u[column])
        of_one = one.bits(codes) + terms
        of_strangers = strangers.bits(codes)
        if has_family:
            # A name is handed down from parent to child; brothers and sisters bear different ones.
            as_strangers = (
                strangers.field_bits("given", codes) - kin.field_bits("given", codes) - given.bits(u["given"])
            )
            of_kin = kin.bits(codes) + terms + np.where(generation, 0.0, as_strangers)
        probably, relatives = _share(of_one, of_strangers, of_kin)
        if one_to_one:
            probably = _compete(probably, left, right, table.size)
        before = one.share
        one.levels = _bounded(
            _levels(codes, probably, fallback_m, _PRIOR_M),
            float(probably.sum()),
            float(relatives[codes["birth"] >= 0].sum()),
        )
        one.share = min((float(probably.sum()) * scale + 0.5) / total, _MOST_OF_ONE)
        if has_family:
            learnt = _levels(codes, relatives, {}, _PRIOR_KIN, start=_kin_levels(u))
            for field in (*_KIN_SAME, *beside):
                kin.levels[field] = learnt[field]
            kin.levels["birth"] = _kin_levels(u, _twins(codes["birth"], probably, relatives))["birth"]
            _cross(kin, one)
            kin.share = (_families(float(relatives.sum()), float(probably.sum())) * scale + 0.5) / total
        strangers.share = max(1.0 - one.share - kin.share, 0.5)
        if rounds <= 4 or rounds % 5 == 0:
            u = _without_matches(random_codes, one, strangers, fallback_u)
            strangers.levels = u
            if has_family:
                for field in FIELDS:
                    if field not in _KIN_SAME and field != "birth":
                        kin.levels[field] = _kin_levels(u)[field]
                _cross(kin, one)
        if rounds > 5 and abs(log2(one.share / before)) < _SETTLED:
            break
    model = _model(one, strangers, kin if has_family else None, given, family, beside)
    return Learnt(
        model,
        _by_name(one.levels),
        _by_name(strangers.levels),
        one.share * total,
        kin.share * total if has_family else 0.0,
        rounds,
    )


def _pairs_in_all(size: int, source: Ints | None) -> float:
    total = size * (size - 1) / 2
    if source is not None:
        total -= sum(int(many) * (int(many) - 1) / 2 for many in np.bincount(source))
    return max(total, 1.0)


def _random_pairs(size: int, source: Ints | None, generator: np.random.Generator) -> tuple[Ints, Ints]:
    left = generator.integers(0, size, _RANDOM_PAIRS).astype(np.int32)
    right = generator.integers(0, size, _RANDOM_PAIRS).astype(np.int32)
    kept = left != right if source is None else source[left] != source[right]
    return left[kept], right[kept]


def _codes(table: Table, left: Ints, right: Ints) -> dict[str, Codes]:
    given, family, middle = name_codes(table, left, right)
    given[are_two_names(table, given, left, right)] = _LEARNT["given"].index("two names")
    codes = {field: level_codes(table, field, left, right) for field in FIELDS[3:]}
    others = {
        column: beside_codes(values, left, right)
        for column, values in zip(_columns(table), table.beside, strict=True)
    }
    return {"given": given, "family": family, "middle": middle, **codes, **others}


def _columns(table: Table) -> list[str]:
    """What the columns beside the traits are called here."""
    return [f"column {place}" for place in range(len(table.beside))]


def _levels_of(field: str) -> tuple[str, ...]:
    return _LEARNT.get(field, BESIDE_LEVELS)


def _generation_apart(table: Table, left: Ints, right: Ints) -> NDArray[np.bool_]:
    """Pairs between whose births a generation lies."""
    years = np.array(
        [int(birth[:4]) if not birth.startswith(MALFORMED) else 0 for birth in table.birth.values] + [0]
    )
    one, other = years[table.birth.of[left]], years[table.birth.of[right]]
    apart: NDArray[np.bool_] = (one > 0) & (other > 0) & (np.abs(one - other) >= GENERATION)
    return apart


class _Term:
    """How much rarer or commoner the agreeing names of pairs are than agreeing names at random."""

    def __init__(
        self,
        values: Values,
        left: Ints,
        right: Ints,
        codes: Codes,
        word: Callable[[Any], str] = itemgetter(0),
    ) -> None:
        counts = values.counts()
        words: dict[str, int] = {}
        for value, many in zip(values.values, counts, strict=True):
            words[word(value)] = words.get(word(value), 0) + int(many)
        self.total = max(1, int(counts.sum()))
        self.counts = words
        by_value = np.array([words[word(value)] for value in values.values], dtype=np.float64)
        self._same = np.flatnonzero(codes == 0)
        held = values.of[left[self._same]]
        self._share = by_value[held] / self.total if len(held) else np.empty(0)
        self._many = len(codes)

    def bits(self, u: Floats) -> Floats:
        found = np.zeros(self._many)
        found[self._same] = log2(u[0]) - np.log2(self._share)
        return found

    def frequency(self, u: Floats) -> TermFrequency:
        same = float(u[0])
        return TermFrequency(
            {word: log2(same * self.total / many) for word, many in self.counts.items()},
            log2(same * self.total),
        )


def _row(shares: dict[str, float]) -> Floats:
    return np.array([*shares.values(), 1.0])


def _levels(
    codes: dict[str, Codes],
    weights: Floats | None,
    fallback: dict[str, dict[str, float]],
    strength: float,
    *,
    jeffreys: float = 0.0,
    start: dict[str, Floats] | None = None,
) -> dict[str, Floats]:
    """How often each level is met among pairs that count as ``weights`` say."""
    found = {}
    for field in codes:
        many = len(_levels_of(field))
        counts = np.bincount(codes[field] + 1, weights=weights, minlength=many + 1)[1:].astype(np.float64)
        prior = start[field][:-1] if start is not None else np.array(list(fallback[field].values()))
        prior = prior / prior.sum()
        counts += strength * prior + jeffreys
        found[field] = np.append(np.maximum(counts / counts.sum(), 1e-9), 1.0)
    return found


def _bounded(levels: dict[str, Floats], persons: float, relatives: float) -> dict[str, Floats]:
    """Hold the levels of one person within what is seldom. ``relatives``: pairs of a family whose birth dates are
    known; where they are many, another given name is rather another of the family."""
    other_names = max(_OTHER_NAMES[0], _OTHER_NAMES[1] * persons / max(persons + relatives, 1e-9))
    for field, seldom, most in (("given", ("two names", "different", "faint", "crossed"), other_names), *_SELDOM):
        row = levels[field]
        places = [_LEARNT[field].index(level) for level in seldom]
        share = float(row[places].sum())
        if share > most:
            row[:-1] *= (1 - most) / (1 - share)
            row[places] *= most / share * (1 - share) / (1 - most)
    given, crossed = levels["given"], CODE["given"]["crossed"]
    # Names in each other's place are seldom changed too; a spouse's name beside a swapped one looks the same.
    given[crossed] = min(given[crossed], max(_CROSSED * given[CODE["given"]["exchanged"]], 1e-4))
    return levels


def _kin_levels(u: dict[str, Floats], twins: float = _TWINS) -> dict[str, Floats]:
    """What members of a family have in common before the data say: name, address and telephone often, a birth date
    where they are twins, a given name where one bears the other's; the rest as strangers."""
    levels = {field: row.copy() for field, row in u.items()}
    beside = dict.fromkeys(set(u) - set(FIELDS), _KIN_BESIDE)
    for field, share in ({**_KIN_SAME, "birth": twins, "given": _NAMESAKES, **beside}).items():
        levels[field][:-1] *= 1 - share
        levels[field][_levels_of(field).index("same")] += share
    return levels


def _families(relatives: float, persons: float) -> float:
    """How many pairs are of one family. So few beside those of one person are rather persons of whom much changed
    at once."""
    return relatives * relatives / max(relatives + _NO_FAMILIES * persons, 1e-9)


def _twins(birth: Codes, probably: Floats, relatives: Floats) -> float:
    """How many of a family's pairs are born on one day. Where families are few beside persons with two records,
    what seems a twin is mostly one person after all."""
    usual = max(_PRIOR_KIN, _FEW_FAMILIES * float(probably.sum()))
    one_day = float(relatives[birth == CODE["birth"]["same"]].sum())
    known = float(relatives[birth >= 0].sum())
    return (one_day + _TWINS * usual) / (known + usual)


def _cross(kin: _Kind, one: _Kind) -> None:
    """Where one of two relatives has given and family name exchanged, the given name of one is the other's family
    name."""
    given = kin.levels["given"]
    exchanged = float(one.levels["given"][CODE["given"]["exchanged"]])
    given[CODE["given"]["crossed"]] = max(
        given[CODE["given"]["crossed"]], exchanged * float(kin.levels["family"][CODE["family"]["same"]])
    )


def _share(one: Floats, strangers: Floats, kin: Floats) -> tuple[Floats, Floats]:
    """The probabilities that pairs are of one person, and of one family, from the bits of each kind."""
    top = np.maximum(np.maximum(one, strangers), kin)
    a, b, c = np.exp2(one - top), np.exp2(strangers - top), np.exp2(kin - top)
    whole = a + b + c
    return a / whole, c / whole


def _compete(probably: Floats, left: Ints, right: Ints, size: int) -> Floats:
    """No record has two partners: what goes beyond one is taken back in proportion."""
    odds = probably / np.maximum(1 - probably, 1e-12)
    for side in (left, right):
        rivals = np.bincount(side, weights=odds, minlength=size)[side]
        probably = np.minimum(probably, odds / (1 + rivals))
    return probably


def _without_matches(
    codes: dict[str, Codes], one: _Kind, strangers: _Kind, fallback: dict[str, dict[str, float]]
) -> dict[str, Floats]:
    """What strangers have in common: random pairs, less those that are probably one person."""
    of_one, of_strangers = one.bits(codes), strangers.bits(codes)
    rest = 1 / (1 + np.exp2(np.clip(of_one - of_strangers, -60, 60)))
    return _levels(codes, rest, fallback, _PRIOR_U, jeffreys=0.5)


def _by_name(levels: dict[str, Floats]) -> dict[str, dict[str, float]]:
    found = {
        field: {level: float(share) for level, share in zip(_LEARNT[field], levels[field][:-1], strict=True)}
        for field in FIELDS
    }
    found["given"]["different"] += found["given"].pop("two names")
    return found


def _model(
    one: _Kind, strangers: _Kind, kin: _Kind | None, given: _Term, family: _Term, beside: dict[str, _Term]
) -> Model:
    weights = _bits(one.levels, strangers.levels, FIELDS)
    two_names = min(0.0, weights["given"].pop("two names") - weights["given"]["different"])
    prior = log2(one.share / (1 - one.share))
    learnt_kin = None
    if kin is not None:
        fields = (*_KIN_SAME, "birth", "given")
        learnt_kin = Kin(log2(kin.share / one.share), _bits(one.levels, kin.levels, fields))
    text = json.dumps([prior, weights, two_names])
    return Model(
        version=f"learnt-{hashlib.sha256(text.encode()).hexdigest()[:12]}",
        prior=prior,
        weights=weights,
        frequencies={
            "given": given.frequency(strangers.levels["given"]),
            "family": family.frequency(strangers.levels["family"]),
        },
        kin=learnt_kin,
        beside=tuple(
            Beside(
                _bits(one.levels, strangers.levels, (column,))[column],
                _bits(one.levels, (kin or strangers).levels, (column,))[column],
                term.frequency(strangers.levels[column]),
            )
            for column, term in beside.items()
        ),
        two_names=two_names,
    )


def _bits(m: dict[str, Floats], u: dict[str, Floats], fields: tuple[str, ...]) -> dict[str, dict[str, float]]:
    return {
        field: {
            level: float(np.log2(m[field][code] / u[field][code])) for code, level in enumerate(_levels_of(field))
        }
        for field in fields
    }
