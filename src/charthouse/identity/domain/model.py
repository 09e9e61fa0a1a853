"""The weights of the scorer, read from a saved Splink model.

A Splink model is a JSON object: ``probability_two_random_records_match`` and ``comparisons``, each with an
``output_column_name`` and ``comparison_levels`` with ``label_for_charts``, ``m_probability`` and ``u_probability``;
a level may name a ``tf_adjustment_column`` with ``tf_adjustment_weight`` and ``tf_minimum_u_value``. Here the
output column is the field of a comparator and the label is the name of its level. Frequencies of names are kept
apart, as Splink keeps them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log2
from typing import Any

from .reference import read_text, term_frequencies

#: Field to its levels, in the order of a waterfall. A model must have a weight for each.
LEVELS: dict[str, tuple[str, ...]] = {
    "given": (
        "same",
        "nickname",
        "initial",
        "middle",
        "similar",
        "sound",
        "faint",
        "exchanged",
        "crossed",
        "different",
    ),
    "family": ("same", "part", "similar", "sound", "faint", "different"),
    "middle": ("same", "initial", "different"),
    "generation": ("same", "different"),
    "birth": ("same", "first of january", "exchanged", "one digit", "one part", "month", "year", "different"),
    "sex": ("same", "different"),
    "ssn": ("same", "unissued", "one digit", "last four", "unissued different", "different"),
    "identifier": ("same", "shared", "other"),
    "address": ("same", "similar", "line", "building", "street", "postal", "city", "different"),
    "phone": ("same", "local", "one digit", "different"),
    "email": ("same", "similar", "different"),
    "mother": ("same", "part", "similar", "different"),
}


class ModelError(ValueError):
    """A model file lacks something or holds an impossible number; the message says what and where."""


@dataclass(frozen=True, slots=True)
class TermFrequency:
    """Bits added to an exact agreement by how rare the agreeing name is."""

    bits: Mapping[str, float]
    unlisted: float

    def of(self, term: str) -> float:
        return self.bits.get(term, self.unlisted)


@dataclass(frozen=True, slots=True)
class Kin:
    """What is seen of two members of one family, as a site's own data show it.

    ``prior``: log2 of how often a pair is one of a family, over how often it is one person. ``weights``: bits of
    one person over two of a family (log2 of m over kin), by field and level; a field that is not there tells
    members of a family apart as well as it tells strangers apart. Those of the given name hold where a generation
    lies between the two.
    """

    prior: float
    weights: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Beside:
    """What a column beside the traits tells, learnt from the file it stands in: bits of one person over two
    strangers, and over two of a family, by level; and bits of how rare a value is that agrees."""

    weights: Mapping[str, float]
    kin: Mapping[str, float]
    rarity: TermFrequency


@dataclass(frozen=True, slots=True)
class Model:
    """Weights in bits (log2 of m/u) by field and level; ``prior`` is the log2 odds that two random records match.
    ``version`` names the model in the link history. ``kin`` is there where it was learnt, ``beside`` where a file
    has other columns. ``two_names`` are the bits, none or fewer, that given names which differ count for beside
    their level where people bear both; learnt with ``kin``."""

    version: str
    prior: float
    weights: Mapping[str, Mapping[str, float]]
    frequencies: Mapping[str, TermFrequency]
    kin: Kin | None = None
    beside: tuple[Beside, ...] = ()
    two_names: float = 0.0


def read_model(text: str, frequencies: Mapping[str, tuple[Mapping[str, float], float]]) -> Model:
    """A Model from Splink's JSON. ``frequencies``: field to (share by name, share of an unlisted name).

    Raises ModelError naming the comparison and level at fault.
    """
    saved: dict[str, Any] = json.loads(text)
    probability = _probability(saved, "probability_two_random_records_match", "the model")
    weights: dict[str, dict[str, float]] = {}
    adjustments: dict[str, TermFrequency] = {}
    for comparison in saved.get("comparisons", ()):
        name = str(comparison.get("output_column_name"))
        if name not in LEVELS:
            raise ModelError(f"The model compares {name!r}; known are {', '.join(LEVELS)}.")
        weights[name] = {}
        for level in comparison["comparison_levels"]:
            if level.get("is_null_level"):
                continue
            label = str(level.get("label_for_charts"))
            if label not in LEVELS[name]:
                raise ModelError(
                    f"The model has a level {label!r} for {name}; known are {', '.join(LEVELS[name])}."
                )
            where = f"{name}, level {label}"
            m, u = _probability(level, "m_probability", where), _probability(level, "u_probability", where)
            weights[name][label] = log2(m / u)
            if level.get("tf_adjustment_column") and name in frequencies:
                adjustments[name] = _adjustment(level, u, *frequencies[name])
    for name, labels in LEVELS.items():
        missing = [label for label in labels if label not in weights.get(name, {})]
        if missing:
            raise ModelError(f"The model has no weight for {name}: {', '.join(missing)}.")
    version = saved.get("linker_uid") or hashlib.sha256(text.encode()).hexdigest()[:12]
    return Model(str(version), log2(probability / (1 - probability)), weights, adjustments)


def _adjustment(level: Mapping[str, Any], u: float, shares: Mapping[str, float], unlisted: float) -> TermFrequency:
    """Splink's adjustment: (u of random pairs / frequency of the term) to the power of its weight."""
    power = float(level.get("tf_adjustment_weight", 1.0))
    least = float(level.get("tf_minimum_u_value") or 1e-9)
    return TermFrequency(
        {term: power * log2(u / max(share, least)) for term, share in shares.items()},
        power * log2(u / max(unlisted, least)),
    )


def _probability(holder: Mapping[str, Any], key: str, where: str) -> float:
    value = holder.get(key)
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise ModelError(f"{key} of {where} is {value!r}: a number between 0 and 1 is needed.")
    return float(value)


@lru_cache(maxsize=1)
def default_model() -> Model:
    """The model that comes with Charthouse."""
    return read_model(read_text("default_model.json"), term_frequencies())


@lru_cache(maxsize=1)
def default_shares() -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """How often each level is met, by field, in the model that comes along: for one person, and for strangers."""
    saved: dict[str, Any] = json.loads(read_text("default_model.json"))
    found: dict[str, dict[str, dict[str, float]]] = {"m_probability": {}, "u_probability": {}}
    for comparison in saved["comparisons"]:
        field = comparison["output_column_name"]
        levels = {level["label_for_charts"]: level for level in comparison["comparison_levels"]}
        for key, shares in found.items():
            shares[field] = {label: float(levels[label][key]) for label in LEVELS[field]}
    return found["m_probability"], found["u_probability"]
