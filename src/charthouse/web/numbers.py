"""Whole numbers as forms and addresses hold them: anybody can write anything there."""

from __future__ import annotations

__all__ = ["SMALL", "number_of", "page_of", "whole"]

#: The digits of a number that a column of four bytes can hold whatever they are.
SMALL = 9
_DIGITS = 18


def whole(text: str, digits: int = _DIGITS) -> int | None:
    """A whole number from nought on, in ASCII's digits; None of what is none or has more digits, so that it can be
    compared with any column of eight bytes."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else None


def page_of(text: str, digits: int = 4) -> int:
    """The number of a page, the first of what is none."""
    return max(whole(text, digits) or 1, 1)


def number_of(text: str) -> int:
    """A row or a version that a form names; -1, which nothing has, of what is no number."""
    found = whole(text)
    return -1 if found is None else found
