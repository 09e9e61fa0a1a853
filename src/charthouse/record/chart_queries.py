"""What a chart's screens read: one function a section, each for all source patients of one person.

Every function takes the asker's AccessContext and leaves out what its labels forbid. The indexes behind them are
(patient, type, main date) and the primary keys.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence


import msgspec
from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import today
from charthouse.foundation.files.api import read as read_file

from . import chart
from .charting import clinical, documents, encounters, results
from .charting.elements import code, concept, first_when
from .charting.item import Item
from .charting.summary import summary
from .domain.attachments import attachments_of
from .domain.types import TYPE_ID, TYPE_NAME
from .queries import Stored, current, of_patients

Patients = Sequence[int]

_DOCUMENTS = ("DocumentReference", "Composition", "DiagnosticReport", "Media")
_MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")
_SECTIONS: dict[str, tuple[str, ...]] = {
    "encounters": ("Encounter",),
    "documents": ("DocumentReference", "Composition"),
    "results": ("DiagnosticReport",),
    "vitals": (),
    "problems": ("Condition",),
    "medications": _MEDICATIONS,
    "allergies": ("AllergyIntolerance",),
    "immunizations": ("Immunization",),
    "procedures": ("Procedure",),
    "appointments": ("Appointment",),
    "coverage": ("Coverage",),
}


def _items(ctx: AccessContext, patients: Patients, kinds: Sequence[str], limit: int | None = None) -> list[Item]:
    with connection.cursor() as cursor:
        return [_item(each) for each in of_patients(cursor, ctx, patients, kinds, limit=limit)]


def _item(stored: Stored) -> Item:
    return Item(stored.type, stored.public_id, stored.version, stored.labels, stored.content)


def chart_summary(ctx: AccessContext, patients: Patients, zone: str = "UTC") -> chart.ChartSummary | None:
    """The banner of the chart; None where no patient may be seen."""
    found = _items(ctx, patients, ["Patient"])
    if not found:
        return None
    carried = _items(ctx, patients, ["AllergyIntolerance", "Flag", "RelatedPerson"])
    return summary(found, carried, today(zone), _counts(ctx, patients))


def _counts(ctx: AccessContext, patients: Patients) -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT type, count(*) FROM record_resource "
            "WHERE patient = ANY(%s) AND state = 0 AND labels & %s = 0 GROUP BY type",
            [list(patients), ~int(ctx.clearance)],
        )
        by_type = {TYPE_NAME[number]: count for number, count in cursor.fetchall()}
    return Counter({section: sum(by_type.get(kind, 0) for kind in kinds) for section, kinds in _SECTIONS.items()})


def chart_encounters(ctx: AccessContext, patients: Patients) -> list[chart.Encounter]:
    """Encounters, newest first."""
    return encounters.encounters(_items(ctx, patients, ["Encounter"]))


def chart_documents(
    ctx: AccessContext, patients: Patients, wanted: chart.DocumentFilter | None = None
) -> list[chart.DocumentEntry]:
    """The list of documents, newest first."""
    rows = documents.entries(_items(ctx, patients, _DOCUMENTS))
    return [row for row in rows if _passes(row, wanted)] if wanted else rows


def _passes(row: chart.DocumentEntry, wanted: chart.DocumentFilter) -> bool:
    day = row.when.instant.date() if row.when.instant else None
    text = wanted.text.casefold()
    return (
        (not wanted.kind or row.title == wanted.kind)
        and (not wanted.encounter or row.encounter == wanted.encounter)
        and (not text or text in f"{row.title} {row.author} {row.service}".casefold())
        and (wanted.since is None or (day is not None and day >= wanted.since))
        and (wanted.until is None or (day is not None and day <= wanted.until))
    )


def chart_document(ctx: AccessContext, patients: Patients, kind: str, public_id: str) -> chart.Document | None:
    """One document of this chart with its contents; None where there is none or it may not be seen."""
    stored = _one(ctx, patients, kind, public_id)
    if stored is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT public_id, media_type, size FROM record_attachment WHERE type = %s AND resource = %s",
            [TYPE_ID[kind], stored.row],
        )
        sizes = {number: (media_type, size) for number, media_type, size in cursor.fetchall()}
    return documents.document(_item(stored), sizes)


def document_file(
    ctx: AccessContext, patients: Patients, kind: str, public_id: str, place: int
) -> chart.DocumentFile | None:
    """The bytes of a document's part, from the resource or the file store."""
    stored = _one(ctx, patients, kind, public_id)
    if stored is None:
        return None
    parts = list(attachments_of(stored.resource))
    if not 0 <= place < len(parts):
        return None
    attachment = parts[place]
    media_type = str(attachment.get("contentType") or "application/octet-stream")
    name = f"{kind}-{public_id}-{place}"
    if isinstance(attachment.get("data"), str):
        return chart.DocumentFile(name, media_type, base64.b64decode(attachment["data"]))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT file FROM record_attachment WHERE type = %s AND resource = %s AND place = %s "
            "ORDER BY version DESC LIMIT 1",
            [TYPE_ID[kind], stored.row, place],
        )
        found = cursor.fetchone()
    return chart.DocumentFile(name, media_type, read_file(found[0])) if found else None


