"""Segments of HL7 v2 as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

_SPECIAL = re.compile(r"[\\|^&~\n]")
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})


def text(words: str) -> str:
    """Free text with the separators escaped; a line end becomes ``\\.br\\``."""
    words = words.strip()
    if _SPECIAL.search(words) is None:
        return words
    return words.translate(_ESCAPES).replace("\n", "\\.br\\")


def segment(name: str, fields: Mapping[int, str | int]) -> str:
    """A segment from its fields by number."""
    last = 0
    for number, value in fields.items():
        if number > last and value != "":
            last = number
    parts = [""] * (last + 1)
    parts[0] = name
    for number, value in fields.items():
        if number <= last:
            parts[number] = value if type(value) is str else str(value)
    return "|".join(parts)


def person_name(name: list[str], kind: str = "L") -> str:
    """XPN of family, given, middle, suffix."""
    family, given, middle, suffix = [text(part) for part in (*name, "", "", "")[:4]]
    return f"{family}^{given}^{middle}^{suffix}^^^{kind}"


def address(parts: list[str], kind: str = "H") -> str:
    """XAD of street, town, state, postal code; a fifth part names its kind."""
    street, town, state, code, own = [text(part) for part in (*parts, "", "", "", "", "")[:5]]
    return f"{street}^^{town}^{state}^{code}^USA^{own or kind}"


def phone(number: str, use: str = "PRN") -> str:
    """XTN of a number like 507-555-0142."""
    if not number:
        return ""
    area, exchange, line = number.split("-")
    return f"({area}){exchange}-{line}^{use}^PH^^1^{area}^{exchange}{line}"


def npi_of(number: int) -> str:
    """An identifier in the form of an NPI. It begins with 5, where no real one does (45 CFR 162.406)."""
    body = f"5{number:08d}"
    total = 24
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def message(segments: Iterable[str]) -> bytes:
    """A message's bytes."""
    return "\r".join(segments).encode() + b"\r"


def hl7_time(moment: datetime) -> str:
    """As HL7 v2 DTM without an offset, in the sender's own time, the way most systems send it."""
    return f"{hl7_minute(moment)}{moment.second:02d}"


def hl7_minute(moment: datetime) -> str:
    """As HL7 v2 DTM to the minute."""
    return f"{moment.year:04d}{moment.month:02d}{moment.day:02d}{moment.hour:02d}{moment.minute:02d}"
