"""Comparators: how far two patients agree in one respect.

Each returns the name of a level of the model, or None where a side says nothing: what is missing speaks neither
for nor against. Every comparator is symmetric. Where a person has several names, addresses or phones, the pair
that agrees best is taken.
"""

from __future__ import annotations

from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.fuzz import token_set_ratio

from .addresses import Address, district
from .dates import MALFORMED
from .names import Name
from .reference import are_nicknames, full_names, is_known_given
from .text import digits, sound
from .traits import Identifier, Traits

_similarity = JaroWinkler.similarity
_edits = OSA.distance


def given_level(one: Name, other: Name) -> str | None:
    """same, initial, nickname, middle, similar, sound, faint or different."""
    a, b = one.given, other.given
    if not a or not b:
        return None
    if a == b:
        return "same" if len(a) > 1 else "initial"
    if len(a) == 1 or len(b) == 1:
        return "initial" if a[0] == b[0] else _by_middle(one, other)
    if are_nicknames(a, b):
        # Lisa and Betty are both forms of Elizabeth, and yet two names.
        two_names = is_known_given(a) and is_known_given(b) and a not in full_names(b) and b not in full_names(a)
        return "faint" if two_names else "nickname"
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
    likeness = _similarity(a, b)
    alike = (
        likeness >= 0.9
        or (len(shorter) >= 3 and longer.startswith(shorter))
        or (len(shorter) >= 4 and _edits(a, b, score_cutoff=1) <= 1)
    )
    same_sound = sound(a) == sound(b)
    both_known = is_known_given(a) and is_known_given(b)
    two_names = not same_sound and both_known
    if alike:
        # Jayden and Hayden, Mario and Mark: two names people bear are two names, not one misspelt.
        return "different" if two_names else "similar"
    if same_sound and len(shorter) >= 3:
        # Donna and Tina sound alike to Metaphone, and may be twins.
        return "faint" if both_known else "sound"
    return "faint" if not two_names and _is_faint(shorter, longer, likeness) else "different"


def _is_faint(shorter: str, longer: str, likeness: float) -> bool:
    """Whether one word may be the other with several slips of the pen."""
    return len(shorter) >= 3 and (likeness >= 0.8 or (len(shorter) >= 5 and _edits(shorter, longer) <= 2))


def _numbered_apart(a: str, b: str) -> bool:
    """Whether names of made-up persons differ in their digits: Chi716 is not Chi717. Where one has none, the other
    may be misread by a machine: char1es."""
    if a.isalpha() or b.isalpha():
        return False
    mine, theirs = digits(a), digits(b)
    return mine != "" and theirs != "" and mine != theirs


def family_level(one: Name, other: Name) -> str | None:
    """same, part, similar, sound, faint or different."""
    a, b = one.family, other.family
    if not a or not b:
        return None
    if a == b:
        return "same"
    if len(a) == 1 or len(b) == 1:
        return None if a[0] == b[0] else "different"
    if one.families or other.families:
        mine, theirs = one.families or (a,), other.families or (b,)
        if not set(mine).isdisjoint(theirs):
            return "part"
    if _numbered_apart(a, b):
        return "different"
    likeness = _similarity(a, b)
    if likeness >= 0.92 or (len(a) >= 4 and len(b) >= 4 and _edits(a, b, score_cutoff=1) <= 1):
        return "similar"
    shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
    if sound(a) == sound(b) and len(shorter) >= 3:
        return "sound"
    return "faint" if _is_faint(shorter, longer, likeness) else "different"


def are_exchanged(one: Name, other: Name) -> bool:
    """Whether the family name of one is the given name of the other, both ways; one of the two may have a slip."""
    crossed = _crossings(one, other)
    if crossed == 0 or one.given == other.given or one.family == other.family:
        return False
    return crossed == 2 or (_one_slip(one.given, other.family) and _one_slip(one.family, other.given))


