"""The rows of an outside file against the index: the decision of one arrival for each, or one-to-one for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from charthouse.identity.domain.decision import Candidate, Thresholds, Verdict, conclude, decide
from charthouse.identity.domain.guards import Outcome
from charthouse.identity.domain.model import Model

from .blocking import Blocks
from .judging import Tell, judge_pairs, quiet
from .table import Table


@dataclass(frozen=True, slots=True)
class Answer:
    """What is concluded of one row: the outcome (same, perhaps, new), the person (empty for new), bits and why."""

    outcome: str
    person: str
    weight: float | None
    reason: str


def link_rows(
    table: Table,
    blocks: Blocks,
    persons: Sequence[str],
    model: Model,
    thresholds: Thresholds,
    *,
    one_to_one: bool = False,
    tell: Tell = quiet,
) -> list[Answer]:
    """Answers for the rows after those of the index, whose persons ``persons`` are. ``one_to_one``: a person is the
    answer for one row only, the surest; for the others it is "perhaps"."""
    known = len(persons)
    origin = np.zeros(table.size, dtype=np.int32)
    origin[known:] = 1
    tell("pairs", 0, 0)
    left, right = blocks.pairs(table.size, origin)
    judged = judge_pairs(table, model, left, right, thresholds, tell)
    verdicts: dict[int, list[Verdict]] = defaultdict(list)
    for place, (one, other) in enumerate(zip(judged.pairs.left.tolist(), judged.pairs.right.tolist(), strict=True)):
        candidate = Candidate(one, UUID(persons[one]), table.traits(one))
        weighing = judged.pairs.weighing(place, table)
        verdicts[other].append(conclude(table.traits(other), candidate, weighing, model, thresholds))
    answers = [_answer(verdicts.get(row, []), model, thresholds) for row in range(known, table.size)]
    return _one_each(answers) if one_to_one else answers


def _answer(verdicts: list[Verdict], model: Model, thresholds: Thresholds) -> Answer:
    decision = decide(verdicts, model, thresholds)
    person = str(decision.person) if decision.person and decision.outcome is not Outcome.NEW else ""
    return Answer(
        decision.outcome.value, person, decision.score.weight if decision.score else None, decision.reason
    )


def _one_each(answers: list[Answer]) -> list[Answer]:
    best: dict[str, float] = {}
    for answer in answers:
        if answer.outcome == "same":
            best[answer.person] = max(best.get(answer.person, -np.inf), answer.weight or 0.0)
    taken: set[str] = set()
    found = []
    for answer in answers:
        surest = answer.outcome == "same" and answer.weight == best[answer.person] and answer.person not in taken
        if answer.outcome == "same" and not surest:
            answer = Answer("perhaps", answer.person, answer.weight, "Another row of the file agrees better.")
        elif surest:
            taken.add(answer.person)
        found.append(answer)
    return found
