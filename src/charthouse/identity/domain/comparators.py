"""Comparators: how far two patients agree in one respect.

Each returns the name of a level of the model, or None where a side says nothing: what is missing speaks neither
for nor against. Every comparator is symmetric. Where a person has several names, addresses or phones, the pair
that agrees best is taken.
"""

from __future__ import annotations

from rapidfuzz.distance import OSA, JaroWinkler

from .addresses import Address
from .names import Name
from .reference import are_nicknames, is_known_given
from .text import digits, sound
from .traits import Identifier, Traits

_similarity = JaroWinkler.similarity
_edits = OSA.distance


def given_level(one: Name, other: Name) -> str | None:
    """same, initial, nickname, middle, similar, sound or different."""
    a, b = one.given, other.given
    if not a or not b:
        return None
    if a == b:
        return "same" if len(a) > 1 else "initial"
    if len(a) == 1 or len(b) == 1:
        return "initial" if a[0] == b[0] else _by_middle(one, other)
    if are_nicknames(a, b):
        return "nickname"
    if a in other.middle or b in one.middle:
        return "middle"
    return _alike_given(a, b)


def _by_middle(one: Name, other: Name) -> str:
    """For an initial: whether the full given name of the other stands as a middle name."""
    if one.given in other.middle or other.given in one.middle:
        return "middle"
    return "different"


def _alike_given(a: str, b: str) -> str:
    if _numbered_apart(a, b):
        return "different"
    shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
    alike = (
        (len(shorter) >= 3 and longer.startswith(shorter))
        or (len(shorter) >= 4 and _edits(a, b, score_cutoff=1) <= 1)
        or _similarity(a, b, score_cutoff=0.9) >= 0.9
    )
    same_sound = sound(a) == sound(b)
    if alike and not same_sound and is_known_given(a) and is_known_given(b):
        # Jayden and Hayden, Mario and Mark: two names people bear are two names, not one misspelt.
        return "different"
    if alike:
        return "similar"
    return "sound" if same_sound and len(shorter) >= 3 else "different"


def _numbered_apart(a: str, b: str) -> bool:
    """Whether names of made-up persons differ in their digits: Chi716 is not Chi717."""
    return not (a.isalpha() and b.isalpha()) and digits(a) != digits(b)


def family_level(one: Name, other: Name) -> str | None:
    """same, part, similar, sound or different."""
    a, b = one.family, other.family
    if not a or not b:
        return None
    if a == b:
        return "same"
    if one.families or other.families:
        mine, theirs = one.families or (a,), other.families or (b,)
        if not set(mine).isdisjoint(theirs):
            return "part"
    if _numbered_apart(a, b):
        return "different"
    if (len(a) >= 4 and len(b) >= 4 and _edits(a, b, score_cutoff=1) <= 1) or (
        _similarity(a, b, score_cutoff=0.92) >= 0.92
    ):
        return "similar"
    return "sound" if sound(a) == sound(b) and len(a) >= 3 and len(b) >= 3 else "different"


def are_exchanged(one: Name, other: Name) -> bool:
    """Whether the family name of one is the given name of the other, both ways."""
    return bool(
        one.given
        and one.family
        and one.given == other.family
        and one.family == other.given
        and one.given != one.family
    )


def middle_level(one: Name, other: Name) -> str | None:
    """same, initial or different, of the first middle names."""
    if not one.middle or not other.middle:
        return None
    a, b = one.middle[0], other.middle[0]
    if a == b:
        return "same" if len(a) > 1 else "initial"
    if a[0] == b[0] and (len(a) == 1 or len(b) == 1):
        return "initial"
    if len(a) > 3 and len(b) > 3 and _edits(a, b, score_cutoff=1) <= 1:
        return "same"
    return "different"


def generation_level(a: Traits, b: Traits) -> str | None:
    """same or different: senior, junior, III. A name without one says nothing."""
    mine = {name.generation for name in a.names if name.generation}
    theirs = {name.generation for name in b.names if name.generation}
    if not mine or not theirs:
        return None
    return "different" if mine.isdisjoint(theirs) else "same"