def are_crossed(one: Name, other: Name) -> bool:
    """Whether the family name of one is the given name of the other, one way only, and nothing else agrees."""
    if _crossings(one, other) != 1:
        return False
    return given_level(one, other) in _APART and family_level(one, other) in _APART


_APART = {"faint", "different"}


def _crossings(one: Name, other: Name) -> int:
    """In how many ways of two a given name stands as the other's family name; a name may have been parted."""
    if not (one.given and one.family and other.given and other.family):
        return 0
    if one.given == one.family or other.given == other.family:
        return 0
    return (other.family in (one.given, _joined(one))) + (one.family in (other.given, _joined(other)))


def _joined(name: Name) -> str:
    return name.given + "".join(name.middle)


def _one_slip(a: str, b: str) -> bool:
    return len(a) >= 4 and len(b) >= 4 and _edits(a, b, score_cutoff=1) <= 1


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
    """same, first of january, exchanged, one digit, one part, month, year or different, of two dates
    YYYY[-MM[-DD]], or of digits that were meant to be one."""
    if not a or not b:
        return None
    if a[0] == MALFORMED or b[0] == MALFORMED:
        return _malformed_birth(a, b)
    if a == b:
        if len(a) == 10:
            return "first of january" if a.endswith("-01-01") else "same"
        return "year" if len(a) == 4 else "month"
    if len(a) != 10 or len(b) != 10:
        shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
        if longer.startswith(shorter):
            return "year" if len(shorter) == 4 else "month"
        # An age tells the year of birth only to the one beside it.
        return "one part" if len(shorter) == 4 and abs(int(a[:4]) - int(b[:4])) == 1 else "different"
    same_year = a[:4] == b[:4]
    if same_year and a[5:7] == b[8:10] and a[8:10] == b[5:7]:
        return "exchanged"
    if _edits(a, b, score_cutoff=1) <= 1:
        return "one digit"
    same_month, same_day = a[5:7] == b[5:7], a[8:10] == b[8:10]
    if (same_year and (same_month or same_day)) or (same_month and same_day and _edits(a[:4], b[:4]) <= 2):
        return "one part"
    # Many write the first of January where only the year is known.
    return "year" if same_year and (a.endswith("-01-01") or b.endswith("-01-01")) else "different"


def _malformed_birth(a: str, b: str) -> str | None:
    """A date that is none (a digit too many, a 13th month) may still be the other with a slip of the pen."""
    if a == b:
        return "same"
    one, other = a.lstrip(MALFORMED).replace("-", ""), b.lstrip(MALFORMED).replace("-", "")
    if len(one) < 6 or len(other) < 6:
        return None
    if (
        len(one) == 8
        and len(other) == 8
        and one[:4] == other[:4]
        and one[4:6] == other[6:]
        and one[6:] == other[4:6]
    ):
        return "exchanged"
    apart = _edits(one, other, score_cutoff=2)
    return {0: "same", 1: "one digit", 2: "one part"}.get(apart, "different")


def sex_level(a: str, b: str) -> str | None:
    """same or different."""
    if not a or not b:
        return None
    return "same" if a == b else "different"


def ssn_level(a: str, b: str) -> str | None:
    """same, unissued, one digit, last four, unissued different or different. Numbers beginning with 9 were never
    issued and weigh less on both sides. Numbers of another length are those of other countries."""
    if not a or not b:
        return None
    if len(a) == 4 or len(b) == 4:
        return "last four" if a[-4:] == b[-4:] else "different"
    unissued = (len(a) == 9 and a[0] == "9") or (len(b) == 9 and b[0] == "9")
    if a == b:
        return "unissued" if unissued else "same"
    if unissued:
        return "unissued different"
    if _edits(a, b, score_cutoff=1) <= 1:
        return "one digit"
    return "last four" if a[-4:] == b[-4:] else "different"


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


