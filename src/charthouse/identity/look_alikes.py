"""Whom a person about to be entered may already be: search before create.

What is typed so far is compared as an arriving patient would be, by the same keys, weights and conflicts, so that
what the desk is shown is what the index would decide. Beginnings of names, which have no keys yet, are found as the
box on every page finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import today

from .domain.dates import age_on
from .domain.decision import Candidate, Verdict, judge
from .domain.guards import Outcome
from .domain.keys import keys_of
from .domain.placeholders import believed
from .domain.scorer import explain
from .domain.traits import Traits, traits_from_json, traits_of
from .finding import find
from .permissions import FIND_PATIENT
from .policy import policy


class Likeness(StrEnum):
    """What the index would say of the two: one person; perhaps one; somebody else who is found by these words."""

    SAME = "same"
    PERHAPS = "perhaps"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A person who is like the one typed. ``birth_date``, ``sex`` and ``mrns`` are as in a list of patients,
    ``weight`` in bits, ``because`` what agrees and what differs, in words, without the values."""

    person: UUID
    name: str
    birth_date: str
    sex: str
    age: int | None
    deceased: bool
    mrns: tuple[str, ...]
    likeness: Likeness
    weight: float
    because: tuple[str, ...]

    @property
    def strong(self) -> bool:
        """Whether somebody should look before another person is made."""
        return self.likeness is not Likeness.OTHER


_FOUND = 8
_BY_KEYS = """
SELECT DISTINCT patient FROM unnest(%s::bigint[]) AS wanted (key)
 CROSS JOIN LATERAL (SELECT array_agg(patient) AS patients
                       FROM (SELECT patient FROM identity_key k WHERE k.key = wanted.key LIMIT %s) AS few) AS hit
 CROSS JOIN LATERAL unnest(hit.patients) AS patient
 WHERE cardinality(hit.patients) < %s
"""
_ALIKE = """
SELECT s.patient, s.person, t.traits::text, s.family, s.given, s.birth, s.sex, s.deceased, s.mrn
  FROM identity_source_patient s JOIN identity_traits t USING (patient)
 WHERE (s.patient = ANY(%s) OR s.person = ANY(%s)) AND s.labels & %s = 0
 ORDER BY s.updated_at DESC, s.patient
"""


def look_alikes(ctx: AccessContext, patient: Mapping[str, Any], words: str = "") -> list[LookAlike]:
    """The persons the asker may see who are like a FHIR Patient (as far as it is known), likeliest first.

    ``words`` are what was typed of name and birth date; persons found by them alone come last. Raises
    PermissionRefused.
    """
    require(ctx, FIND_PATIENT)
    rules = policy()
    traits = believed(traits_of(patient), rules.learnt)
    keys = keys_of(traits)
    persons = [hit.person for hit in find(ctx, words, _FOUND)] if words.strip() else []
    with connection.cursor() as cursor:
        wanted = sorted(keys.first | keys.loose)
        cursor.execute(_BY_KEYS, [wanted, rules.most_per_key + 1, rules.most_per_key + 1])
        patients = [row for (row,) in cursor.fetchall()]
        cursor.execute(_ALIKE, [patients, persons, ~int(ctx.clearance)])
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    grouped: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["person"], []).append(row)
    alike = [found for group in grouped.values() if (found := _alike(traits, group, set(persons))) is not None]
    order = list(Likeness)
    return sorted(alike, key=lambda each: (order.index(each.likeness), -each.weight, str(each.person)))


def _alike(traits: Traits, rows: Sequence[dict[str, Any]], found: set[UUID]) -> LookAlike | None:
    """A person as the best of its source patients is; None for one whom nothing but a loose key brought."""
    rules = policy()
    verdicts = [
        (judge(traits, Candidate(row["patient"], row["person"], known), rules.model, rules.thresholds), row)
        for row in rows
        for known in [believed(traits_from_json(row["traits"]), rules.learnt)]
    ]
    verdict, best = min(verdicts, key=lambda each: (each[0].outcome is Outcome.NEW, -each[0].weight))
    known_for_more = verdict.weight >= rules.thresholds.perhaps
    if verdict.outcome is Outcome.NEW and best["person"] not in found and not known_for_more:
        return None
    likeness = {Outcome.SAME: Likeness.SAME, Outcome.PERHAPS: Likeness.PERHAPS}.get(verdict.outcome, Likeness.OTHER)
    died = next((row["deceased"] for row in rows if row["deceased"]), "")
    day = today(configuration().time_zone).isoformat()
    return LookAlike(
        person=best["person"],
        name=", ".join(part for part in (best["family"], best["given"]) if part),
        birth_date=best["birth"],
        sex=best["sex"],
        age=age_on(best["birth"], died if len(died) == 10 else day),
        deceased=bool(died),
        mrns=tuple(dict.fromkeys(row["mrn"] for row in rows if row["mrn"])),
        likeness=likeness,
        weight=verdict.weight,
        because=_because(verdict),
    )


def _because(verdict: Verdict) -> tuple[str, ...]:
    steps = explain(verdict.weighing, policy().model).waterfall
    said = [step.words for step in steps if step.field != "prior" and step.level not in {"rare", "common"}]
    first = [] if verdict.outcome is Outcome.SAME else [verdict.words]
    return tuple(dict.fromkeys([*first, *said]))
