"""Birth dates: as records carry them, and as people type them."""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

from .reference import placeholders

#: Before the digits of what was meant to be a date and is none; only files of others keep such.
MALFORMED = "?"

_PARTIAL = re.compile(r"^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:[T ].*)?$", re.ASCII)
_MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_MONTHS = {
    name[:length]: month for month, name in enumerate(_MONTH_NAMES, start=1) for length in range(3, len(name) + 1)
}
_NUMBERS = re.compile(r"^(\d{1,4})([-/.])(\d{1,4})(?:\2(\d{1,4}))?$", re.ASCII)
_DAY_MONTH_NAME = re.compile(r"^(\d{1,2})(?:st|nd|rd|th)?[ .-]*([a-z]{3,9})\.?[ ,.-]*(\d{4}|\d{2})$", re.ASCII)
_MONTH_NAME_DAY = re.compile(r"^([a-z]{3,9})\.?[ -]*(\d{1,2})(?:st|nd|rd|th)?[ ,-]+(\d{4}|\d{2})$", re.ASCII)


def read_birth(text: str) -> str:
    """A FHIR date (year, year-month or day) checked; empty for a placeholder or an impossible date."""
    match = _PARTIAL.match(text.strip())
    if not match:
        return ""
    year, month, day = match.groups()
    value = "-".join(part for part in (year, month, day) if part)
    if value in placeholders()["birth"]:
        return ""
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return ""
    return value


class TypedDate(Struct, frozen=True):
    """A birth date someone typed: ``value`` is YYYY, YYYY-MM or YYYY-MM-DD; ``words`` say how it was read where
    it can be read in two ways."""

    value: str
    words: str = ""


def typed_dates(text: str, today: date) -> list[TypedDate]:
    """Every way to read ``text`` as a birth date not later than ``today``; none where it is no date.

    Understood: 1952-03-09, 3/9/1952, 9.3.1952, 9 Mar 1952, March 9, 1952, 19520309, 03091952, 3/1952, 1952-03,
    1952, and two-digit years, which are taken for the latest year that is not in the future. Where day and month
    may be swapped both are given, the order usual for the separator (month first, but day first with dots) first.
    """
    text = " ".join(text.strip().lower().split())
    if text.isdecimal() and text.isascii():
        return _from_digits(text, today)
    match = _DAY_MONTH_NAME.match(text)
    if match and match[2] in _MONTHS:
        return _checked([(match[3], _MONTHS[match[2]], int(match[1]), "")], today)
    match = _MONTH_NAME_DAY.match(text)
    if match and match[1] in _MONTHS:
        return _checked([(match[3], _MONTHS[match[1]], int(match[2]), "")], today)
    match = _NUMBERS.match(text)
    return _from_numbers(match, today) if match else []


def _from_digits(text: str, today: date) -> list[TypedDate]:
    if len(text) == 4:
        return [TypedDate(text)] if 1880 <= int(text) <= today.year else []
    if len(text) != 8:
        return []
    if 1880 <= int(text[:4]) <= today.year:
        found = _checked([(text[:4], int(text[4:6]), int(text[6:]), "")], today)
        if found:
            return found
    one, other, year = int(text[:2]), int(text[2:4]), text[4:]
    return _both_ways(one, other, year, today, day_first=False)


def _from_numbers(match: re.Match[str], today: date) -> list[TypedDate]:
    first, separator, second, third = match.groups()
    if third is None:
        year, month = (first, second) if len(first) == 4 else (second, first)
        return _month_of(year, int(month), today) if len(year) == 4 and len(month) <= 2 else []
    if len(second) > 2:
        return []
    if len(first) == 4:
        return _checked([(first, int(second), int(third), "")], today) if len(third) <= 2 else []
    if len(first) > 2 or len(third) not in {2, 4}:
        return []
    return _both_ways(int(first), int(second), third, today, day_first=separator == ".")


def _both_ways(one: int, other: int, year: str, today: date, *, day_first: bool) -> list[TypedDate]:
    month_first = (year, one, other, "month first")
    day_first_reading = (year, other, one, "day first")
    readings = [day_first_reading, month_first] if day_first else [month_first, day_first_reading]
    found = _checked(readings, today)
    if len(found) == 2 and found[0].value != found[1].value:
        return found
    return [TypedDate(found[0].value)] if found else []


def _month_of(year: str, month: int, today: date) -> list[TypedDate]:
    if not (1880 <= int(year) <= today.year and 1 <= month <= 12):
        return []
    return [TypedDate(f"{year}-{month:02}")]


def _checked(readings: list[tuple[str, int, int, str]], today: date) -> list[TypedDate]:
    found = []
    for year_text, month, day, words in readings:
        year = int(year_text)
        if len(year_text) == 2:
            year += today.year // 100 * 100
            if year > today.year:
                year -= 100
        try:
            value = date(year, month, day)
        except ValueError:
            continue
        if year >= 1880 and value <= today:
            found.append(TypedDate(value.isoformat(), words))
    return found


def age_on(birth: str, day: str) -> int | None:
    """Whole years from a birth date (YYYY-MM-DD) to a day of the same form; None where the birth is not known to
    the day or lies after it."""
    if len(birth) != 10 or len(day) != 10 or birth > day:
        return None
    return int(day[:4]) - int(birth[:4]) - (day[5:] < birth[5:])
