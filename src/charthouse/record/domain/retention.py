"""From which day a chart, or a document of it, may be destroyed, and by which rule. Pure: numbers come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Periods:
    """The numbers of the rules in force: years after the last entry by the conditions of each kind of facility
    there is, for adults, and for minors after they come of age."""

    conditions: Sequence[int]
    adults: int
    majority: int
    minors: int


@dataclass(frozen=True, slots=True)
class Due:
    """From when a chart may be destroyed, and the rule that says so."""

    day: date
    rule: str


@dataclass(frozen=True, slots=True)
class OwnPeriod:
    """The rule of one kind of document: years after the document's date. ``kinds`` are codes of its category or
    type."""

    rule: str
    years: int
    kinds: frozenset[str]


CONDITIONS, ADULTS, MINORS = "record.retention-conditions", "record.retention-adults", "record.retention-minors"


def years_after(day: date, years: int) -> date:
    """The same day so many years later; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def due(last: date, births: Sequence[str], periods: Periods) -> Due:
    """When the longest of all periods that apply has ended.

    ``last`` is the day of the last entry, ``births`` the birth dates (YYYY, YYYY-MM, YYYY-MM-DD or empty) that the
    chart's source patients give; the latest counts, each as late as it can be meant.
    """
    found = [Due(years_after(last, years), CONDITIONS) for years in periods.conditions]
    found.append(_of_a_minor(last, births, periods) or Due(years_after(last, periods.adults), ADULTS))
    return max(found, key=lambda each: each.day)


def _of_a_minor(last: date, births: Sequence[str], periods: Periods) -> Due | None:
    """The time of somebody who was not of age then; None of somebody who was."""
    of_age = years_after(min(max((_latest(each, last) for each in births), default=last), last), periods.majority)
    return Due(years_after(of_age, periods.minors), MINORS) if of_age > last else None


def own_period(resource: Mapping[str, Any], periods: Sequence[OwnPeriod]) -> OwnPeriod | None:
    """The longest of the rules that are about this kind of document; None where none is."""
    codes = {
        coding.get("code")
        for name in ("category", "type", "code")
        for concept in _listed(resource.get(name))
        for coding in _listed(concept.get("coding"))
    }
    return max((each for each in periods if each.kinds & codes), key=lambda each: each.years, default=None)


def _listed(value: Any) -> list[dict[str, Any]]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def document_due(at: date, births: Sequence[str], own: OwnPeriod, periods: Periods) -> Due:
    """When a document with a rule of its own may be destroyed alone: the longest of that, of the facility's own
    period, and of that of minors, all counted from the document's date. The period of adults' charts, which counts
    from the last encounter, is for what has no rule of its own."""
    found = [Due(years_after(at, years), CONDITIONS) for years in periods.conditions]
    found.append(Due(years_after(at, own.years), own.rule))
    if minor := _of_a_minor(at, births, periods):
        found.append(minor)
    return max(found, key=lambda each: (each.day, each.rule == own.rule))


def _latest(birth: str, otherwise: date) -> date:
    parts = [int(part) for part in birth.split("-") if part.isdecimal()]
    try:
        if len(parts) == 3:
            return date(parts[0], parts[1], parts[2])
        if len(parts) == 2:
            year, month = divmod(parts[0] * 12 + parts[1], 12)
            return date(year, month + 1, 1)
        if len(parts) == 1:
            return date(parts[0] + 1, 1, 1)
    except ValueError:
        pass
    return otherwise