def birth_level(a: str, b: str) -> str | None:
    """same, first of january, exchanged, one part, month, year or different, of two dates YYYY[-MM[-DD]]."""
    if not a or not b:
        return None
    if a == b:
        if len(a) == 10:
            return "first of january" if a.endswith("-01-01") else "same"
        return "year" if len(a) == 4 else "month"
    if len(a) != 10 or len(b) != 10:
        shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
        if longer.startswith(shorter):
            return "year" if len(shorter) == 4 else "month"
        return "different"
    same_year = a[:4] == b[:4]
    if same_year and a[5:7] == b[8:10] and a[8:10] == b[5:7]:
        return "exchanged"
    same_month, same_day = a[5:7] == b[5:7], a[8:10] == b[8:10]
    if same_year and (same_month or same_day):
        return "one part"
    if same_month and same_day and _edits(a[:4], b[:4]) == 1:
        return "one part"
    return "different"


def sex_level(a: str, b: str) -> str | None:
    """same or different."""
    if not a or not b:
        return None
    return "same" if a == b else "different"


def ssn_level(a: str, b: str) -> str | None:
    """same, unissued, one digit, last four, unissued different or different. Numbers beginning with 9 were never
    issued and weigh less on both sides."""
    if not a or not b:
        return None
    if len(a) == 4 or len(b) == 4:
        return "last four" if a[-4:] == b[-4:] else "different"
    unissued = a[0] == "9" or b[0] == "9"
    if a == b:
        return "unissued" if unissued else "same"
    if unissued:
        return "unissued different"
    if _edits(a, b, score_cutoff=1) <= 1:
        return "one digit"
    return "last four" if a[5:] == b[5:] else "different"


def identifier_level(a: tuple[Identifier, ...], b: tuple[Identifier, ...]) -> str | None:
    """same, shared (a number families share) or other (another number from the same assigner)."""
    if not a or not b:
        return None
    theirs = {(identifier.system, identifier.folded) for identifier in b}
    shared = False
    for identifier in a:
        if (identifier.system, identifier.folded) in theirs:
            if not identifier.is_shared:
                return "same"
            shared = True
    if shared:
        return "shared"
    mine = {(identifier.system, identifier.kind) for identifier in a if not identifier.is_shared}
    return "other" if any((identifier.system, identifier.kind) in mine for identifier in b) else None


_ADDRESS_LEVELS = ("same", "similar", "building", "postal", "city", "different")


def address_level(a: tuple[Address, ...], b: tuple[Address, ...]) -> str | None:
    """same, similar, building (another unit), postal, city or different: line, city and postal code as one."""
    if not a or not b:
        return None
    best = 5
    for one in a:
        for other in b:
            level = _address(one, other)
            if level == 0:
                return "same"
            best = min(best, level)
    return _ADDRESS_LEVELS[best]


def _address(a: Address, b: Address) -> int:
    same_postal = a.postal == b.postal and a.postal != ""
    same_city = a.city == b.city and a.city != "" and (a.state == b.state or not a.state or not b.state)
    near = same_postal or same_city
    if near and a.street and b.street:
        if a.street == b.street:
            if a.number == b.number:
                return 2 if a.unit and b.unit and a.unit != b.unit else 0
            if a.number and b.number and _edits(a.number, b.number) <= 1 and a.unit == b.unit:
                return 1
        elif a.number == b.number and _similarity(a.street, b.street) >= 0.9:
            return 1
    if same_postal:
        return 3
    return 4 if same_city else 5


def phone_level(a: tuple[str, ...], b: tuple[str, ...]) -> str | None:
    """same, local (the last seven digits, an area code missing) or different."""
    if not a or not b:
        return None
    if any(number in b for number in a):
        return "same"
    for one in a:
        for other in b:
            if len(one) != len(other) and one[-7:] == other[-7:]:
                return "local"
    return "different"


def email_level(a: tuple[str, ...], b: tuple[str, ...]) -> str | None:
    """same or different."""
    if not a or not b:
        return None
    return "same" if any(address in b for address in a) else "different"


def mother_level(a: tuple[str, ...], b: tuple[str, ...]) -> str | None:
    """same, part, similar or different: mother's maiden name, with or without her given name."""
    if not a or not b:
        return None
    if a == b:
        return "same"
    if not set(a).isdisjoint(b):
        return "part"
    return "similar" if _similarity(a[-1], b[-1]) >= 0.92 else "different"
