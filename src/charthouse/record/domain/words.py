"""Words of a text and what is asked of them: the same on both sides, and when found words are marked.

A word is a run of letters and digits; "follow-up" is two that stand beside each other, "13.5" likewise. Words are
compared without case and accents, singular and plural alike. There are no words that are left out: "no evidence"
must be found as it stands. Other endings are asked for by a star (``fractur*``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge
from itertools import islice
from typing import NamedTuple

#: Longer runs of letters and digits are no words (base64, hashes) and are not indexed.
LONGEST_WORD = 40
#: Terms that one search may have, and characters.
MOST_TERMS = 12
LONGEST_SEARCH = 200

_RUN = re.compile(r"[^\W_]+")
#: A letter or digit beyond ASCII.
_FOREIGN = re.compile(r"[^\W\x00-\x7f]")
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
    return _words(_RUN.finditer(text))


def _words(runs: Iterable[re.Match[str]]) -> Iterator[Word]:
    for found in runs:
        if found.end() - found.start() <= LONGEST_WORD:
            yield _word(found)


def _word(run: re.Match[str]) -> Word:
    return Word(*run.span(), root(run[0]))


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
    return list(_places(_Reading(text), wanted))


class _Reading:
    """A text in which terms are looked for: only words are compared that have the term's letters, and those with
    letters beyond ASCII."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._letters = text.lower()
        self._foreign = [] if text.isascii() else list(_words(self._foreign_runs()))

    def beginning(self, root: str) -> Iterator[Word]:
        """The words in order that may have this root, or one that begins so; a word may come twice."""
        # "ies" is "y" in a root.
        sought = root[:-1] if root.endswith("y") else root
        if not sought or len(self._letters) != len(self.text):
            return words(self.text)
        return merge(_words(self._runs_with(sought)), self._foreign)

    def _runs_with(self, sought: str) -> Iterator[re.Match[str]]:
        at = self._letters.find(sought)
        while at >= 0:
            found = _RUN.match(self.text, at) if not self.text[at - 1 : at].isalnum() else None
            if found:
                yield found
            at = self._letters.find(sought, found.end() if found else at + 1)

    def _foreign_runs(self) -> Iterator[re.Match[str]]:
        end = 0
        for letter in _FOREIGN.finditer(self.text):
            start = letter.start()
            if start < end:
                continue
            while start > 0 and self.text[start - 1].isalnum():
                start -= 1
            if found := _RUN.match(self.text, start):
                end = found.end()
                yield found

    def following(self, word: Word) -> Iterator[Word]:
        """The words behind a word."""
        return _words(_RUN.finditer(self.text, word.end))


def _places(reading: _Reading, wanted: Iterable[Term]) -> Iterator[tuple[int, int]]:
    """Where the terms stand, one after another; those that overlap as one."""
    begin = end = -1
    for start, stop in merge(*(_places_of(reading, term) for term in wanted)):
        if start < end:
            end = max(end, stop)
            continue
        if end >= 0:
            yield begin, end
        begin, end = start, stop
    if end >= 0:
        yield begin, end


def _places_of(reading: _Reading, term: Term) -> Iterator[tuple[int, int]]:
    last = len(term.roots) - 1
    for first in reading.beginning(term.roots[0]):
        there = [first, *islice(reading.following(first), last)] if last else [first]
        if len(there) > last and all(
            met.root == wanted or (term.begins and at == last and met.root.startswith(wanted))
            for at, (met, wanted) in enumerate(zip(there, term.roots, strict=True))
        ):
            yield first.start, there[-1].end


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
    reading = _Reading(text)
    found = list(islice(_places(reading, wanted), most))
    first = found[:1]
    if len(wanted) > 1:
        first = [each for term in wanted for each in islice(_places(reading, [term]), 1)]
    chosen: list[list[int]] = []
    for start, end in sorted(first + found):
        low, high = max(0, start - around), min(len(text), end + around)
        if chosen and low <= chosen[-1][1]:
            chosen[-1][1] = max(high, chosen[-1][1])
        elif len(chosen) < most:
            chosen.append([low, high])
    return [_snippet(text, low, high, wanted) for low, high in chosen]


_INSIDE = re.compile(r"\w")


def _snippet(text: str, low: int, high: int, wanted: Sequence[Term]) -> Snippet:
    # To whole words, else half a word would not be known for what it is.
    while low > 0 and _INSIDE.match(text[low - 1]) and _INSIDE.match(text[low]) and low < high:
        low += 1
    while high < len(text) and _INSIDE.match(text[high]) and _INSIDE.match(text[high - 1]) and high > low:
        high -= 1
    return Snippet(low, tuple(marked(text[low:high], wanted)), low > 0, high < len(text))
