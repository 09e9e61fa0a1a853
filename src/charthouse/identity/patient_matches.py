"""Which source patients a Patient may be: what other systems ask by ``$match``.

Found and weighed as an arriving patient would be; nothing is kept of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from charthouse.foundation.access.api import AccessContext, require

from .domain.decision import Candidate, judge
from .domain.guards import Outcome
from .domain.keys import keys_of
from .domain.scorer import probability
from .domain.traits import traits_from_json, traits_of
from .look_alikes import Likeness
from .permissions import FIND_PATIENT
from .policy import policy


@dataclass(frozen=True, slots=True)
class PatientMatch:
    """A source patient (its public id) who may be the one asked for, with the probability by the index's
    weights."""

    public_id: str
    person: UUID
    likeness: Likeness
    probability: float


_BY_KEYS = """
SELECT s.patient, s.person, s.public_id, t.traits::text
  FROM (SELECT DISTINCT patient FROM unnest(%s::bigint[]) AS wanted (key)
         CROSS JOIN LATERAL (SELECT array_agg(patient) AS patients
                               FROM (SELECT patient FROM identity_key k WHERE k.key = wanted.key LIMIT %s) AS few)
                               AS hit
         CROSS JOIN LATERAL unnest(hit.patients) AS patient
         WHERE cardinality(hit.patients) < %s) AS found
  JOIN identity_source_patient s USING (patient) JOIN identity_traits t USING (patient)
 WHERE s.labels & %s = 0
"""


def matching_patients(ctx: AccessContext, patient: Mapping[str, Any]) -> list[PatientMatch]:
    """The source patients the asker may see who may be this FHIR Patient, likeliest first.

    OTHER are those whom the weights alone would have somebody look at. Raises PermissionRefused.
    """
    require(ctx, FIND_PATIENT)
    rules = policy()
    traits = traits_of(patient)
    keys = keys_of(traits)
    with connection.cursor() as cursor:
        most = rules.most_per_key + 1
        cursor.execute(_BY_KEYS, [sorted(keys.first | keys.loose), most, most, ~int(ctx.clearance)])
        rows = cursor.fetchall()
    found = []
    for row, person, public_id, held in rows:
        candidate = Candidate(row, person, traits_from_json(held))
        verdict = judge(traits, candidate, rules.model, rules.thresholds)
        if verdict.outcome is Outcome.NEW and verdict.weight < rules.thresholds.perhaps:
            continue
        likeness = {Outcome.SAME: Likeness.SAME, Outcome.PERHAPS: Likeness.PERHAPS}.get(
            verdict.outcome, Likeness.OTHER
        )
        found.append(PatientMatch(public_id, person, likeness, round(probability(verdict.weight), 6)))
    order = list(Likeness)
    return sorted(found, key=lambda each: (order.index(each.likeness), -each.probability, each.public_id))
