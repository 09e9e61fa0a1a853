"""Check digits of identifiers: medical record numbers (HL7 table 0061) and the National Provider Identifier.

Sources: HL7 v2.5.1 chapter 2A.14.2 (CX.3, M10 and M11); ISO/IEC 7064 (MOD 97-10); 45 CFR 162.406 with the CMS
"NPI check digit" requirements, by which the Luhn sum is taken over the number with 80840 before it.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["CheckDigit", "check_digits", "has_right_check_digits", "is_npi", "luhn"]

NPI_PREFIX = "80840"
NPI_LENGTH = 10


class CheckDigit(StrEnum):
    """How a number's check digits are found. Values are HL7 table 0061's where it has one."""

    NONE = "none"
    M10 = "M10"
    M11 = "M11"
    MOD97 = "ISO7064-97-10"


def check_digits(method: CheckDigit, digits: str) -> str:
    """The check digits of ``digits`` (ASCII digits only): one digit, two for MOD 97-10, none for NONE.

    >>> check_digits(CheckDigit.M10, "12345"), check_digits(CheckDigit.M11, "1234567")
    ('5', '4')
    """
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("A check digit needs a number written in digits.")
    if method is CheckDigit.M10:
        return str(luhn(digits))
    if method is CheckDigit.M11:
        return str(_modulus_11(digits))
    if method is CheckDigit.MOD97:
        return f"{98 - int(digits) * 100 % 97:02d}"
    return ""


def has_right_check_digits(method: CheckDigit, number: str) -> bool:
    """Whether ``number``, check digits at its end, carries the right ones."""
    width = {CheckDigit.NONE: 0, CheckDigit.MOD97: 2}.get(method, 1)
    if not (number.isascii() and number.isdigit()) or len(number) <= width:
        return False
    body = number[: len(number) - width]
    return body + check_digits(method, body) == number


def luhn(digits: str) -> int:
    """The Luhn (modulus 10, double-add-double) check digit that belongs after ``digits``."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10


def _modulus_11(digits: str) -> int:
    weighted = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(digits)))
    remainder = weighted % 11 or 1
    return (11 - remainder) % 10


def is_npi(number: str) -> bool:
    """Whether ``number`` is a National Provider Identifier: ten digits, the first 1 or 2, the Luhn digit right."""
    return (
        len(number) == NPI_LENGTH
        and number.isascii()
        and number.isdigit()
        and number[0] in "12"
        and luhn(NPI_PREFIX + number[:-1]) == int(number[-1])
    )
