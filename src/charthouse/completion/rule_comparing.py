"""Rules that are tried beside those they were made from, over charts and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from charthouse.foundation.rulepacks.api import FacilityType

from .adopted import content_of, read
from .domain.facts import EncounterFacts
from .domain.rule_trials import Compared, apart, compared, standing
from .domain.rules import RuleSet
from .domain.states import State
from .models import Deficiency
from .rule_models import RuleTrial

RuleSets = Mapping[str, tuple[RuleSet, RuleSet]]
"""By type of facility, what the rules in force demand and those tried do not, and the other way round."""


def sets_of(trial: RuleTrial) -> RuleSets:
    """What the rules of a trial and those it was made from do not share."""
    base = content_of(trial.base)
    return {kind: apart(read(base.get(kind, ())), read(rules)) for kind, rules in trial.content.items()}


def brought_about(
    listed: Sequence[EncounterFacts], sets: RuleSets, at: datetime
) -> Iterator[tuple[EncounterFacts, tuple[Compared, ...]]]:
    """What adopting would bring about in each chart; nothing in most."""
    found = {}
    for facts in listed:
        held, tried = sets.get(facts.facility_type) or sets[FacilityType.HOSPITAL.value]
        if held.demands or tried.demands:
            found[facts.row] = compared(facts, held, tried, at)
    states = _states([row for row, each in found.items() if each])
    for facts in listed:
        yield facts, tuple(standing(found.get(facts.row, ()), states.get(facts.row, {})))


def _states(rows: Sequence[int]) -> dict[int, dict[str, State]]:
    """How the deficiencies of encounters stand, by encounter and key."""
    states: dict[int, dict[str, State]] = {}
    if rows:
        kept = Deficiency.objects.filter(chart__encounter__in=rows, manual=False)
        for row, key, state in kept.values_list("chart__encounter", "key", "state"):
            states.setdefault(row, {})[key] = State(state)
    return states
