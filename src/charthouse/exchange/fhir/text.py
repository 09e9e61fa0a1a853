"""Text as it is compared in a string search: without case, accents and punctuation."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 512
"""Characters of a value that the search index holds; both sides of a comparison are cut to it."""

# Letters that Unicode does not take apart into a base letter and a mark.
_LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ħ": "h",
        "ı": "i",
        "ŧ": "t",
        "ŋ": "n",
    }
)
_APOSTROPHES = re.compile(r"['`´‘’ʻʼ′]")
_ASCII_GAPS = re.compile(r"[^0-9a-z]+")


def fold(text: str) -> str:
    """``text`` for a string search: compatibility forms and case folded, marks stripped, apostrophes dropped, every
    run of other punctuation and white space one space; at most :data:`LONGEST` characters. Folding twice changes
    nothing.

    Starts-with and equals of FHIR's string search work on the folded value, ``:exact`` on the resource itself.
    """
    text = text[: 2 * LONGEST]
    if text.isascii():
        lowered = text.lower()
        if "'" in lowered or "`" in lowered:
            lowered = _APOSTROPHES.sub("", lowered)
        return _ASCII_GAPS.sub(" ", lowered).strip()[:LONGEST].rstrip()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS))
    bare = "".join(map(_plain, _APOSTROPHES.sub("", decomposed)))
    return " ".join(unicodedata.normalize("NFKC", bare).split())[:LONGEST].rstrip()


def _plain(character: str) -> str:
    """Letters, digits and vowel signs as they are, accents as nothing, all else as a space."""
    kind = unicodedata.category(character)[0]
    if kind in "LN":
        return character
    if kind == "M":
        return "" if unicodedata.combining(character) else character
    return " "


def clip(text: str) -> str:
    """``text`` cut to :data:`LONGEST` characters: codes, URIs and ids as the index holds them."""
    return text[:LONGEST]