def _one(ctx: AccessContext, patients: Patients, kind: str, public_id: str) -> Stored | None:
    """A resource of this chart, or None."""
    if kind not in TYPE_ID:
        return None
    with connection.cursor() as cursor:
        stored = current(cursor, ctx, [(kind, public_id)]).get((kind, public_id))
    return stored if stored is not None and stored.patient in patients else None


def chart_results(ctx: AccessContext, patients: Patients) -> list[chart.ResultPanel]:
    """Results by panel, newest first; vital signs have their own section."""
    observations = [each for each in _items(ctx, patients, ["Observation"]) if not results.is_vital(each)]
    reports = _items(ctx, patients, ["DiagnosticReport"])
    specimens = {f"Specimen/{each.id}": each for each in _items(ctx, patients, ["Specimen"])}
    return results.panels(reports, observations, specimens)


def chart_result_matrix(ctx: AccessContext, patients: Patients) -> chart.ResultMatrix:
    """Results by date: a row a test, a column a moment."""
    observations = [each for each in _items(ctx, patients, ["Observation"]) if not results.is_vital(each)]
    return results.matrix(row for each in observations for row in results.results_of(each))


def chart_vitals(ctx: AccessContext, patients: Patients) -> list[chart.VitalSeries]:
    """Vital signs over time."""
    return results.vital_series(
        each for each in _items(ctx, patients, ["Observation"]) if results.is_vital(each)
    )


def chart_problems(ctx: AccessContext, patients: Patients) -> list[chart.Problem]:
    """Conditions, newest first."""
    return clinical.problems(_items(ctx, patients, ["Condition"]))


def chart_medications(ctx: AccessContext, patients: Patients) -> list[chart.Medication]:
    """Orders, statements, dispensings and administrations, newest first."""
    found = _items(ctx, patients, _MEDICATIONS)
    pointed = {
        str((each.resource.get("medicationReference") or {}).get("reference") or "").partition("/")[2]
        for each in found
    } - {""}
    with connection.cursor() as cursor:
        named = current(cursor, ctx, (("Medication", each) for each in sorted(pointed)))
    names = {f"Medication/{key[1]}": concept(stored.resource.get("code")) for key, stored in named.items()}
    rows = clinical.medications(found, names)
    return sorted(rows, key=lambda row: (row.when.instant is not None, row.when.instant), reverse=True)


def chart_allergies(ctx: AccessContext, patients: Patients) -> list[chart.Allergy]:
    """Allergies and intolerances, the critical first."""
    return clinical.allergies(_items(ctx, patients, ["AllergyIntolerance"]))


def chart_immunizations(ctx: AccessContext, patients: Patients) -> list[chart.Immunization]:
    """Immunizations, newest first."""
    return clinical.immunizations(_items(ctx, patients, ["Immunization"]))


def chart_procedures(ctx: AccessContext, patients: Patients) -> list[chart.Procedure]:
    """Procedures, newest first."""
    return clinical.procedures(_items(ctx, patients, ["Procedure"]))


def chart_appointments(ctx: AccessContext, patients: Patients) -> list[chart.Appointment]:
    """Appointments, newest first."""
    return clinical.appointments(_items(ctx, patients, ["Appointment"]))


def chart_coverage(ctx: AccessContext, patients: Patients) -> list[chart.Coverage]:
    """Coverage, the primary first."""
    return clinical.coverages(_items(ctx, patients, ["Coverage"]))


def chart_resource(ctx: AccessContext, patients: Patients, kind: str, public_id: str) -> chart.ResourceView | None:
    """Any single item of this chart, whole; None where there is none or it may not be seen."""
    stored = _one(ctx, patients, kind, public_id)
    if stored is None:
        return None
    item = _item(stored)
    r = item.resource
    return chart.ResourceView(
        **item.row(),
        title=concept(r.get("code") or r.get("type") or r.get("vaccineCode")) or kind,
        status=str(r.get("status") or ""),
        when=first_when(
            r, "effectiveDateTime", "effectivePeriod", "period", "date", "authoredOn", "occurrenceDateTime", "start"
        ),
        code=code(r.get("code")),
        source=_indented(stored.content),
    )


def _indented(content: bytes) -> str:
    """JSON laid out for reading, every number as it was written."""


    return msgspec.json.format(content, indent=2).decode()


