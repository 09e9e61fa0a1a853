"""Place arriving patients: the known keep their person; the others are matched, or become new persons.

Called by intake in its own transaction, a whole batch at a time. Arrivals of a batch see each other, and two
connections that bring the same new person at the same moment end with one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from charthouse.foundation.access.api import system_context
from charthouse.foundation.ids import new_id
from charthouse.foundation.work.api import ItemSubject, NewItem, open_items
from charthouse.identity.actions.telling_apart import remember
from charthouse.identity.domain.decision import Candidate, Decision, Verdict, decide, judge
from charthouse.identity.domain.guards import Outcome
from charthouse.identity.domain.keys import Keys, keys_of
from charthouse.identity.domain.placeholders import believed
from charthouse.identity.domain.prepared import Prepared, prepare
from charthouse.identity.domain.scorer import Step
from charthouse.identity.domain.traits import Traits
from charthouse.identity.policy import DECISION, Policy, policy, review_due
from charthouse.identity.queues import POSSIBLE_DUPLICATES, matter
from charthouse.identity.store import (
    Known,
    LinkEvent,
    Row,
    Writing,
    candidates,
    first_candidates,
    known_patients,
    persons_of_public,
    rows_of_public,
    write,
)

CONTEXT = system_context("identity")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A Patient resource as it was filed: its row and public id in the record, who sent it in which message, the
    resource, its labels, and when what it tells happened. ``same_as`` are public ids of patients whom the person
    who entered it, with their chart open, said it to be, ``apart_from`` those whom somebody found it not to be.
    ``new`` says that the record has it first in this very transaction: its own row is not looked for."""

    patient_row: int
    public_id: str
    source: int
    patient: Mapping[str, Any]
    labels: int = 0
    message: int | None = None
    occurred: datetime | None = None
    same_as: tuple[str, ...] = ()
    apart_from: tuple[str, ...] = ()
    new: bool = False


