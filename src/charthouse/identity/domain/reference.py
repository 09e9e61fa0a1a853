"""The word lists that come with Charthouse: nicknames, street words, placeholders, name frequencies."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import lru_cache
from importlib.resources import files
from typing import Any

_DATA = "charthouse.identity.data"


def read_text(name: str) -> str:
    """A data file of this app, as text."""
    return files(_DATA).joinpath(name).read_text("utf-8")


def _lines(name: str) -> list[tuple[str, list[str]]]:
    pairs = []
    for line in read_text(name).splitlines():
        if line and not line.startswith("#"):
            head, _, tail = line.partition(":")
            pairs.append((head.strip(), tail.split()))
    return pairs


@lru_cache(maxsize=1)
def _nicknames() -> dict[str, frozenset[str]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for full, forms in _lines("nicknames.txt"):
        for form in (full, *forms):
            groups[form].add(full)
    return {form: frozenset(names) for form, names in groups.items()}


def full_names(given: str) -> frozenset[str]:
    """The full names a folded given name may stand for, itself included: "bob" gives bob and robert."""
    return _nicknames().get(given, frozenset()) | {given}


@lru_cache(maxsize=4096)
def nicknames_of(given: str) -> frozenset[str]:
    """The other forms of a folded given name, and the names it may be a form of."""
    fulls = full_names(given)
    return frozenset(form for form, names in _nicknames().items() if not names.isdisjoint(fulls)) - {given}


@lru_cache(maxsize=65536)
def are_nicknames(one: str, other: str) -> bool:
    """Whether one name is a usual form of the other, or both are forms of one full name."""
    table = _nicknames()
    known, also = table.get(one), table.get(other)
    return known is not None and also is not None and not known.isdisjoint(also)


@lru_cache(maxsize=1)
def street_words() -> dict[str, str]:
    """Word of an address to its short form: "avenue" to "ave"."""
    words = {}
    for short, longs in _lines("street_words.txt"):
        words[short] = short
        words.update(dict.fromkeys(longs, short))
    return words


@lru_cache(maxsize=1)
def placeholders() -> dict[str, frozenset[str]]:
    """Field to the values that stand for no value."""
    loaded: dict[str, Any] = json.loads(read_text("placeholders.json"))
    return {name: frozenset(values) for name, values in loaded.items() if isinstance(values, list)}


@lru_cache(maxsize=1)
def term_frequencies() -> dict[str, tuple[dict[str, float], float]]:
    """Field ("given", "family") to the share of persons with each listed name, and the share of an unlisted one."""
    loaded = json.loads(read_text("term_frequencies.json"))
    per = loaded["per"]
    return {
        name: ({word: count / per for word, count in loaded[name]["names"].items()}, loaded[name]["unlisted"] / per)
        for name in ("family", "given")
    }


@lru_cache(maxsize=65536)
def is_known_given(name: str) -> bool:
    """Whether a folded given name is one that people bear, so that it is hardly a slip of the pen."""
    return name in term_frequencies()["given"][0]
