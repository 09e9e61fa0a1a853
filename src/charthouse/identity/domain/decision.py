"""The decision on an arriving patient: one of the known persons, perhaps one of them, or a new one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from .guards import Guard, Outcome, evidence_of, guards_of, is_generation_apart
from .model import Model
from .scorer import Score, Weighing, against_kin, explain, weigh
from .traits import Traits


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits of a decision, in bits; they come from the rule pack ``identity.matching``.

    ``same``: from here on two patients are one person. ``perhaps``: from here on somebody should look.
    ``margin``: by so much the best person must lead the second. ``evidence``: so many independent respects must
    agree for "same"; at 0 the weights alone decide. ``conflict``: by so many bits one person must be likelier than
    two of a family for a conflict to be overruled; None where none ever is. ``twice``: from here on two rows of one
    source are one record written twice, where every person should have one.
    """

    same: float
    perhaps: float
    margin: float
    evidence: int
    conflict: float | None = None
    twice: float = 10.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A known source patient and the person it belongs to."""

    patient: int
    person: UUID
    traits: Traits


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is concluded of one pair, before other candidates are looked at."""

    candidate: Candidate
    weighing: Weighing
    outcome: Outcome
    words: str
    guards: tuple[Guard, ...] = ()

    @property
    def weight(self) -> float:
        return self.weighing.weight


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, the person (of "same") or the most likely one (of "perhaps"), and why.

    ``rivals`` are the source patients of other persons that might be meant too, best first.
    """

    outcome: Outcome
    reason: str
    best: Candidate | None = None
    score: Score | None = None
    rivals: tuple[Candidate, ...] = ()

    @property
    def person(self) -> UUID | None:
        return self.best.person if self.best else None


def judge(arrival: Traits, candidate: Candidate, model: Model, thresholds: Thresholds) -> Verdict:
    """What is concluded of one pair."""
    return conclude(arrival, candidate, weigh(arrival, candidate.traits, model), model, thresholds)


def conclude(
    arrival: Traits, candidate: Candidate, weighing: Weighing, model: Model, thresholds: Thresholds
) -> Verdict:
    """What is concluded of a pair that was weighed."""
    if weighing.weight < thresholds.perhaps:
        return Verdict(candidate, weighing, Outcome.NEW, "Too little agrees.")
    guards = tuple(guards_of(arrival, candidate.traits, weighing.levels))
    if thresholds.conflict is not None and model.kin is not None:
        lead = lead_over_kin(arrival, candidate.traits, weighing, model)
        if lead >= thresholds.conflict and all(guard.yields for guard in guards):
            guards = ()
        elif lead < thresholds.conflict and not guards:
            guards = (Guard("family", Outcome.PERHAPS, "They may as well be two of one family."),)
    refusal = next((guard for guard in guards if guard.allows is Outcome.NEW), None)
    if refusal:
        return Verdict(candidate, weighing, Outcome.NEW, refusal.words, guards)
    if weighing.weight < thresholds.same:
        return Verdict(candidate, weighing, Outcome.PERHAPS, "Much agrees, but not enough to be sure.", guards)
    if guards:
        return Verdict(candidate, weighing, Outcome.PERHAPS, guards[0].words, guards)
    if thresholds.evidence:
        agreeing, carries = evidence_of(weighing.levels)
        if agreeing < thresholds.evidence or not carries:
            return Verdict(candidate, weighing, Outcome.PERHAPS, "What agrees is too little to stand on.", guards)
    return Verdict(candidate, weighing, Outcome.SAME, "Enough agrees, and nothing is in conflict.")


def lead_over_kin(a: Traits, b: Traits, weighing: Weighing, model: Model) -> float:
    """Bits for one person and against two members of one family."""
    return against_kin(weighing, model, generation=is_generation_apart(a.birth, b.birth))


def decide(verdicts: Iterable[Verdict], model: Model, thresholds: Thresholds) -> Decision:
    """Choose among the candidates. A person is judged by the source patient that agrees best; where another of
    the person's source patients is in conflict, or a second person is nearly as likely, "same" becomes "perhaps".
    """
    persons: dict[UUID, list[Verdict]] = {}
    for verdict in verdicts:
        persons.setdefault(verdict.candidate.person, []).append(verdict)
    ranked = sorted((_of_person(group) for group in persons.values()), key=_rank)
    likely = [verdict for verdict in ranked if verdict.outcome is not Outcome.NEW]
    if not likely:
        if not ranked or ranked[0].weight < thresholds.perhaps:
            return Decision(Outcome.NEW, "Nobody like this is known.")
        reason = f"Somebody much alike is known, but is somebody else. {ranked[0].words}"
        return Decision(Outcome.NEW, reason, None, explain(ranked[0].weighing, model))
    best = likely[0]
    outcome, reason = best.outcome, best.words
    rivals = tuple(verdict.candidate for verdict in likely[1:])
    if outcome is Outcome.SAME and len(likely) > 1 and best.weight - likely[1].weight < thresholds.margin:
        outcome, reason = Outcome.PERHAPS, "More than one person agrees about equally well."
    return Decision(outcome, reason, best.candidate, explain(best.weighing, model), rivals)


def _rank(verdict: Verdict) -> tuple[bool, float, int]:
    return (verdict.outcome is Outcome.NEW, -verdict.weight, verdict.candidate.patient)


def _of_person(verdicts: list[Verdict]) -> Verdict:
    best = min(verdicts, key=_rank)
    if best.outcome is not Outcome.SAME:
        return best
    for verdict in verdicts:
        for guard in verdict.guards:
            words = f"Another record of the person is in conflict: {guard.words[0].lower()}{guard.words[1:]}"
            return Verdict(best.candidate, best.weighing, Outcome.PERHAPS, words, verdict.guards)
    return best
