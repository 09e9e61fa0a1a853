"""What rules that are tried would do to charts, beside the rules in force: pure comparison, and its counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .analysis import analyse
from .facts import EncounterFacts
from .findings import Finding, What
from .rules import Demand, RuleSet
from .states import State

#: Charts that are kept of each group, to be opened; all are counted.
MOST_KEPT = 200
_OPEN = frozenset({State.OPEN, State.PROPOSED})


class Effect(StrEnum):
    """What would become of a deficiency. CHANGES: it stays, due on another day or owed by another."""

    OPENS = "opens"
    CLOSES = "closes"
    CHANGES = "changes"

    @property
    def words(self) -> str:
        return {"opens": "Would open", "closes": "Would close", "changes": "Would change"}[self.value]


@dataclass(frozen=True, slots=True)
class Compared:
    """One deficiency that would not stay as it is. ``before`` is how it stood, of one that changes."""

    effect: Effect
    finding: Finding
    before: Finding | None = None

    @property
    def group(self) -> tuple[str, str, str, str]:
        return self.effect.value, self.finding.rule, self.finding.kind, self.finding.what.value


def apart(one: RuleSet, other: RuleSet) -> tuple[RuleSet, RuleSet]:
    """Two sets without the demands they share, which find the same in every chart."""
    shared = set(one.demands) & set(other.demands)
    return _less(one, shared), _less(other, shared)


def _less(rules: RuleSet, shared: set[Demand]) -> RuleSet:
    return RuleSet(tuple(each for each in rules.demands if each not in shared))


def compared(facts: EncounterFacts, held: RuleSet, tried: RuleSet, now: datetime) -> tuple[Compared, ...]:
    """What of a chart is found by one set of rules and not by the other, or otherwise."""
    old = {each.key: each for each in analyse(facts, held, now)}
    new = {each.key: each for each in analyse(facts, tried, now)}
    found = [Compared(Effect.OPENS, each) for key, each in new.items() if key not in old]
    found += [Compared(Effect.CLOSES, each) for key, each in old.items() if key not in new]
    found += [
        Compared(Effect.CHANGES, each, old[key])
        for key, each in new.items()
        if key in old and each.what is not What.LATE and _asks(each) != _asks(old[key])
    ]
    return tuple(found)


def _asks(finding: Finding) -> tuple[object, ...]:
    return finding.due, finding.owed_by, finding.says


def standing(found: Iterable[Compared], states: Mapping[str, State]) -> Iterator[Compared]:
    """Those that adopting would bring about, where the chart's deficiencies stand so by their keys: what a person
    settled stays so, and what does not stand cannot close."""
    for each in found:
        state = states.get(each.finding.key)
        if each.effect is Effect.OPENS:
            if state is None or state is State.CLOSED:
                yield each
        elif state in _OPEN or (each.effect is Effect.CLOSES and state is State.NOTED):
            yield each


@dataclass(slots=True)
class Tally:
    """What a trial counted: charts looked at, those that would change, and the groups of what would become of
    deficiencies, each with its number and the first rows of encounters."""

    looked_at: int = 0
    touched: int = 0
    groups: dict[tuple[str, str, str, str], tuple[int, list[int]]] = field(default_factory=dict)

    def add(self, row: int, found: Iterable[Compared]) -> None:
        self.looked_at += 1
        listed = list(found)
        self.touched += bool(listed)
        for each in listed:
            number, rows = self.groups.get(each.group, (0, []))
            if len(rows) < MOST_KEPT and row not in rows[-1:]:
                rows.append(row)
            self.groups[each.group] = (number + 1, rows)

    def kept(self) -> dict[str, Any]:
        """As JSON, in the order of effects and of their numbers."""
        effects = [each.value for each in Effect]
        listed = sorted(self.groups.items(), key=lambda each: (effects.index(each[0][0]), -each[1][0], each[0]))
        return {
            "looked_at": self.looked_at,
            "touched": self.touched,
            "groups": [
                {"effect": effect, "rule": rule, "kind": kind, "what": what, "count": count, "rows": rows}
                for (effect, rule, kind, what), (count, rows) in listed
            ],
        }
