"""What the charts of two persons hold that speaks against their being one, gathered for the rules of a merge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection

from charthouse.exchange.fhir.api import instant_range
from charthouse.foundation.access.api import AccessContext, system_context
from charthouse.foundation.rulepacks.api import choices, parameter
from charthouse.record.api import of_patients

from .actions.telling_apart import told_apart
from .domain.merging import Evidence, Finding, Rules, Visit, findings
from .domain.traits import traits_from_json

#: What the banner shows of a person, each of one source patient.
SHOWN_FIELDS = ("name", "birth_date", "sex", "deceased", "address", "language")

CONTEXT = system_context("identity")
SEX = "identity.merge-sex"
_INPATIENT = {"IMP", "ACUTE", "NONAC"}
#: An encounter in one of these states was never, or is not yet.
_NOT_A_VISIT = {"planned", "cancelled", "entered-in-error"}
_PRESENT = {"arrived", "triaged", "in-progress", "onleave"}
_ICD10 = ("http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10")
_SNOMED = "http://snomed.info/sct"


def rules() -> Rules:
    """The rules of a merge with their numbers in force."""
    return Rules(
        apart="identity.merge-told-apart",
        deaths="identity.merge-two-deaths",
        beds="identity.merge-two-beds",
        admissions="identity.merge-overlapping-admissions",
        admission_hours=float(parameter("identity.merge-overlapping-admissions", "hours")),
        visits="identity.merge-concurrent-visits",
        visit_hours=float(parameter("identity.merge-concurrent-visits", "hours")),
        sex=SEX,
    )


def sees_all(ctx: AccessContext, persons: Sequence[UUID]) -> bool:
    """Whether the asker may see every source patient of the persons."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT EXISTS (SELECT FROM identity_source_patient WHERE person = ANY(%s) AND labels & %s <> 0)",
            [list(persons), ~int(ctx.clearance)],
        )
        return bool(cursor.fetchone()[0])


def merge_findings(one: Sequence[int], other: Sequence[int]) -> list[Finding]:
    """All that speaks against the persons of these source patients being one, whatever labels it has: the words
    name nothing of it."""
    return findings(_evidence(one), _evidence(other), len(told_apart(one, other)), rules())


def _evidence(patients: Sequence[int]) -> Evidence:
    with connection.cursor() as cursor:
        cursor.execute("SELECT traits::text FROM identity_traits WHERE patient = ANY(%s)", [list(patients)])
        traits = [traits_from_json(text) for (text,) in cursor.fetchall()]
        encounters = of_patients(cursor, CONTEXT, patients, ["Encounter"])
        clinical = of_patients(cursor, CONTEXT, patients, ["Condition", "Procedure"])
    visits = [found for each in encounters if (found := _visit(each.resource)) is not None]
    sexes = [_sex_of(each.resource) for each in clinical]
    return Evidence(traits, visits, female=sexes.count("F"), male=sexes.count("M"))


def _visit(encounter: dict[str, Any]) -> Visit | None:
    status, period = str(encounter.get("status") or ""), encounter.get("period")
    if status in _NOT_A_VISIT or not isinstance(period, dict):
        return None
    start, end = (instant_range(str(period.get(side) or "")) for side in ("start", "end"))
    if start is None:
        return None
    kind = encounter.get("class")
    place = encounter.get("serviceProvider")
    identifier = next((each for each in _dicts(encounter.get("identifier")) if each.get("value")), {})
    return Visit(
        start=start[0],
        end=end[0] if end else None,
        inpatient=isinstance(kind, dict) and kind.get("code") in _INPATIENT,
        present=status in _PRESENT and end is None,
        facility=str(place.get("reference") or "") if isinstance(place, dict) else "",
        number=f"{identifier.get('system', '')}|{identifier['value']}" if identifier else "",
    )


@lru_cache(maxsize=1)
def _of_one_sex() -> tuple[tuple[str, tuple[str, ...], frozenset[str]], ...]:
    """(sex, beginnings of ICD-10-CM codes, SNOMED CT codes)."""
    return tuple(
        (sex, tuple(choices(SEX, f"{word}_icd10")), frozenset(choices(SEX, f"{word}_snomed")))
        for sex, word in (("F", "female"), ("M", "male"))
    )


def _sex_of(resource: dict[str, Any]) -> str:
    """The one sex that a Condition or Procedure is of: F, M, or empty."""
    if resource.get("resourceType") == "Condition" and _refuted(resource):
        return ""
    code = resource.get("code")
    for coding in _dicts(code.get("coding") if isinstance(code, dict) else None):
        system, value = str(coding.get("system") or ""), str(coding.get("code") or "")
        for sex, beginnings, snomed in _of_one_sex():
            if (system in _ICD10 and value.upper().startswith(beginnings)) or (
                system == _SNOMED and value in snomed
            ):
                return sex
    return ""


def _refuted(condition: dict[str, Any]) -> bool:
    said = condition.get("verificationStatus")
    codes = {each.get("code") for each in _dicts(said.get("coding"))} if isinstance(said, dict) else set()
    return bool(codes & {"refuted", "entered-in-error", "differential"})


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
