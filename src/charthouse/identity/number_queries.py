"""Reads of the numbers of a source patient: as they are, and what was corrected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from charthouse.foundation.access.api import AccessContext, require
from charthouse.record.api import versions

from .domain.corrections import Correction, corrected
from .models import NumberCorrection
from .permissions import SEE_PERSON
from .queries import SourcePatient


@dataclass(frozen=True, slots=True)
class NumberLine:
    """A number of a patient: who assigned it (a URI), of which kind (HL7 table 0203), from when until when; whether
    it was corrected here."""

    system: str
    value: str
    kind: str
    start: str
    end: str
    old: bool
    corrected: bool


@dataclass(frozen=True, slots=True)
class CorrectionLine:
    """What somebody did about a number: ended it, replaced it, or took that back."""

    kind: str
    system: str
    value: str
    replaced_by: str
    day: date
    actor: str
    reason: str
    at: datetime


def corrections_of(patients: Iterable[int]) -> dict[int, list[Correction]]:
    """The corrections in force of each patient that has any: the last word on each number."""
    found: dict[int, list[Correction]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, system, value, replaced_by, day FROM (SELECT DISTINCT ON (patient, system, value) *"
            " FROM identity_number_correction WHERE patient = ANY(%s)"
            " ORDER BY patient, system, value, id DESC) AS last WHERE kind <> 'restored' ORDER BY id",
            [list(patients)],
        )
        for patient, *values in cursor.fetchall():
            found.setdefault(patient, []).append(Correction(*values))
    return found


def with_corrected_numbers(patients: Mapping[int, Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Of FHIR Patients by row, those whose numbers somebody corrected, as they are with the corrections."""
    return {row: corrected(patients[row], found) for row, found in corrections_of(patients).items()}


def numbers_of(ctx: AccessContext, source: SourcePatient) -> tuple[list[NumberLine], list[CorrectionLine]]:
    """The numbers of a source patient the asker may see, and what was done about them, newest first. Raises
    PermissionRefused."""
    require(ctx, SEE_PERSON)
    with connection.cursor() as cursor:
        stored = versions(cursor, ctx, "Patient", source.public_id)
    listed = stored[0].resource.get("identifier") or () if stored else ()
    ours = {(each.system, each.value) for each in corrections_of([source.patient]).get(source.patient, ())}
    numbers = []
    for each in listed:
        if isinstance(each, dict) and each.get("value"):
            period: dict[str, Any] = each["period"] if isinstance(each.get("period"), dict) else {}
            coding = ((each.get("type") or {}).get("coding") or [{}])[0]
            key = (str(each.get("system") or ""), str(each["value"]))
            numbers.append(
                NumberLine(
                    *key,
                    kind=str(coding.get("code") or ""),
                    start=str(period.get("start") or ""),
                    end=str(period.get("end") or ""),
                    old=each.get("use") == "old",
                    corrected=key in ours,
                )
            )
    past = [
        CorrectionLine(
            each.kind, each.system, each.value, each.replaced_by, each.day, each.actor, each.reason, each.at
        )
        for each in NumberCorrection.objects.filter(patient=source.patient).order_by("-id")
    ]
    return numbers, past
