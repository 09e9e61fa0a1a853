"""Numbers of persons: social security, telephone, postal codes, and our own number with its check digit."""

from __future__ import annotations

from .reference import placeholders
from .text import digits, fold

# The quasigroup of H. M. Damm's check digit (2004): finds every single wrong digit and every swap of neighbours.
_DAMM = (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip


def check_digit(number: str) -> str:
    """Damm's check digit of a string of digits. Raises ValueError where another character stands."""
    if not number.isdecimal() or not number.isascii():
        raise ValueError("A check digit is computed from digits only.")
    interim = 0
    for character in number:
        interim = int(_DAMM[interim][int(character)])
    return str(interim)


def has_valid_check_digit(number: str) -> bool:
    """Whether the last digit is Damm's check digit of the others."""
    return len(number) > 1 and number.isascii() and number.isdecimal() and check_digit(number[:-1]) == number[-1]


def enterprise_number(serial: int) -> int:
    """The enterprise number of a serial number: its digits and the check digit."""
    return int(f"{serial}{check_digit(str(serial))}")


def read_ssn(text: str) -> str | None:
    """A social security number as nine digits, or its last four where only they are given; None for a placeholder.

    Numbers beginning with 9 were never issued (they are taxpayer numbers, or made up by a sender who needed one),
    yet they tell persons apart; they are kept and weigh less. Never issued and dropped: area 000 or 666, group 00,
    serial 0000 (Social Security Administration, POMS RM 10201.035), nine equal digits, and the listed ones.
    """
    number = digits(text)
    if len(number) == 4 and len(text.strip()) in {4, 9, 11}:
        return number if number != "0000" and len(set(number)) > 1 else None
    if len(number) != 9 or number in placeholders()["ssn"] or len(set(number)) == 1:
        return None
    if number[:3] in {"000", "666"} or number[3:5] == "00" or number[5:] == "0000":
        # 000-00-1234 is how some senders write that only the last four are known.
        return number[5:] if number[:5] == "00000" and len(set(number[5:])) > 1 else None
    return number


def read_phone(text: str) -> str | None:
    """A telephone number as digits (ten for North America); None for a placeholder or for what is none."""
    bare = text.lower().partition("x")[0].removeprefix("tel:")
    number = digits(bare)
    if len(number) == 11 and number[0] == "1":
        number = number[1:]
    if not 7 <= len(number) <= 15:
        return None
    local = number[-7:]
    if len(set(local)) == 1 or number in placeholders()["phone"] or local in {"1234567", "5551212", "0000000"}:
        return None
    return number


def read_postal(text: str) -> str:
    """A postal code: the first five digits of a ZIP code, others folded without spaces; empty for a placeholder."""
    code = fold(text).replace(" ", "")
    if code.isdecimal() and len(code) in {5, 9}:
        code = code[:5]
    return "" if code in placeholders()["postal"] else code


def read_email(text: str) -> str | None:
    """A mail address in lower case; None for a placeholder or for what is none."""
    address = text.strip().lower().removeprefix("mailto:")
    local, at, host = address.partition("@")
    if not (local and at and "." in host) or address in placeholders()["email"]:
        return None
    return address
