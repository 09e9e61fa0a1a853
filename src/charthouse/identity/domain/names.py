"""Names of persons: their parts, generation and placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from .reference import placeholders
from .text import fold, plain

#: Generation by the words used for it. Junior and II are one generation: the forms are mixed freely.
GENERATIONS = {
    "sr": 1, "senior": 1, "snr": 1, "i": 1, "1st": 1,
    "jr": 2, "junior": 2, "jnr": 2, "ii": 2, "2nd": 2,
    "iii": 3, "3rd": 3, "iv": 4, "4th": 4, "v": 5, "5th": 5, "vi": 6,
}  # fmt: skip
#: The ones believed when they stand inside a family or given name, where "V" or "I" may be an initial.
_INSIDE = {"sr", "jr", "ii", "iii", "iv", "2nd", "3rd", "4th"}
_PARTICLES = {
    "de", "del", "della", "der", "den", "des", "di", "da", "das", "do", "dos", "du", "la", "las", "le", "los",
    "van", "von", "vom", "zu", "ter", "ten", "el", "al", "bin", "ibn", "ben", "abu", "st", "saint", "san", "santa",
    "y", "e",
}  # fmt: skip
_MOST_PARTS = 20
_NEWBORN = re.compile(
    r"^(?:baby|newborn|new born|infant|bb|bg|nb)(?: ?(?:boy|girl|male|female))?(?: (?:of|to) .*)?"
    r"(?: ?([a-f]|[1-6]))?$"
    r"|^(?:boy|girl|twin)(?: ([a-f]|[1-6]))?$"
)


#: "Man of the house", "daughter of R": said of a person nobody named.
_DESCRIBED = re.compile(
    r"^(?:the )?(?:man|woman|boy|girl|lady|gentleman|son|daughter|mother|father|child|wife|husband"
    r"|person|baby|dad|mom|guest|head) (?:of|in|on|at|from) "
)


class Name(Struct, frozen=True, omit_defaults=True):
    """One name a person has or had, folded. ``family`` is written together ("delacruz"); ``families`` are the
    parts of a compound that may stand alone; ``generation`` is 1 for senior, 2 for junior or II, 0 for unsaid."""

    family: str = ""
    families: tuple[str, ...] = ()
    given: str = ""
    middle: tuple[str, ...] = ()
    generation: int = 0
    use: str = ""
    ended: bool = False


class NameReading(Struct, frozen=True):
    """What a FHIR HumanName says: the name, what was a placeholder in it, and a newborn's letter as an order."""

    name: Name
    ignored: tuple[str, ...] = ()
    order: int = 0


def read_name(human_name: Mapping[str, Any]) -> NameReading:
    """The parts of a FHIR HumanName. A name with only ``text`` is split: "Family, Given" or "Given Family"."""
    family, givens = _parts(human_name)
    generation = _generation(_texts(human_name.get("suffix")))
    family_words, inside = _without_generation(family.split())
    given_words, also = _without_generation(" ".join(givens).split())
    generation = generation or inside or also

    listed = placeholders()
    ignored: list[str] = []
    order = 0
    family = " ".join(family_words)
    given = " ".join(given_words)
    newborn = _NEWBORN.match(given)
    first, middle = (given_words[0], given_words[1:]) if given_words else ("", [])
    if newborn:
        ignored.append("given")
        order = _order(newborn.group(1) or newborn.group(2) or "")
        first, middle = "", []
    elif given in listed["given"] or first in listed["given"] or _DESCRIBED.match(given):
        ignored.append("given")
        first, middle = "", []
    if family in listed["family"] or f"{first} {family}" in listed["full"]:
        ignored.append("family")
        if f"{first} {family}" in listed["full"]:
            ignored.append("given")
            first, middle = "", []
        family_words = []
    name = Name(
        family="".join(family_words),
        families=_compound(family_words),
        given=first,
        middle=tuple(word for word in middle if word not in listed["middle"]),
        generation=generation,
        use=plain(human_name.get("use")),
        ended=_has_ended(human_name.get("period")),
    )
    return NameReading(name, tuple(ignored), order)


def display_name(human_name: Mapping[str, Any]) -> tuple[str, str]:
    """(family with suffix, given names) as they are written, for a list of patients."""
    family = plain(human_name.get("family"))
    given = plain(" ".join(_texts(human_name.get("given"))))
    suffix = " ".join(part for part in _texts(human_name.get("suffix")) if fold(part) in GENERATIONS)
    if not family and not given:
        family = plain(human_name.get("text"))
    return (f"{family} {suffix}".strip(), given)


def name_words(human_name: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The folded words of the family name and of the given names, generations left out."""
    family, givens = _parts(human_name)
    return _without_generation(family.split())[0], _without_generation(" ".join(givens).split())[0]


def _parts(human_name: Mapping[str, Any]) -> tuple[str, list[str]]:
    family = fold(plain(human_name.get("family")))
    givens = [fold(part) for part in _texts(human_name.get("given"))]
    if family or givens:
        return family, givens
    text = plain(human_name.get("text"))
    before, comma, after = text.partition(",")
    if comma:
        return fold(before), [fold(after)]
    words = fold(text).split()
    tail = [words.pop()] if words and words[-1] in _INSIDE else []
    return " ".join([*words[-1:], *tail]), words[:-1]


def _texts(values: Any) -> list[str]:
    """The texts of a repeated element; nothing where a sender sends another shape."""
    return [text for text in map(plain, values[:_MOST_PARTS]) if text] if isinstance(values, list) else []


def _has_ended(period: Any) -> bool:
    return isinstance(period, Mapping) and bool(period.get("end"))


def _generation(words: Iterable[str]) -> int:
    for word in words:
        for part in fold(word).split():
            if part in GENERATIONS:
                return GENERATIONS[part]
    return 0


def _without_generation(words: list[str]) -> tuple[list[str], int]:
    if len(words) > 1 and words[-1] in _INSIDE:
        return words[:-1], GENERATIONS[words[-1]]
    return words, 0


def _compound(words: list[str]) -> tuple[str, ...]:
    if len(words) < 2:
        return ()
    return tuple(word for word in words if word not in _PARTICLES and len(word) > 1)


def _order(letter: str) -> int:
    if not letter:
        return 0
    return int(letter) if letter.isdigit() else ord(letter) - ord("a") + 1
