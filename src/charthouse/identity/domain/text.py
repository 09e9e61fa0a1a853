"""Text made comparable: one spelling for what is written in many ways."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import jellyfish

_APOSTROPHES = re.compile("['’‘`´ʼ]")
_BREAKS = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"\D+")
_LETTERS = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i"})


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
    return _BREAKS.sub(" ", text.lower()).strip()


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
