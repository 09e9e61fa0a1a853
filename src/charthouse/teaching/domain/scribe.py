"""Words: alternatives, facts, abbreviations and slips, each author in their own hand; no paragraph twice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

from .staff import Practitioner

_CHOICE = re.compile(r"\{([^{}]*)\}")
_FACT = re.compile(r"\[(\w+)\]")
#: Written short by those who write short.
_SHORT = {
    "shortness of breath": "SOB",
    "history of": "h/o",
    "blood pressure": "BP",
    "patient": "pt",
    "Patient": "Pt",
    "with": "w/",
    "without": "w/o",
    "right upper quadrant": "RUQ",
    "right lower quadrant": "RLQ",
    "bilaterally": "b/l",
    "bilateral": "b/l",
    "twice a day": "BID",
    "once a day": "daily",
    "every 6 hours": "q6h",
    "as needed": "PRN",
    "hypertension": "HTN",
    "white count": "WBC",
    "Hemoglobin": "Hgb",
    "room air": "RA",
    "myocardial infarction": "MI",
    "heart failure": "HF",
    "chest pain": "CP",
    "within normal limits": "WNL",
    "weight bearing as tolerated": "WBAT",
    "nasal cannula": "NC",
    "discharge": "d/c",
    "and": "&",
    "days": "d",
}
_SHORTEN = re.compile(r"\b(" + "|".join(sorted(_SHORT, key=len, reverse=True)) + r")\b")
_WORD = re.compile(r"\b[a-z]{6,}\b")
_TERSE, _VERBOSE = 0.62, 0.25


def expand(rng: Random, template: str, facts: Mapping[str, str]) -> str:
    """``template`` with one of every ``{a|b}`` and the facts for ``[name]``.

    Raises KeyError for an unknown fact.
    """
    while "{" in template:
        template = _CHOICE.sub(lambda found: rng.choice(found[1].split("|")), template)
    return _FACT.sub(lambda found: facts[found[1]], template)


def in_hand(rng: Random, words: str, author: Practitioner) -> str:
    """``words`` as ``author`` writes them: short where they write short, now and then with a slip."""
    if author.style > _TERSE:
        words = _SHORTEN.sub(lambda found: _SHORT[found[1]], words)
    if author.slips and rng.random() < author.slips * 7:
        words = _WORD.sub(lambda found: _slip(rng, found[0]), words, count=1)
    return words


def _slip(rng: Random, word: str) -> str:
    place = rng.randrange(1, len(word) - 2)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


class Scribe:
    """Writes for one patient, and remembers what was written: ``written`` is shared by those who write of one."""

    def __init__(self, rng: Random, facts: Mapping[str, str], written: set[str] | None = None) -> None:
        self.rng, self.facts = rng, dict(facts)
        self._written: set[str] = set() if written is None else written
        self._facts_told: dict[str, str] = {}

    def say(self, template: str, author: Practitioner | None = None) -> str:
        """One template filled."""
        words = expand(self.rng, template, self.facts)
        return in_hand(self.rng, words, author) if author else words

    def fact(self, template: str, author: Practitioner | None = None) -> str:
        """One template filled as it was the first time: what is said of one thing does not change."""
        words = self._facts_told.get(template)
        if words is None:
            words = self._facts_told[template] = expand(self.rng, template, self.facts)
        return in_hand(self.rng, words, author) if author else words

    def paragraph(
        self,
        lines: str | Sequence[str],
        author: Practitioner,
        count: int = 2,
        mark: str = "",
        fixed: bool = True,
        instead: str = "",
    ) -> str:
        """``count`` of ``lines`` (0 for all) as a paragraph that was not written before. Where the words run out,
        one of the lines of ``instead``; and where those do, ``mark`` tells it apart. ``fixed``: as facts."""
        say = self.fact if fixed else self.say
        pool = lines.strip().splitlines() if isinstance(lines, str) else list(lines)
        words = ""
        for _ in range(4):
            some = pool
            if count and count < len(pool):
                some = [pool[place] for place in sorted(self.rng.sample(range(len(pool)), count))]
            words = " ".join(say(each.strip(), author) for each in some)
            if words not in self._written:
                break
        else:
            others = instead.strip().splitlines()
            for _ in range(5 if others else 0):
                words = self.say(self.rng.choice(others).strip(), author)
                if words not in self._written:
                    break
            if words in self._written:
                words = f"{words} {mark}".strip()
        self._written.add(words)
        return words

    def heading(self, long: str, short: str, author: Practitioner) -> str:
        """A heading in the author's manner."""
        if author.style > _TERSE:
            return f"{short}:"
        return f"{long.upper()}:" if author.style > _VERBOSE else f"{long}:"
