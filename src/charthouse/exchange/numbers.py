"""Numbers that keep their digits: 72.50 stays 72.50.

JSON keeps the precision of a number, Python's float does not. So a decimal goes into a resource as an
``orjson.Fragment`` of its own text: ``orjson.dumps`` writes it as it stands. A Fragment can be neither compared
nor copied deeply; to look into a resource, serialise it first and read that.
"""

from __future__ import annotations

import re

import orjson

_NM = re.compile(r"([+-]?)0*(\d*)(?:\.(\d*))?", re.ASCII)
_MAX_DIGITS = 40


def decimal(text: str) -> orjson.Fragment | None:
    """An NM as a JSON number with its own digits; None where the text is no number.

    HL7's NM allows a sign and leading zeros, and a point with nothing before or after it; JSON does not.
    """
    found = _NM.fullmatch(text)
    if found is None or len(text) > _MAX_DIGITS:
        return None
    sign, whole, fraction = found.groups()
    if not whole and not fraction and "0" not in text:
        return None
    number = whole or "0"
    if fraction:
        number = f"{number}.{fraction}"
    return orjson.Fragment(f"-{number}" if sign == "-" else number)


def whole_number(text: str) -> int | None:
    """A non-negative integer, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
