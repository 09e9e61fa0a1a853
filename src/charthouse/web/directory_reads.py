"""What the record holds about a practitioner: how often named, in which services, and from whom."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.people.api import DirectoryRow
from charthouse.record import api as record

__all__ = ["named_in", "senders", "services"]

#: What names a practitioner: the resource type, its search parameter, and its title.
_NAMED_IN = (
    ("Encounter", "participant", "Encounters"),
    ("Observation", "performer", "Observations"),
    ("DiagnosticReport", "performer", "Reports"),
    ("DocumentReference", "author", "Documents"),
    ("ServiceRequest", "requester", "Orders"),
    ("Procedure", "performer", "Procedures"),
    ("MedicationRequest", "requester", "Medication orders"),
    ("Immunization", "performer", "Immunizations"),
    ("Appointment", "actor", "Appointments"),
)


def _targets(public_ids: tuple[str, ...]) -> str:
    return ",".join(f"Practitioner/{public_id}" for public_id in public_ids)


def named_in(ctx: AccessContext, public_ids: tuple[str, ...]) -> list[tuple[str, int]]:
    """How many records name the practitioner, by kind; exact up to a thousand of each, about right beyond."""
    counts = []
    for kind, parameter, title in _NAMED_IN:
        query = [(parameter, _targets(public_ids)), ("_total", "estimate"), ("_count", "1")]
        found = record.search(ctx, kind, query)
        if found.total and parameter not in {each.name for each in found.ignored}:
            counts.append((title, found.total))
    return counts


def services(ctx: AccessContext, public_ids: tuple[str, ...]) -> list[str]:
    """The roles, specialties and services that PractitionerRole resources give the practitioner."""
    page = record.search(ctx, "PractitionerRole", [("practitioner", _targets(public_ids))], count=50)
    said: dict[str, None] = {}
    for stored in page.rows:
        for concept in [*(stored.resource.get("code") or ()), *(stored.resource.get("specialty") or ())]:
            coding = (concept.get("coding") or [{}])[0]
            if words := concept.get("text") or coding.get("display") or coding.get("code"):
                said[str(words)] = None
        for service in stored.resource.get("healthcareService") or ():
            if words := service.get("display"):
                said[str(words)] = None
    return list(said)


def senders(rows: Iterable[DirectoryRow]) -> dict[str, str]:
    """The senders' names by their ids."""
    numbers = {int(row.source) for row in rows if row.source.isdigit()}
    with connection.cursor() as cursor:
        return {str(number): row.name for number, row in record.source_rows(cursor, numbers).items()}
