"""The analysis as the desk asks for it: what the adopted rules find in the facts of an encounter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .adopted import adopted_for, judged
from .domain.analysis import NEVER, analyse
from .domain.facts import EncounterFacts
from .domain.findings import Finding, What


@dataclass(frozen=True, slots=True)
class Found:
    """Something found in a chart. ``judgement``: a technician looks whether it is so."""

    finding: Finding
    judgement: bool


def found_in(facts: EncounterFacts, version: int, now: datetime) -> Sequence[Found]:
    """What the adopted rules of the encounter's kind of facility find at a moment."""
    rules = adopted_for(version, facts.facility_type)
    by_judgement = judged(rules)
    return tuple(
        Found(each, each.what is What.UNFIT and each.rule in by_judgement) for each in analyse(facts, rules, now)
    )


__all__ = ["NEVER", "Found", "found_in"]