class Placed(StrEnum):
    """How a patient came to its person: already known; the same as a known one; perhaps the same, filed under a
    new person; a new person."""

    KNOWN = "known"
    SAME = "same"
    PERHAPS = "perhaps"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an arrival belongs. ``weight`` and ``waterfall`` are those of the best candidate, if there was one."""

    patient_row: int
    person: UUID
    outcome: Placed
    reason: str
    weight: float | None = None
    waterfall: tuple[Step, ...] = ()


@dataclass(slots=True)
class _Newcomer:
    """An arrival the index does not have, with what the database knows that may be it. ``keys`` are kept;
    ``traits`` and ``asked`` are compared and looked up: they leave out what is not believed here."""

    arrival: Arrival
    prepared: Prepared
    keys: Keys
    traits: Traits
    asked: Keys
    found: dict[int, Candidate] = field(default_factory=dict)
    judged: dict[int, Verdict] = field(default_factory=dict)
    said: UUID | None = None
    apart: frozenset[UUID] = frozenset()

    def verdict(self, candidate: Candidate, rules: Policy) -> Verdict:
        """What is concluded of a candidate, once as long as it is the same."""
        verdict = self.judged.get(candidate.patient)
        if verdict is None or verdict.candidate is not candidate:
            verdict = judge(self.traits, candidate, rules.model, rules.thresholds)
            self.judged[candidate.patient] = verdict
        return verdict


@dataclass(slots=True)
class _Batch:
    """What the arrivals of one batch have changed so far, for those that come after."""

    rules: Policy
    writing: Writing = field(default_factory=Writing)
    items: list[NewItem] = field(default_factory=list)
    by_key: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    placed: dict[int, Candidate] = field(default_factory=dict)

    def remember(self, patient: int, person: UUID, traits: Traits, keys: Keys) -> None:
        self.placed[patient] = Candidate(patient, person, traits)
        for key in keys.stored:
            self.by_key[key].append(patient)

    def sharing(self, keys: Iterable[int]) -> dict[int, Candidate]:
        """Patients of this batch that share a key, as they are now; a key too many share is passed over."""
        shared = (self.by_key[key] for key in keys if key in self.by_key)
        return {
            patient: self.placed[patient]
            for patients in shared
            if len(patients) <= self.rules.most_per_key
            for patient in patients
        }


def place(arrivals: Sequence[Arrival]) -> list[Placement]:
    """Say of each arriving patient whose it is; the placements stand in the order of the arrivals.

    Call it once a transaction, inside it. "Perhaps" files under a new person and opens a work item in the queue
    ``identity.possible-duplicates``. A known patient keeps its person whatever it brings; whether an
    update tells of somebody else is asked before it is filed (:func:`.hold_updates.suspects`).
    """
    if not arrivals:
        return []
    rules = policy()
    prepared = [prepare(each.patient, source=each.source, labels=each.labels) for each in arrivals]
    known = known_patients({each.patient_row for each in arrivals if not each.new})
    newcomers = _newcomers(arrivals, prepared, known, rules)
    _say(newcomers)
    _part(newcomers)
    unsaid = {row: each for row, each in newcomers.items() if each.said is None}
    _look_up(unsaid, rules)
    batch, placements = _decide(arrivals, prepared, newcomers, known, rules)
    while not write(batch.writing):
        # One that an arrival was matched with was put under another person meanwhile.
        _look_up(unsaid, rules)
        batch, placements = _decide(arrivals, prepared, newcomers, known, rules)
    _remember_apart(arrivals, newcomers)
    open_items(batch.items, opened_by=CONTEXT.actor)
    return placements


def _decide(
    arrivals: Sequence[Arrival],
    prepared: Sequence[Prepared],
    newcomers: Mapping[int, _Newcomer],
    known: Mapping[int, Known],
    rules: Policy,
) -> tuple[_Batch, list[Placement]]:
    """Where each arrival belongs, one after the other, and what is to be written."""
    batch, placements, known = _Batch(rules), [], dict(known)
    for each, made in zip(arrivals, prepared, strict=True):
        before = known.get(each.patient_row)
        if before is None:
            placements.append(_place_newcomer(batch, newcomers[each.patient_row], known))
        else:
            placements.append(_refresh(batch, each, made, before))
            known[each.patient_row] = Known(before.patient, before.person, made.digest, made.traits)
    return batch, placements


def _newcomers(
    arrivals: Sequence[Arrival], prepared: Sequence[Prepared], known: Mapping[int, Known], rules: Policy
) -> dict[int, _Newcomer]:
    """The first arrival of each patient the index does not have."""
    newcomers: dict[int, _Newcomer] = {}
    for arrival, made in zip(arrivals, prepared, strict=True):
        if arrival.patient_row not in known and arrival.patient_row not in newcomers:
            traits, keys = believed(made.traits, rules.learnt), made.keys()
            asked = keys if traits is made.traits else keys_of(traits)
            newcomers[arrival.patient_row] = _Newcomer(arrival, made, keys, traits, asked)
    return newcomers


def _say(newcomers: Mapping[int, _Newcomer]) -> None:
    """Note the one person whose patients an arrival was said to be; of several it is not said which."""
    persons = persons_of_public({name for each in newcomers.values() for name in each.arrival.same_as})
    for each in newcomers.values():
        said = {persons[name] for name in each.arrival.same_as if name in persons}
        each.said = said.pop() if len(said) == 1 else None


def _part(newcomers: Mapping[int, _Newcomer]) -> None:
    """Note the persons whom an arrival was found not to be."""
    named = {row: each.arrival.apart_from for row, each in newcomers.items() if each.arrival.apart_from}
    persons = persons_of_public({name for names in named.values() for name in names}) if named else {}
    for row, names in named.items():
        newcomers[row].apart = frozenset(persons[name] for name in names if name in persons)


def _remember_apart(arrivals: Sequence[Arrival], newcomers: Mapping[int, _Newcomer]) -> None:
    """Remember for good whom arrivals were found not to be."""
    named = {
        each.patient_row: each.apart_from for each in arrivals if each.apart_from and each.patient_row in newcomers
    }
    if not named:
        return
    rows = rows_of_public({name for names in named.values() for name in names})
    remember(
        CONTEXT,
        [(row, rows[name]) for row, names in named.items() for name in names if name in rows],
        "An update under this number was found to be another person's.",
    )


def _look_up(newcomers: Mapping[int, _Newcomer], rules: Policy) -> None:
    """Find candidates in the database: by tight keys, then by loose ones where nobody was found to be the same."""
    if not newcomers:
        return
    for each in newcomers.values():
        each.found.clear()
    asked = [(row, each.asked.first) for row, each in newcomers.items()]
    _collect(newcomers, first_candidates(asked, rules.most_per_key), rules)
    loose = [
        (row, each.asked.loose)
        for row, each in newcomers.items()
        if not any(each.verdict(candidate, rules).outcome is Outcome.SAME for candidate in each.found.values())
    ]
    _collect(newcomers, candidates(loose, rules.most_per_key), rules)


def _collect(newcomers: Mapping[int, _Newcomer], found: Mapping[int, Iterable[Candidate]], rules: Policy) -> None:
    for row, its_candidates in found.items():
        have = newcomers[row].found
        for each in its_candidates:
            if each.patient not in have:
                have[each.patient] = Candidate(each.patient, each.person, believed(each.traits, rules.learnt))


def _place_newcomer(batch: _Batch, newcomer: _Newcomer, known: dict[int, Known]) -> Placement:
    arrival, rules = newcomer.arrival, batch.rules
    traits = newcomer.traits
    if newcomer.said is not None:
        return _place_said(batch, newcomer, newcomer.said, known)
    found = {patient: batch.placed.get(patient, candidate) for patient, candidate in newcomer.found.items()}
    found.update(batch.sharing(newcomer.asked.first | newcomer.asked.loose))
    found = {patient: each for patient, each in found.items() if each.person not in newcomer.apart}
    verdicts = [newcomer.verdict(candidate, rules) for candidate in found.values()]
    decision = decide(verdicts, rules.model, rules.thresholds)
    if decision.outcome is Outcome.SAME and decision.best:
        person = decision.best.person
    else:
        person = new_id()
        batch.writing.persons.append(person)
    batch.writing.rows[arrival.patient_row] = Row(
        arrival.patient_row, arrival.public_id, arrival.source, person, newcomer.prepared, newcomer.keys
    )
    batch.writing.events.append(_event(arrival, person, decision, rules))
    if decision.outcome is not Outcome.NEW:
        for each in (decision.best, *decision.rivals):
            if each and newcomer.found.get(each.patient) is each:
                batch.writing.matched[each.patient] = each.person
    if decision.outcome is Outcome.PERHAPS:
        batch.items.append(_item(arrival, person, decision, rules))
    batch.remember(arrival.patient_row, person, traits, newcomer.keys)
    known[arrival.patient_row] = Known(
        arrival.patient_row, person, newcomer.prepared.digest, newcomer.prepared.traits
    )
    score = decision.score
    return Placement(
        patient_row=arrival.patient_row,
        person=person,
        outcome=Placed(decision.outcome.value),
        reason=decision.reason,
        weight=score.weight if score else None,
        waterfall=score.waterfall if score else (),
    )


def _place_said(batch: _Batch, newcomer: _Newcomer, person: UUID, known: dict[int, Known]) -> Placement:
    """A patient entered on an open chart belongs to that chart's person; nothing is matched."""
    arrival, prepared = newcomer.arrival, newcomer.prepared
    row, reason = arrival.patient_row, "Entered by hand on this person's chart."
    batch.writing.rows[row] = Row(row, arrival.public_id, arrival.source, person, prepared, newcomer.keys)
    batch.writing.events.append(
        LinkEvent(
            patient=row,
            person_from=None,
            person_to=person,
            kind="matched",
            actor=CONTEXT.actor,
            reason=reason,
            message=arrival.message,
            occurred=arrival.occurred,
        )
    )
    batch.remember(row, person, newcomer.traits, newcomer.keys)
    known[row] = Known(row, person, prepared.digest, prepared.traits)
    return Placement(row, person, Placed.SAME, reason)


