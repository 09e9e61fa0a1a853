"""What speaks against one person: found before two are merged, said in words, refused or to be confirmed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from .traits import Traits

_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that speaks against a merge: the rule, whether it refuses or asks to be confirmed, and words that
    name no value of a chart."""

    rule: str
    refuses: bool
    words: str


@dataclass(frozen=True, slots=True)
class Visit:
    """An encounter as far as it matters here. ``start`` and ``end`` are microseconds since 1970, ``end`` None while
    it lasts or where nobody said; ``inpatient`` a stay in a bed, ``present`` whether it goes on by its status;
    ``facility`` where, empty where unknown. The same ``number`` of one facility is the same visit."""

    start: int
    end: int | None
    inpatient: bool
    present: bool
    facility: str = ""
    number: str = ""

    def overlap(self, other: Visit) -> int:
        """How long both lasted at once, in microseconds; one without an end counts only while it is present."""
        ends = [
            each.end if each.end is not None else (_ALWAYS if each.present else each.start)
            for each in (self, other)
        ]
        return min(ends) - max(self.start, other.start)

    def is_same(self, other: Visit) -> bool:
        return bool(self.number) and (self.number, self.facility) == (other.number, other.facility)


_ALWAYS = 1 << 62


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the charts hold of one side: days of death, sexes, visits, and how many items only one sex can have."""

    traits: Sequence[Traits]
    visits: Sequence[Visit]
    female: int = 0
    male: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a merge by their codes, and their numbers: the hours that two stays, and two visits, may overlap
    without being noticed."""

    apart: str
    deaths: str
    beds: str
    admissions: str
    admission_hours: float
    visits: str
    visit_hours: float
    sex: str


def findings(one: Evidence, other: Evidence, told_apart: int, rules: Rules) -> list[Finding]:
    """All that speaks against the two being one person, what refuses first. ``told_apart`` counts the pairs of
    their patients that somebody found to be two persons."""
    found = [
        *_apart(told_apart, rules),
        *_deaths(one, other, rules),
        *_stays(one, other, rules),
        *_sex(one, other, rules),
    ]
    return sorted(found, key=lambda each: not each.refuses)


def _apart(count: int, rules: Rules) -> Iterable[Finding]:
    if count:
        yield Finding(
            rules.apart,
            True,
            "Somebody found them, or records of theirs, to be two persons. Take that back first, with a reason.",
        )


def _deaths(one: Evidence, other: Evidence, rules: Rules) -> Iterable[Finding]:
    first, second = _days(one.traits), _days(other.traits)
    if first and second and first.isdisjoint(second):
        yield Finding(
            rules.deaths, True, "Both died, on different days. Have the wrong day of death corrected first."
        )


def _days(traits: Iterable[Traits]) -> set[str]:
    return {each.deceased for each in traits if len(each.deceased) == 10}


def _stays(one: Evidence, other: Evidence, rules: Rules) -> Iterable[Finding]:
    pairs = [(a, b) for a in one.visits for b in other.visits if not a.is_same(b)]
    beds = sum(
        1 for a, b in pairs if a.inpatient and b.inpatient and a.present and b.present and a.end is b.end is None
    )
    if beds:
        yield Finding(
            rules.beds, True, "Both lie in a bed now. Ask the wards who lies where before anything is merged."
        )
    stays = _overlapping(((a, b) for a, b in pairs if a.inpatient and b.inpatient), rules.admission_hours)
    if stays > beds:
        yield Finding(
            rules.admissions,
            False,
            f"{_counted(stays - beds, 'inpatient stay')} of the one overlap {_them(stays - beds)} of the other.",
        )
    away = ((a, b) for a, b in pairs if not (a.inpatient and b.inpatient) and a.facility != b.facility)
    visits = _overlapping(((a, b) for a, b in away if a.facility and b.facility), rules.visit_hours)
    if visits:
        yield Finding(
            rules.visits,
            False,
            f"{_counted(visits, 'visit')} of the one ran at the same time as {_them(visits)} of the other, "
            "elsewhere.",
        )


def _overlapping(pairs: Iterable[tuple[Visit, Visit]], hours: float) -> int:
    return sum(1 for a, b in pairs if a.overlap(b) > hours * _HOUR)


def _counted(count: int, word: str) -> str:
    return f"{'One' if count == 1 else count} {word}{'' if count == 1 else 's'}"


def _them(count: int) -> str:
    return "one" if count == 1 else "some"


def _sex(one: Evidence, other: Evidence, rules: Rules) -> Iterable[Finding]:
    first, second = ({each.sex for each in side.traits if each.sex} for side in (one, other))
    differ = bool(first and second) and first.isdisjoint(second)
    contrary = (one.female and other.male) or (one.male and other.female)
    contrary = contrary or (one.female and second == {"M"}) or (one.male and second == {"F"})
    contrary = contrary or (other.female and first == {"M"}) or (other.male and first == {"F"})
    if contrary:
        yield Finding(
            rules.sex,
            False,
            ("The sex differs, and a" if differ else "A")
            + " chart holds what only the other sex can have: a pregnancy, a condition of the organs of one sex.",
        )


def unconfirmed(found: Iterable[Finding], confirmed: Collection[str]) -> list[Finding]:
    """Those that still stand against a merge: refusals, and what nobody confirmed."""
    return [each for each in found if each.refuses or each.rule not in confirmed]
