"""Segments of HL7 v2 as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .cast import Colleague, staff

#: The hospital's own numbers and places carry its name.
HOSPITAL = "LVMC"
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})


def text(words: str) -> str:
    """Free text with the separators escaped; a line end becomes ``\\.br\\``."""
    return words.strip().translate(_ESCAPES).replace("\n", "\\.br\\")


def segment(name: str, fields: Mapping[int, str | int]) -> str:
    """A segment from its fields by number."""
    last = max((number for number, value in fields.items() if value != ""), default=0)
    return "|".join([name, *(str(fields.get(number, "")) for number in range(1, last + 1))])


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


def number(value: str, kind: str) -> str:
    """CX of a number the hospital gives."""
    return f"{value}^^^{HOSPITAL}^{kind}"


def npi(colleague: Colleague) -> str:
    """An identifier in the form of an NPI. It begins with 5, where no real one does (45 CFR 162.406)."""
    body = f"5{colleague.number:08d}"
    total = 24
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def doctor(key: str) -> str:
    """XCN of somebody of the staff; empty for no key."""
    if not key:
        return ""
    colleague = staff()[key]
    family, given, middle = [text(part) for part in (*colleague.name, "", "")[:3]]
    degree = text(colleague.degree)
    return f"{npi(colleague)}^{family}^{given}^{middle}^^^{degree}^^NPI^L^^^NPI"


def narrow_doctor(key: str) -> str:
    """NDL of somebody of the staff, as OBR-32 has it."""
    colleague = staff()[key]
    family, given = colleague.name[0], colleague.name[1]
    return f"{npi(colleague)}&{text(family)}&{text(given)}&&&&{text(colleague.degree)}&&NPI"


def place(where: str) -> str:
    """PL of ward^room^bed in the hospital."""
    if not where:
        return ""
    ward, room, bed = [text(part) for part in (*where.split("^"), "", "")[:3]]
    return f"{ward}^{room}^{bed}^{HOSPITAL}"


def message(segments: Iterable[str]) -> bytes:
    """A message's bytes."""
    return "\r".join(segments).encode() + b"\r"
