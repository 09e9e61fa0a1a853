"""How well what was found agrees with a key: precision and recall, by kind and in all. Pure.

A key may have been made elsewhere: what a line does not tell is not compared, and lines of a kind that no chart's
analysis finds are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: What older keys, and keys made elsewhere, mean by their kinds: the kind of deficiency (empty: any) and what is
#: wrong.
_KINDS = {
    "missing_document": ("", "missing"),
    "unsigned_document": ("authentication", "unsigned"),
    "late_document": ("", "late"),
    "history_too_old": ("history-and-physical", "unfit"),
    "laterality": ("laterality", "unfit"),
}
_MOST_TOLD = 100


@dataclass(frozen=True, slots=True)
class Expected:
    """One line of a key; what it does not tell is empty. ``kind`` is the kind of deficiency."""

    visit: str
    kind: str = ""
    what: str = ""
    document: str = ""
    owed_by: str = ""
    near_miss: bool = False

    @property
    def told(self) -> int:
        """How much it tells."""
        return sum(map(bool, (self.visit, self.kind, self.what, self.document, self.owed_by)))

    def is_(self, found: Found) -> bool:
        """Whether it is what was found, as far as it tells."""
        return (
            (not self.visit or self.visit == found.visit)
            and (not self.kind or self.kind == found.kind)
            and (not self.what or self.what == found.what)
            and (not self.document or self.document == found.document)
            and (not self.owed_by or self.owed_by == found.owed_by)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """One deficiency that was found; ``document`` is the sender's number, ``owed_by`` an NPI."""

    visit: str
    kind: str
    what: str
    document: str = ""
    owed_by: str = ""


@dataclass(slots=True)
class Tally:
    """``right`` of those ``found`` are among those ``expected``."""

    expected: int = 0
    found: int = 0
    right: int = 0

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        return self.right / self.expected if self.expected else None

    def line(self) -> dict[str, Any]:
        return {
            "expected": self.expected,
            "found": self.found,
            "right": self.right,
            "precision": _rounded(self.precision),
            "recall": _rounded(self.recall),
        }


@dataclass(slots=True)
class Score:
    """``kinds`` by kind and what is wrong; ``near_misses`` that were left alone, of how many; what was ``missed``,
    and what was found and stands in no key (``beside``)."""

    kinds: dict[str, Tally] = field(default_factory=dict)
    near_misses: tuple[int, int] = (0, 0)
    missed: list[Expected] = field(default_factory=list)
    beside: list[Found] = field(default_factory=list)

    @property
    def whole(self) -> Tally:
        listed = self.kinds.values()
        return Tally(
            sum(each.expected for each in listed),
            sum(each.found for each in listed),
            sum(each.right for each in listed),
        )

    def line(self) -> dict[str, Any]:
        """As JSON; of what does not agree the first hundred each."""
        left, of = self.near_misses
        return {
            "all": self.whole.line(),
            "kinds": {name: self.kinds[name].line() for name in sorted(self.kinds)},
            "near_misses": {"expected": of, "left_alone": left},
            "missed": [_told(each) for each in self.missed[:_MOST_TOLD]],
            "beside": [_told(each) for each in self.beside[:_MOST_TOLD]],
        }


def expected_of(lines: Iterable[Mapping[str, Any]]) -> list[Expected]:
    """What a key expects of the analysis of charts."""
    found = []
    for each in lines:
        told = {name: str(each.get(name) or "") for name in ("kind", "deficiency", "what", "visit", "document")}
        kind, what = told["deficiency"], told["what"]
        if not kind:
            if told["kind"] not in _KINDS:
                continue
            kind, what = _KINDS[told["kind"]]
        near = bool(each.get("near_miss"))
        if told["visit"] or told["document"]:
            owed = str(each.get("owed_by") or "")
            found.append(Expected(told["visit"], kind, "" if near else what, told["document"], owed, near))
    return found


def score(expected: Sequence[Expected], found: Iterable[Found]) -> Score:
    """Each expected deficiency with one that was found, those that tell most first."""
    result = Score()
    left: dict[str, list[Found]] = {}
    for each in found:
        left.setdefault(each.visit, []).append(each)
        _tally(result, each.kind, each.what).found += 1
    missed: Counter[Expected] = Counter()
    for one in sorted((each for each in expected if not each.near_miss), key=lambda each: -each.told):
        there = left.get(one.visit, ()) if one.visit else [each for listed in left.values() for each in listed]
        match = next((each for each in there if one.is_(each)), None)
        if match is None:
            _tally(result, one.kind, one.what).expected += 1
            missed[one] += 1
            continue
        tally = _tally(result, match.kind, match.what)
        tally.expected += 1
        tally.right += 1
        left[match.visit].remove(match)
    result.missed = sorted(missed.elements(), key=lambda each: (each.visit, each.kind))
    result.beside = [each for visit in sorted(left) for each in left[visit]]
    near = [each for each in expected if each.near_miss]
    wrong = sum(any(each.is_(one) for one in left.get(each.visit, ())) for each in near)
    result.near_misses = len(near) - wrong, len(near)
    return result


def _tally(result: Score, kind: str, what: str) -> Tally:
    return result.kinds.setdefault(f"{kind or 'any'} {what}".strip(), Tally())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _told(one: Expected | Found) -> dict[str, str]:
    values = {name: getattr(one, name) for name in ("visit", "kind", "what", "document", "owed_by")}
    return {name: value for name, value in values.items() if value}