_ADDRESS_LEVELS = ("same", "similar", "line", "building", "street", "postal", "city", "different")
_SAME, _SIMILAR, _LINE, _BUILDING, _STREET, _POSTAL, _CITY, _DIFFERENT = range(8)


def address_level(a: tuple[Address, ...], b: tuple[Address, ...]) -> str | None:
    """same, similar, line (the same line elsewhere), building (another unit), street (the same street of the same
    place), postal, city or different: line, city and postal code as one."""
    if not a or not b:
        return None
    best = _DIFFERENT
    for one in a:
        for other in b:
            level = _address(one, other)
            if level == _SAME:
                return "same"
            best = min(best, level)
    return _ADDRESS_LEVELS[best]


def _address(a: Address, b: Address) -> int:
    same_postal = a.postal == b.postal and a.postal != ""
    same_city = a.city == b.city and a.city != "" and (a.state == b.state or not a.state or not b.state)
    near = same_postal or same_city
    if a.street and b.street:
        same_number = a.number == b.number
        alike = a.street == b.street or _is_street_alike(a.street, b.street)
        if alike and same_number and (near or a.number):
            if near and a.street == b.street:
                return _BUILDING if a.unit and b.unit and a.unit != b.unit else _SAME
            return _SIMILAR if near or _is_place_alike(a, b) else _LINE
        if alike and (near or _is_place_alike(a, b)):
            if near and a.street == b.street and a.unit == b.unit and _slipped(a.number, b.number):
                return _SIMILAR
            return _STREET
    if same_postal:
        return _POSTAL
    if same_city or (a.postal and not (a.city and b.city) and district(a.postal) == district(b.postal)):
        return _CITY
    return _DIFFERENT


def _slipped(a: str, b: str) -> bool:
    return a != "" and b != "" and _edits(a, b, score_cutoff=1) <= 1


def _is_street_alike(a: str, b: str) -> bool:
    """Whether one street may be the other misspelt, its words in another order, or without a part."""
    return _similarity(a, b) >= 0.9 or token_set_ratio(a, b) >= 88


def _is_place_alike(a: Address, b: Address) -> bool:
    """Whether city or postal code differ by no more than a slip of the pen, or nothing is said of one."""
    if not ((a.postal and b.postal) or (a.city and b.city)):
        return True
    return (len(a.postal) >= 4 and len(b.postal) >= 4 and _slipped(a.postal, b.postal)) or (
        a.city != "" and b.city != "" and _similarity(a.city, b.city) >= 0.9
    )


def phone_level(a: tuple[str, ...], b: tuple[str, ...]) -> str | None:
    """same, local (the last seven digits, an area code missing), one digit or different."""
    if not a or not b:
        return None
    if any(number in b for number in a):
        return "same"
    slip = False
    for one in a:
        for other in b:
            if len(one) != len(other) and one[-7:] == other[-7:]:
                return "local"
            slip = slip or _edits(one, other, score_cutoff=1) <= 1
    return "one digit" if slip else "different"


def email_level(a: tuple[str, ...], b: tuple[str, ...]) -> str | None:
    """same, similar (a slip of the pen, or the same name at another host) or different."""
    if not a or not b:
        return None
    if any(address in b for address in a):
        return "same"
    return "similar" if any(_is_mail_alike(one, other) for one in a for other in b) else "different"


def _is_mail_alike(a: str, b: str) -> bool:
    if _edits(a, b, score_cutoff=1) <= 1:
        return True
    name = a.partition("@")[0]
    return len(name) >= 6 and name == b.partition("@")[0]


def mother_level(a: tuple[str, ...], b: tuple[str, ...]) -> str | None:
    """same, part, similar or different: mother's maiden name, with or without her given name."""
    if not a or not b:
        return None
    if a == b:
        return "same"
    if not set(a).isdisjoint(b):
        return "part"
    return "similar" if _similarity(a[-1], b[-1]) >= 0.92 else "different"
