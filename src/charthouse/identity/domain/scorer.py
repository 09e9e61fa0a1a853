"""The scorer: Fellegi and Sunter's sum of log2 likelihood ratios over the comparators, as Splink computes it.

``weigh`` is the hot path (a bare sum and the levels); ``score`` adds the waterfall in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .comparators import (
    address_level,
    are_crossed,
    are_exchanged,
    birth_level,
    email_level,
    family_level,
    generation_level,
    given_level,
    identifier_level,
    middle_level,
    mother_level,
    phone_level,
    sex_level,
    ssn_level,
)
from .model import LEVELS, Model
from .names import Name
from .traits import Traits
from .words import words_for

FIELDS = tuple(LEVELS)


class Levels(NamedTuple):
    """The level each field agrees at; None where a side says nothing."""

    given: str | None
    family: str | None
    middle: str | None
    generation: str | None
    birth: str | None
    sex: str | None
    ssn: str | None
    identifier: str | None
    address: str | None
    phone: str | None
    email: str | None
    mother: str | None


class Weighing(NamedTuple):
    """The sum in bits, the levels behind it, and the names that were compared. ``beside`` are the bits for one
    person and against two of a family that a file's other columns give."""

    weight: float
    levels: Levels
    given_term: str
    family_term: str
    beside: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of the waterfall: bits for (+) or against (−), and why in words without the values themselves."""

    field: str
    level: str
    weight: float
    words: str

    def as_json(self) -> dict[str, str | float]:
        return {"field": self.field, "level": self.level, "weight": round(self.weight, 3), "words": self.words}


@dataclass(frozen=True, slots=True)
class Score:
    """How probable it is that two patients are one person, and why."""

    weight: float
    waterfall: tuple[Step, ...]
    levels: Levels

    @property
    def probability(self) -> float:
        """2^weight / (1 + 2^weight)."""
        return probability(self.weight)


def probability(weight: float) -> float:
    """Bits of evidence, the prior included, as a probability."""
    if weight > 60:
        return 1.0
    odds = 2.0**weight
    return float(odds / (1 + odds))


def weigh(a: Traits, b: Traits, model: Model) -> Weighing:
    """The weight of two patients being one person, in bits. Symmetric in ``a`` and ``b``."""
    name_bits, given, family, middle, given_term, family_term = name_pair(a.names, b.names, model)
    levels = Levels(
        given,
        family,
        middle,
        generation_level(a, b),
        birth_level(a.birth, b.birth),
        sex_level(a.sex, b.sex),
        ssn_level(a.ssn, b.ssn),
        identifier_level(a.identifiers, b.identifiers),
        address_level(a.addresses, b.addresses),
        phone_level(a.phones, b.phones),
        email_level(a.emails, b.emails),
        mother_level(a.mother, b.mother),
    )
    weight = model.prior + name_bits
    weights = model.weights
    for field, level in zip(FIELDS[3:], levels[3:], strict=True):
        if level is not None:
            weight += weights[field][level]
    return Weighing(weight, levels, given_term, family_term)


def score(a: Traits, b: Traits, model: Model) -> Score:
    """The weight and probability of two patients being one person, with the waterfall that leads there."""
    return explain(weigh(a, b, model), model)


def explain(weighing: Weighing, model: Model) -> Score:
    """The waterfall of a weighing."""
    steps = [Step("prior", "", model.prior, words_for("prior", ""))]
    for field, level in zip(FIELDS, weighing.levels, strict=True):
        if level is None:
            continue
        steps.append(Step(field, level, model.weights[field][level], words_for(field, level)))
        if level == "same" and field in model.frequencies:
            term = weighing.given_term if field == "given" else weighing.family_term
            bits = model.frequencies[field].of(term)
            steps.append(Step(field, "rare" if bits > 0 else "common", bits, words_for(field, "rare", bits)))
    return Score(weighing.weight, tuple(steps), weighing.levels)


_Names = tuple[float, str | None, str | None, str | None, str, str]


def name_pair(mine: tuple[Name, ...], theirs: tuple[Name, ...], model: Model) -> _Names:
    """The pair of names that agrees best: bits and the levels of given, family and middle names."""
    best: _Names | None = None
    for one in mine:
        for other in theirs:
            pair = _one_pair(one, other, model)
            if best is None or pair > best:
                best = pair
    return _spelt(best) if best is not None else (0.0, None, None, None, "", "")


def _spelt(pair: _Names) -> _Names:
    bits, given, family, middle, given_term, family_term = pair
    return bits, given or None, family or None, middle or None, given_term, family_term


def _one_pair(one: Name, other: Name, model: Model) -> _Names:
    # Levels are "" and not None where a side says nothing, so that pairs can be put in order.
    weights, frequencies = model.weights, model.frequencies
    if are_exchanged(one, other):
        return weights["given"]["exchanged"], "exchanged", "", "", "", ""
    if are_crossed(one, other):
        return weights["given"]["crossed"], "crossed", "", "", "", ""
    bits = 0.0
    given, family, middle = given_level(one, other), family_level(one, other), middle_level(one, other)
    if given:
        bits += weights["given"][given]
        if given == "same" and "given" in frequencies:
            bits += frequencies["given"].of(one.given)
    if family:
        bits += weights["family"][family]
        if family == "same" and "family" in frequencies:
            bits += frequencies["family"].of(one.family)
    if middle:
        bits += weights["middle"][middle]
    return (
        bits,
        given or "",
        family or "",
        middle or "",
        one.given if given == "same" else "",
        one.family if family == "same" else "",
    )


def doubt(now: Traits, before: Traits, model: Model) -> Score:
    """How well an update of a patient agrees with what was known of it: the prior and the assigners' numbers, which
    must agree, are left aside. Below zero the update speaks rather of somebody else."""
    whole = score(now, before, model)
    steps = tuple(step for step in whole.waterfall if step.field not in {"prior", "identifier"})
    return Score(sum(step.weight for step in steps), steps, whole.levels)


def against_kin(weighing: Weighing, model: Model, *, generation: bool = False) -> float:
    """Bits for one person and against two members of one family. ``generation``: a generation lies between their
    births, so that one may bear the other's name. Raises ValueError where the model knows no kin."""
    if model.kin is None:
        raise ValueError("This model was not told what members of a family have in common.")
    weight = weighing.beside - model.kin.prior
    for field, level in zip(FIELDS, weighing.levels, strict=True):
        if level is None:
            continue
        if field in model.kin.weights and (field != "given" or generation):
            weight += model.kin.weights[field][level]
            continue
        weight += model.weights[field][level]
        if level == "same" and field in model.frequencies:
            weight += model.frequencies[field].of(weighing.given_term if field == "given" else weighing.family_term)
    return weight
