"""Postal addresses made comparable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from .numbers import read_postal
from .reference import placeholders, street_words
from .text import fold, plain

_BRITISH = re.compile(r"[a-z]{1,2}\d[a-z\d]?\d[a-z]{2}")
_CANADIAN = re.compile(r"[a-z]\d[a-z]\d[a-z]\d")
_UNIT = re.compile(
    r"\b(?:apt|apartment|unit|ste|suite|rm|room|fl|floor|lot|trlr|spc|bldg|building)\b(?: (?:no|number))? ?(\w+)"
)
_NUMBER_SIGN = re.compile(r"#\s*(\w+)")
_POST_OFFICE_BOX = re.compile(r"\b(?:p ?o ?|post office ?)box (\w+)")


class Address(Struct, frozen=True, omit_defaults=True):
    """An address: house number (or box), street in short forms, unit, city, state, postal code; all folded."""

    number: str = ""
    street: str = ""
    unit: str = ""
    city: str = ""
    state: str = ""
    postal: str = ""


def read_address(address: Mapping[str, Any]) -> Address | None:
    """A FHIR Address made comparable; None where it says nothing or is a placeholder."""
    given = address.get("line")
    lines = [plain(line) for line in given[:5]] if isinstance(given, list) else []
    city = fold(plain(address.get("city")))
    state = fold(plain(address.get("state")))
    postal = read_postal(plain(address.get("postalCode"), 20))
    number, street, unit = _street(" ".join(lines))
    listed = placeholders()["address"]
    if street in listed and not number:
        street = ""
    if city in listed:
        city = ""
    if not (street or city or postal):
        return None
    return Address(number=number, street=street, unit=unit, city=city, state=state, postal=postal)


def _street(line: str) -> tuple[str, str, str]:
    sign = _NUMBER_SIGN.search(line)
    unit = fold(sign.group(1)) if sign else ""
    if sign:
        line = line[: sign.start()] + " " + line[sign.end() :]
    text = fold(line)
    box = _POST_OFFICE_BOX.search(text)
    if box:
        return box.group(1), "po box", unit
    named = _UNIT.search(text)
    if named:
        unit = unit or named.group(1)
        text = text[: named.start()] + text[named.end() :]
    short = street_words()
    words = [short.get(word, word) for word in text.split()]
    number = ""
    if len(words) > 1 and words[0][0].isdigit():
        number = words.pop(0)
    return number, " ".join(words), unit


@lru_cache(maxsize=1 << 16)
def district(postal: str) -> str:
    """The part of a postal code that a town and its surroundings share; the whole code where it has none."""
    if _BRITISH.fullmatch(postal):
        return postal[:-3]
    return postal[:3] if _CANADIAN.fullmatch(postal) or (len(postal) == 5 and postal.isdecimal()) else postal