def _refresh(batch: _Batch, arrival: Arrival, made: Prepared, before: Known) -> Placement:
    """A known patient: what is known of it is renewed, its person stays."""
    row = arrival.patient_row
    if made.digest == before.digest:
        return Placement(row, before.person, Placed.KNOWN, "This patient is known, and nothing about it changed.")
    keys = made.keys()
    if row not in batch.writing.rows:
        batch.writing.changed.add(row)
    batch.writing.rows[row] = Row(row, arrival.public_id, arrival.source, before.person, made, keys)
    batch.remember(row, before.person, believed(made.traits, batch.rules.learnt), keys)
    return Placement(row, before.person, Placed.KNOWN, "This patient is known; what is known of it was renewed.")


def _event(arrival: Arrival, person: UUID, decision: Decision, rules: Policy) -> LinkEvent:
    kinds = {Outcome.SAME: "matched", Outcome.PERHAPS: "perhaps", Outcome.NEW: "new"}
    score = decision.score
    return LinkEvent(
        patient=arrival.patient_row,
        person_from=None,
        person_to=person,
        kind=kinds[decision.outcome],
        actor=CONTEXT.actor,
        reason=decision.reason,
        other=decision.best.patient if decision.best else None,
        model=rules.model.version,
        weight=score.weight if score else None,
        waterfall=score.waterfall if score else (),
        message=arrival.message,
        occurred=arrival.occurred,
    )


def _item(arrival: Arrival, person: UUID, decision: Decision, rules: Policy) -> NewItem:
    best, score = decision.best, decision.score
    if best is None or score is None:
        raise ValueError("A decision of “perhaps” names the patient it is about.")
    return NewItem(
        queue=POSSIBLE_DUPLICATES,
        subject=ItemSubject("patient", arrival.public_id),
        reason=decision.reason,
        dedupe=matter(arrival.patient_row, best.patient),
        rule=DECISION,
        due=review_due("duplicate"),
        patient=arrival.public_id,
        person=str(person),
        detail={
            "patients": [arrival.patient_row, best.patient],
            "persons": [str(person), str(best.person)],
            "rivals": [rival.patient for rival in decision.rivals],
            "weight": round(score.weight, 3),
            "model": rules.model.version,
            "waterfall": [step.as_json() for step in score.waterfall],
        },
    )
