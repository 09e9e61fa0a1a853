"""Words of a text and what is asked of them: the same on both sides, and when found words are marked.

A word is a run of letters and digits; "follow-up" is two that stand beside each other, "13.5" likewise. Words are
compared without case and accents, singular and plural alike. There are no words that are left out: "no evidence"
must be found as it stands. Other endings are asked for by a star (``fractur*``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

#: Longer runs of letters and digits are no words (base64, hashes) and are not indexed.
LONGEST_WORD = 40
#: Terms that one search may have, and characters.
MOST_TERMS = 12
LONGEST_SEARCH = 200

_RUN = re.compile(r"[^\W_]+")
_ASKED = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<plain>\S+))')
#: Ends of words that only look like a plural.
_NO_PLURAL = ("ss", "us", "is")
#: A beginning shorter than this may end in an s that is no plural (``obes*``).
_SURE_PLURAL = 6


class Word(NamedTuple):
    """A word where it stands: from ``start`` to ``end`` in characters, and its root."""

    start: int
    end: int
    root: str


def words(text: str) -> Iterator[Word]:
    """The words of a text in order. Runs longer than :data:`LONGEST_WORD` are passed over."""
    for found in _RUN.finditer(text):
        start, end = found.span()
        if end - start <= LONGEST_WORD:
            yield Word(start, end, root(found.group()))


def roots(text: str) -> list[str]:
    """The roots of a text's words in order, as :func:`words` has them."""
    return [root(run) for run in _RUN.findall(text) if len(run) <= LONGEST_WORD]


@lru_cache(maxsize=100_000)
def root(word: str) -> str:
    """What a word is compared by: lower case, without accents, an English plural as its singular."""
    folded = _folded(word)
    if len(folded) <= 3 or not folded.endswith("s") or not folded.isascii() or folded[-2].isdigit():
        return folded
    if folded.endswith("ies"):
        return folded[:-3] + "y" if len(folded) > 4 else folded[:-1]
    if folded.endswith(("sses", "shes", "ches", "xes", "zes")):
        return folded[:-2]
    if folded.endswith(_NO_PLURAL):
        return folded
    return folded[:-1]


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(each for each in apart if not unicodedata.combining(each) and each.isalnum()) or word


@dataclass(frozen=True, slots=True)
class Term:
    """Words that must stand beside each other in this order. With ``begins`` the last is only a beginning; with
    ``without`` a text that has them is not wanted."""

    roots: tuple[str, ...]
    begins: bool = False
    without: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as it was understood. ``terms`` are wanted together; there is at least one that is not ``without``,
    else there are none at all."""

    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def wanted(self) -> tuple[Term, ...]:
        return tuple(term for term in self.terms if not term.without)


NOTHING = Asked()


def asked(text: str) -> Asked:
    """What somebody typed: words, ``"words together"``, ``-without``, ``beginning*``; at most
    :data:`MOST_TERMS`."""
    terms: dict[Term, None] = {}
    for found in _ASKED.finditer(unicodedata.normalize("NFC", text[:LONGEST_SEARCH])):
        written = found["plain"] if found["phrase"] is None else found["phrase"]
        runs = [each for each in _RUN.findall(written) if len(each) <= LONGEST_WORD]
        if not runs:
            continue
        begins = written.rstrip().endswith("*") and found["phrase"] is None
        roots = tuple(root(each) for each in runs)
        if begins and len(runs[-1]) < _SURE_PLURAL:
            roots = (*roots[:-1], _folded(runs[-1]))
        terms.setdefault(Term(roots, begins, bool(found["minus"])))
    kept = tuple(terms)[:MOST_TERMS]
    return Asked(kept if any(not term.without for term in kept) else ())


def places(text: str, wanted: Sequence[Term]) -> list[tuple[int, int]]:
    """Where the terms stand in a text, in order and without overlap, in characters."""
    return _places(list(words(text)), wanted)


def _places(there: Sequence[Word], wanted: Sequence[Term]) -> list[tuple[int, int]]:
    by_root: dict[str, list[Term]] = {}
    for term in wanted:
        whole = len(term.roots) > 1 or not term.begins
        by_root.setdefault(term.roots[0] if whole else "", []).append(term)
    beginnings = by_root.get("", [])
    return _merged(
        [
            (start, there[at + len(term.roots) - 1].end)
            for at, (start, _, root) in enumerate(there)
            if beginnings or root in by_root
            for term in (*by_root.get(root, ()), *beginnings)
            if _stands(there, at, term)
        ]
    )


def _stands(there: Sequence[Word], at: int, term: Term) -> bool:
    last = len(term.roots) - 1
    if at + last >= len(there):
        return False
    for offset, wanted in enumerate(term.roots):
        met = there[at + offset].root
        if met != wanted and not (term.begins and offset == last and met.startswith(wanted)):
            return False
    return True


def _merged(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a text; ``found`` where it is what was looked for."""

    text: str
    found: bool = False


