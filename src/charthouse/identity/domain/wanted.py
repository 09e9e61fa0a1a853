"""What somebody looks for who typed a few words: parts of names, birth dates, numbers, in any order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from .dates import TypedDate, typed_dates
from .text import digits, fold
from .traits import identifier_folded

_NUMBER = re.compile(r"^[+(]?\d[\d().+\- ]*$", re.ASCII)
_LONGEST = 200
_MOST_TERMS = 6


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that must be true of a patient; any of the readings will do.

    ``word``: a part of a name begins with it. ``numbers``: a number begins with one of them. ``dates``: the birth
    date begins with one of them.
    """

    word: str = ""
    numbers: tuple[str, ...] = ()
    dates: tuple[TypedDate, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """All terms of a search; a patient must answer to each. Empty where too little was typed."""

    terms: tuple[Term, ...]

    def __bool__(self) -> bool:
        return bool(self.terms)


def wanted(text: str, today: date) -> Wanted:
    """Read what was typed. ``today`` is the latest birth date that makes sense.

    A date may have several words ("9 Mar 1952"); a number may have blanks where nothing else was typed. One letter
    alone is too little, and so is a number of one or two digits.
    """
    text = " ".join(text[:_LONGEST].split())
    if _NUMBER.match(text) and len(digits(text)) >= 7 and not typed_dates(text, today):
        return Wanted((_number(text, today),))
    terms: list[Term] = []
    words = text.split()
    while words and len(terms) < _MOST_TERMS:
        taken, found = _leading_date(words, today)
        if found:
            terms.append(Term(dates=tuple(found)))
            words = words[taken:]
            continue
        terms.extend(_terms(words.pop(0), today))
    kept = [term for term in terms if _says_enough(term, alone=len(terms) == 1)]
    return Wanted(tuple(dict.fromkeys(kept[:_MOST_TERMS])))


def _leading_date(words: list[str], today: date) -> tuple[int, list[TypedDate]]:
    """The longest date the words begin with; a bare number is left for :func:`_terms`, which has more readings."""
    for length in (3, 2, 1):
        if length > len(words):
            continue
        candidate = " ".join(words[:length]).strip(",;")
        if candidate.replace(" ", "").isdecimal():
            continue
        found = typed_dates(candidate, today)
        if found:
            return length, found
    return 0, []


def _terms(word: str, today: date) -> list[Term]:
    if "@" in word:
        return [Term(numbers=(identifier_folded(word),))]
    if _NUMBER.match(word):
        return [_number(word, today)]
    number = identifier_folded(word)
    has_digit = any(character.isdigit() for character in number)
    parts = fold(word).split()
    if has_digit:
        # "Chi716" is a name and "MRN-12345" a number; both readings are tried with the word as a whole.
        return [Term(word="".join(parts), numbers=(number,))]
    return [Term(word=part) for part in parts]


def _number(word: str, today: date) -> Term:
    bare = digits(word)
    numbers = [bare]
    if len(bare) == 11 and bare[0] == "1":
        numbers.append(bare[1:])
    return Term(word=bare, numbers=tuple(numbers), dates=tuple(typed_dates(bare, today)))


def _says_enough(term: Term, *, alone: bool) -> bool:
    if term.dates:
        return True
    if term.numbers:
        return len(term.numbers[0]) >= 3 or not term.numbers[0].isdecimal()
    return len(term.word) >= (2 if alone else 1)
