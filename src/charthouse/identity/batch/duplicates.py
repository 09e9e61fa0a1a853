"""Duplicates in a whole index: pairs of persons, by what the decision says of their records."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from charthouse.identity.domain.decision import Candidate, Thresholds, conclude
from charthouse.identity.domain.guards import Outcome
from charthouse.identity.domain.model import Model
from charthouse.identity.domain.scorer import Score, explain

from .blocking import Blocks
from .judging import NOBODY, Checkpoint, Tell, judge_pairs, quiet
from .table import Table


@dataclass(frozen=True, slots=True)
class Finding:
    """Two persons who may be one: the rows of the two records that agree best, the bits, what is concluded and why.
    ``same``: all that was compared of the two agrees."""

    one: int
    other: int
    weight: float
    same: bool
    reason: str
    score: Score


def find_duplicates(
    table: Table,
    blocks: Blocks,
    persons: Sequence[str],
    model: Model,
    thresholds: Thresholds,
    told_apart: AbstractSet[tuple[int, int]],
    tell: Tell = quiet,
    checkpoint: Checkpoint | None = None,
) -> list[Finding]:
    """Pairs of persons that are or may be one, the surest first. ``told_apart``: pairs of rows somebody found to be
    two persons; their persons are not asked about again."""
    tell("pairs", 0, 0)
    left, right = blocks.pairs(table.size)
    judged = judge_pairs(table, model, left, right, thresholds, tell, checkpoint)
    best: dict[tuple[str, str], int] = {}
    doubtful: set[tuple[str, str]] = set()
    apart = {_pair(persons[one], persons[other]) for one, other in told_apart}
    for place, (one, other) in enumerate(zip(judged.pairs.left.tolist(), judged.pairs.right.tolist(), strict=True)):
        pair = _pair(persons[one], persons[other])
        if pair[0] == pair[1] or pair in apart:
            continue
        if not judged.linked[place]:
            doubtful.add(pair)
        if not (judged.linked[place] or judged.review[place]):
            continue
        held = best.get(pair)
        if held is None or _rank(judged.linked[place], judged.bits[place]) > _rank(
            judged.linked[held], judged.bits[held]
        ):
            best[pair] = place
    found = []
    for pair, place in best.items():
        one, other = int(judged.pairs.left[place]), int(judged.pairs.right[place])
        weighing = judged.pairs.weighing(place, table)
        verdict = conclude(
            table.traits(one), Candidate(other, NOBODY, table.traits(other)), weighing, model, thresholds
        )
        same = verdict.outcome is Outcome.SAME and pair not in doubtful
        reason = verdict.words
        if verdict.outcome is Outcome.SAME and not same:
            reason = "Two of their records agree, but other records of the two are in doubt."
        found.append(Finding(one, other, weighing.weight, same, reason, explain(weighing, model)))
    found.sort(key=lambda each: (-each.same, -each.weight, each.one, each.other))
    return found


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


def _rank(linked: bool, bits: float) -> tuple[bool, float]:
    return bool(linked), float(bits)
