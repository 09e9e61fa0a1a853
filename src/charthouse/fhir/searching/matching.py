"""``$match``: who a Patient may be, by the patient index, as R4's operation has it."""

from __future__ import annotations

from typing import Any

import orjson
from django.db import connection

from charthouse.exchange.fhir.api import validate
from charthouse.fhir.domain.content import with_meta
from charthouse.fhir.domain.outcomes import problem
from charthouse.identity.api import Likeness, PatientMatch, matching_patients
from charthouse.record.api import State, current, whole

from .answer import Answered, Json, bundle_of
from .asker import Asker

_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_GRADES = {Likeness.SAME: "certain", Likeness.PERHAPS: "probable", Likeness.OTHER: "possible"}
_COUNT, _MOST = 20, 100


def match(asker: Asker, parameters: Json) -> Answered:
    """The patients who may be the one in ``parameters`` (``resource``, ``onlyCertainMatches``, ``count``),
    likeliest first, each with its score and grade.

    Raises FhirProblem for parameters that say no patient, and PermissionRefused.
    """
    patient, only_certain, count = _read(parameters)
    found = matching_patients(asker.ctx, patient)
    if only_certain:
        found = [each for each in found if each.likeness is Likeness.SAME]
        if len({each.person for each in found}) > 1:
            found = []
    found = found[:count]
    with connection.cursor() as cursor:
        there = current(cursor, asker.ctx, [("Patient", each.public_id) for each in found])
    entries, given = [], []
    for each in found:
        stored = there.get(("Patient", each.public_id))
        if stored is None or stored.state is not State.ACTIVE or not asker.sees(stored):
            continue
        entries.append(
            {
                "fullUrl": f"{asker.base}Patient/{stored.public_id}",
                "resource": orjson.Fragment(with_meta(whole(stored), stored.version, stored.filed_at)),
                "search": _graded(each),
            }
        )
        given.append((stored, stored.public_id))
    bundle = bundle_of(entries, len(entries), [{"relation": "self", "url": f"{asker.base}Patient/$match"}])
    return Answered(bundle, list(given))


def _graded(found: PatientMatch) -> Json:
    return {
        "extension": [{"url": _GRADE, "valueCode": _GRADES[found.likeness]}],
        "mode": "match",
        "score": found.probability,
    }


def _read(parameters: Json) -> tuple[Json, bool, int]:
    if parameters.get("resourceType") == "Patient":
        return parameters, False, _COUNT
    if parameters.get("resourceType") != "Parameters":
        raise problem(400, "$match takes a Parameters resource with the Patient to look for as 'resource'.")
    named: dict[Any, Json] = {
        each.get("name"): each for each in parameters.get("parameter") or () if isinstance(each, dict)
    }
    patient = named.get("resource", {}).get("resource")
    if not isinstance(patient, dict) or patient.get("resourceType") != "Patient":
        raise problem(
            400, "The parameter 'resource' must be the Patient to look for.", expression="Parameters.parameter"
        )
    if wrong := validate(patient):
        raise problem(400, f"The Patient to look for is not valid: {wrong[0].message}", expression=wrong[0].path)
    count = named.get("count", {}).get("valueInteger", _COUNT)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise problem(400, "The parameter 'count' must be a whole number above zero, as valueInteger.")
    only = named.get("onlyCertainMatches", {}).get("valueBoolean", False)
    return patient, only is True, min(count, _MOST)
