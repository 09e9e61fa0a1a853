"""Names as shown and as sought."""

from __future__ import annotations

import unicodedata

__all__ = ["search_key", "search_words", "shown_name"]


def search_key(*parts: str) -> str:
    """The parts' words folded for search, each with a space before it: ``" lovelace ada md"``.

    Marks and case are dropped and every sign that is neither letter nor digit parts words, so that ``"O'Brién"``
    is found as ``o brien`` and a prefix search asks for ``"% bri%"``.
    """
    words = search_words(" ".join(parts))
    return "".join(f" {word}" for word in words)


def search_words(text: str) -> list[str]:
    """The folded words of ``text``."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(
        character if character.isalnum() else " "
        for character in decomposed
        if not unicodedata.combining(character)
    )
    return kept.split()


def shown_name(*, family: str, given: str = "", prefix: str = "", suffix: str = "", credentials: str = "") -> str:
    """A practitioner's name as people read it: ``"Dr. Ada Lovelace Jr., MD"``; "Name unknown" without any part."""
    name = " ".join(part for part in (prefix, given, family, suffix) if part)
    if not name:
        return "Name unknown"
    return f"{name}, {credentials}" if credentials else name
