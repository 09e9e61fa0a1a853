"""Segments of HL7 v2 as text."""

from __future__ import annotations

from charthouse.teaching.api import npi_of, text

from .cast import Colleague, staff

#: The hospital's own numbers and places carry its name.
HOSPITAL = "LVMC"


def number(value: str, kind: str) -> str:
    """CX of a number the hospital gives."""
    return f"{value}^^^{HOSPITAL}^{kind}"


def npi(colleague: Colleague) -> str:
    """An identifier in the form of an NPI. It begins with 5, where no real one does (45 CFR 162.406)."""
    return npi_of(colleague.number)


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