def marked(text: str, wanted: Sequence[Term]) -> list[Piece]:
    """The whole text in pieces, those found marked. Joined, they are the text."""
    return _cut(text, places(text, wanted))


def _cut(text: str, found: Sequence[tuple[int, int]]) -> list[Piece]:
    pieces, at = [], 0
    for start, end in found:
        if start > at:
            pieces.append(Piece(text[at:start]))
        pieces.append(Piece(text[start:end], found=True))
        at = end
    if at < len(text):
        pieces.append(Piece(text[at:]))
    return pieces


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a text around what was found: ``start`` is where it begins in the text, ``cut_before`` and
    ``cut_after`` say whether the text goes on there."""

    start: int
    pieces: tuple[Piece, ...]
    cut_before: bool
    cut_after: bool


def snippets(text: str, wanted: Sequence[Term], *, most: int = 2, around: int = 70) -> list[Snippet]:
    """The first parts of a text where the terms stand, each with ``around`` characters before and after, to whole
    words; one for each term that is there before a second of the same. Nothing where none is there."""
    there = _beginning(text, wanted, most)
    found = _places(there, wanted)[:most]
    first = found[:1] if len(wanted) == 1 else [each for term in wanted for each in _places(there, [term])[:1]]
    chosen: list[list[int]] = []
    for start, end in sorted(first + found):
        low, high = max(0, start - around), min(len(text), end + around)
        if chosen and low <= chosen[-1][1]:
            chosen[-1][1] = max(high, chosen[-1][1])
        elif len(chosen) < most:
            chosen.append([low, high])
    return [_snippet(text, low, high, wanted) for low, high in chosen]


def _beginning(text: str, wanted: Sequence[Term], most: int) -> list[Word]:
    """The words of a text from its beginning, as far as the first parts to be shown are among them."""
    there: list[Word] = []
    coming = words(text)
    missing: Sequence[Term] = wanted
    step = _AT_ONCE
    while more := list(islice(coming, step)):
        there += more
        missing = [term for term in missing if not _places(there, [term])]
        if not missing and len(_places(there, wanted)) >= most:
            break
        step = len(there)
    return there


#: Words that are looked through before it is asked whether they are enough; then twice as many.
_AT_ONCE = 150
_INSIDE = re.compile(r"\w")


def _snippet(text: str, low: int, high: int, wanted: Sequence[Term]) -> Snippet:
    # To whole words, else half a word would not be known for what it is.
    while low > 0 and _INSIDE.match(text[low - 1]) and _INSIDE.match(text[low]) and low < high:
        low += 1
    while high < len(text) and _INSIDE.match(text[high]) and _INSIDE.match(text[high - 1]) and high > low:
        high -= 1
    return Snippet(low, tuple(marked(text[low:high], wanted)), low > 0, high < len(text))
