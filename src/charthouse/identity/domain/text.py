"""Text made comparable: one spelling for what is written in many ways."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import jellyfish

_APOSTROPHES = re.compile("['’‘`´ʼ]")
_BREAKS = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"\D+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LETTERS = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i"})


def plain(value: object, longest: int = 200) -> str:
    """A value of a resource as one line of text: no control characters, at most ``longest`` characters; empty for
    what is neither text nor number. Hostile values become short ones, never an error."""
    if type(value) is str and len(value) <= longest and value.isprintable():
        return value.strip()  # as nearly all are
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return ""
    return _CONTROLS.sub(" ", str(value)[: longest * 4]).strip()[:longest]


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """``text`` in lower case, without accents, apostrophes or punctuation, words parted by single spaces.

    Letters of every script and digits survive: "O'Brien-Núñez" is "obrien nunez", "Chi716" is "chi716".
    """
    text = _APOSTROPHES.sub("", text)
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        kept = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
        text = unicodedata.normalize("NFC", kept).translate(_LETTERS)
    return _BREAKS.sub(" ", text.lower())[:200].strip()


def digits(text: str) -> str:
    """Only the ASCII digits of ``text``."""
    return _DIGITS.sub("", text) if text.isascii() else "".join(c for c in text if c in "0123456789")


@lru_cache(maxsize=65536)
def sound(folded: str) -> str:
    """How a folded word sounds (Metaphone); its digits are kept, and so is a word without Latin letters."""
    letters = "".join(letter for letter in folded if "a" <= letter <= "z")
    if not letters:
        return folded
    return jellyfish.metaphone(letters) + digits(folded)
