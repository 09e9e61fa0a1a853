"""What a chart's screens read: one function a section, each for all source patients of one person.

Every function takes the asker's AccessContext and leaves out what its labels forbid. The indexes behind them are
(patient, type, main date) and the primary keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from django.db import connection

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import today
from charthouse.foundation.files.api import read as read_file

from . import chart
from .charting import clinical
from .charting import documents as document_rows
from .charting.elements import code, concept, first_when, status_code
from .charting.encounters import encounters as encounter_rows
from .charting.item import Item, item_of
from .charting.results import results_of
from .charting.summary import summary
from .domain.attachments import attachments_of, binary_id, decoded
from .domain.documents import added_to, related_to
from .domain.filing import STATE_NUMBER, State
from .domain.types import TYPE_ID, TYPE_NAME
from .queries import STORED, Stored, current, cursor_of, of_patients, place_of, seen_of, stored_from, versions
from .scans import machine_text
from .signature_queries import additions, colleagues, corrections_of, relating, signatures_of

Patients = Sequence[int]

_DOCUMENTS = ("DocumentReference", "Composition", "DiagnosticReport", "Media")
_PRESCRIBED = ("MedicationRequest", "MedicationStatement")
_MEDICATIONS = (*_PRESCRIBED, "MedicationDispense", "MedicationAdministration")
_SECTIONS: dict[str, tuple[str, ...]] = {
    "encounters": ("Encounter",),
    "documents": ("DocumentReference", "Composition", "Media"),
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


#: Rows of a page, and resources read at once for an export.
_PAGE = 100
_EXPORTED = 500


def _items(ctx: AccessContext, patients: Patients, kinds: Sequence[str], limit: int | None = None) -> list[Item]:
    with connection.cursor() as cursor:
        return [item_of(each) for each in of_patients(cursor, ctx, patients, kinds, limit=limit)]


def _page(
    ctx: AccessContext, patients: Patients, kinds: Sequence[str], after: str | None
) -> tuple[list[Item], str | None]:
    """The newest items after the cursor, and the cursor of the next page."""
    with connection.cursor() as cursor:
        found = of_patients(cursor, ctx, patients, kinds, limit=_PAGE + 1, after=place_of(after))
    more = len(found) > _PAGE
    found = found[:_PAGE]
    return [item_of(each) for each in found], cursor_of(found[-1]) if more else None


def chart_summary(
    ctx: AccessContext, patients: Patients, shown: Mapping[str, int] | None = None
) -> chart.ChartSummary:
    """The banner of the chart; the first of ``patients`` leads, but for fields of which ``shown`` names another.
    Raises LookupError where no patient may be seen."""
    with connection.cursor() as cursor:
        stored = of_patients(cursor, ctx, patients, ["Patient"])
    if not stored:
        raise LookupError("No patient of this chart may be seen.")
    found = [item_of(each) for each in sorted(stored, key=lambda each: patients.index(each.row))]
    carried = _items(ctx, patients, ["AllergyIntolerance", "Flag", "RelatedPerson"])
    ids = {each.row: each.public_id for each in stored}
    chosen = {field: ids[row] for field, row in (shown or {}).items() if row in ids}
    return summary(found, carried, today(configuration().time_zone), _counts(ctx, patients), chosen)


def _counts(ctx: AccessContext, patients: Patients) -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT type, count(*) FROM record_resource "
            "WHERE patient = ANY(%s) AND state = 0 AND labels & %s = 0 GROUP BY type",
            [list(patients), ~int(ctx.clearance)],
        )
        by_type = {TYPE_NAME[number]: count for number, count in cursor.fetchall()}
    return Counter({section: sum(by_type.get(kind, 0) for kind in kinds) for section, kinds in _SECTIONS.items()})


def encounters(ctx: AccessContext, patients: Patients, cursor: str | None = None) -> chart.Page[chart.Encounter]:
    """Encounters, newest first."""
    found, more = _page(ctx, patients, ["Encounter"], cursor)
    return chart.Page(tuple(encounter_rows(found)), more)


def documents(ctx: AccessContext, patients: Patients, cursor: str | None = None) -> chart.Page[chart.DocumentEntry]:
    """The list of documents, newest first; each says how many were added to it."""
    found, more = _page(ctx, patients, _DOCUMENTS, cursor)
    listed = document_rows.entries(found)
    with connection.cursor() as db:
        added = additions(db, ctx, patients, [f"{row.type}/{row.id}" for row in listed])
    rows = [
        replace(row, additions=len(added[key])) if (key := f"{row.type}/{row.id}") in added else row
        for row in listed
    ]
    return chart.Page(tuple(rows), more)


def document(
    ctx: AccessContext, patients: Patients, type: str, id: str, version: int | None = None
) -> chart.Document | None:
    """One document of this chart with its contents, as it stands or as an earlier ``version`` of it read.

    Who signed it, what was added to it and corrected of it come with it. None where there is none or it may not be
    seen.
    """
    stored = _one(ctx, patients, type, id)
    if stored is None:
        return None
    newest = stored.version
    earlier = _earlier(ctx, stored, version)
    if earlier is None:
        return None
    stored = earlier
    with connection.cursor() as cursor:
        return _whole(cursor, ctx, patients, stored, newest, {stored.row})


def _earlier(ctx: AccessContext, stored: Stored, version: int | None) -> Stored | None:
    """Another version of a resource, as far as the asker may see it; the same for none and for its own."""
    if version is None or version == stored.version:
        return stored
    with connection.cursor() as cursor:
        listed = versions(cursor, ctx, stored.type, stored.public_id)
    return next((each for each in listed if each.version == version), None)


def _whole(
    cursor: Any, ctx: AccessContext, patients: Patients, stored: Stored, newest: int, seen: set[int]
) -> chart.Document:
    """A document with all that belongs to it. ``seen`` are the rows above it, so that a circle ends."""
    cursor.execute(
        "SELECT public_id, media_type, size FROM record_attachment WHERE type = %s AND resource = %s",
        [TYPE_ID[stored.type], stored.row],
    )
    sizes = {number: (media_type, size) for number, media_type, size in cursor.fetchall()}
    key = f"{stored.type}/{stored.public_id}"
    named = ("Encounter", document_rows.entry(item_of(stored)).encounter)
    visit = current(cursor, ctx, [named]).get(named) if named[1] else None
    related = relating(cursor, ctx, patients, [key])
    added = [each for each in related if key in added_to(each.resource)]
    replaced = [each for each in related if key in related_to(each.resource, "replaces")]
    whole = _with_machine_text(
        document_rows.document(
            item_of(stored), sizes, lambda place: _content(stored, place), colleagues(stored.resource)
        ),
        stored,
    )
    return replace(
        whole,
        signatures=tuple(signatures_of(cursor, stored.type, stored.row, stored.version)),
        corrections=tuple(corrections_of(cursor, stored.type, stored.row)),
        added=tuple(
            _whole(cursor, ctx, patients, each, each.version, {*seen, each.row})
            for each in added
            if each.row not in seen
        ),
        additions=len(added),
        relations=(*whole.relations, *(("replaced by", each.type, each.public_id) for each in replaced)),
        visit=encounter_rows([item_of(visit)])[0] if visit is not None and visit.patient in patients else None,
        seen=seen_of(stored),
        versions=newest,
    )


def export(ctx: AccessContext, patients: Patients) -> Iterator[Stored]:
    """Everything a chart holds as FHIR, what was retracted among it, marked so, in the order of its rows.

    Status, relatesTo and Provenance tell what was signed, added and corrected. What its sender deleted is left out.
    """
    after = (0, 0)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {STORED} FROM record_resource r JOIN record_version v "  # noqa: S608 (fixed words)
                "ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
                "WHERE r.patient = ANY(%s) AND r.state <> %s AND r.labels & %s = 0 AND (r.type, r.id) > (%s, %s) "
                "ORDER BY r.type, r.id LIMIT %s",
                [list(patients), STATE_NUMBER[State.DELETED], ~int(ctx.clearance), *after, _EXPORTED],
            )
            found = [stored_from(each) for each in cursor.fetchall()]
        yield from found
        if len(found) < _EXPORTED:
            return
        after = (TYPE_ID[found[-1].type], found[-1].row)


def files_of(ctx: AccessContext, patients: Patients, stored: Stored) -> list[chart.DocumentFile]:
    """The files of an exported item that are kept apart, each under the id by which its attachment names it."""
    found = []
    for place, attachment in enumerate(attachments_of(stored.resource)):
        number = binary_id(attachment)
        if number and "data" not in attachment and stored.patient in patients and ctx.sees(stored.labels):
            content = _content(stored, place)
            if content is not None:
                media_type = str(attachment.get("contentType") or "application/octet-stream")
                found.append(chart.DocumentFile(number, media_type, content))
    return found


def _with_machine_text(document: chart.Document, stored: Stored) -> chart.Document:
    known = machine_text(TYPE_ID[stored.type], stored.row, stored.version)
    if not known:
        return document
    parts = []
    for part in document.parts:
        text, engine = known.get(part.file, ("", "")) if part.file is not None else ("", "")
        parts.append(replace(part, machine=text, engine=engine) if text else part)
    return replace(document, parts=tuple(parts))


def document_versions(ctx: AccessContext, patients: Patients, type: str, id: str) -> list[int]:
    """The numbers of the versions of one document of this chart that may be seen, oldest first; none where the
    document may not."""
    if _one(ctx, patients, type, id) is None:
        return []
    with connection.cursor() as cursor:
        return sorted(each.version for each in versions(cursor, ctx, type, id))


def document_file(
    ctx: AccessContext, patients: Patients, type: str, id: str, file: int, version: int | None = None
) -> chart.DocumentFile | None:
    """The bytes of a document's part, from the resource or the file store; of an earlier ``version`` as it was."""
    newest = _one(ctx, patients, type, id)
    stored = _earlier(ctx, newest, version) if newest is not None else None
    if stored is None:
        return None
    parts = list(attachments_of(stored.resource))
    if not 0 <= file < len(parts):
        return None
    media_type = str(parts[file].get("contentType") or "application/octet-stream")
    content = _content(stored, file)
    return chart.DocumentFile(f"{type}-{id}-{file}", media_type, content) if content is not None else None


def _content(stored: Stored, place: int) -> bytes | None:
    """The bytes of a resource's attachment; None where it points elsewhere."""
    attachment = list(attachments_of(stored.resource))[place]
    if "data" in attachment:
        return decoded(attachment["data"])
    with connection.cursor() as cursor:
        # A version that repeats an attachment by its address only has it from an earlier one.
        cursor.execute(
            "SELECT file FROM record_attachment WHERE type = %s AND resource = %s AND version <= %s "
            "AND (public_id = %s OR version = %s AND place = %s) ORDER BY version DESC LIMIT 1",
            [TYPE_ID[stored.type], stored.row, stored.version, binary_id(attachment), stored.version, place],
        )
        found = cursor.fetchone()
    return read_file(found[0]) if found else None


def _one(ctx: AccessContext, patients: Patients, kind: str, public_id: str) -> Stored | None:
    """A resource of this chart, or None."""
    if kind not in TYPE_ID:
        return None
    with connection.cursor() as cursor:
        stored = current(cursor, ctx, [(kind, public_id)]).get((kind, public_id))
    return stored if stored is not None and stored.patient in patients else None


def problems(ctx: AccessContext, patients: Patients, cursor: str | None = None) -> chart.Page[chart.Problem]:
    """Conditions, newest first."""
    found, more = _page(ctx, patients, ["Condition"], cursor)
    return chart.Page(tuple(clinical.problems(found)), more)


def active_problems(ctx: AccessContext, patients: Patients) -> list[chart.Problem]:
    """What the patient has now, newest first, however old. What several messages say of one code (or, without one,
    in the same words) stands once: confirmed before provisional, the newest before older ones."""
    return clinical.once(row for row in _all(lambda cursor: problems(ctx, patients, cursor)) if row.active)


def active_medications(ctx: AccessContext, patients: Patients) -> list[chart.Medication]:
    """Orders and statements in force, newest first, however old."""
    pages = _all(lambda cursor: _medications(ctx, patients, _PRESCRIBED, cursor))
    return [row for row in pages if row.status == "active"]


def every(
    section: Callable[[AccessContext, Patients, str | None], chart.Page[chart.R]],
    ctx: AccessContext,
    patients: Patients,
) -> list[chart.R]:
    """A section that is read page by page (``record.encounters`` for one), whole."""
    return list(_all(lambda cursor: section(ctx, patients, cursor)))


def _all(page: Callable[[str | None], chart.Page[chart.R]]) -> Iterator[chart.R]:
    """The rows of all pages."""
    cursor = None
    while True:
        found = page(cursor)
        yield from found.rows
        if found.next is None:
            return
        cursor = found.next


def medications(ctx: AccessContext, patients: Patients, cursor: str | None = None) -> chart.Page[chart.Medication]:
    """Orders, statements, dispensings and administrations, newest first."""
    return _medications(ctx, patients, _MEDICATIONS, cursor)


def _medications(
    ctx: AccessContext, patients: Patients, types: Sequence[str], cursor: str | None
) -> chart.Page[chart.Medication]:
    found, more = _page(ctx, patients, types, cursor)
    pointed = {
        str((each.resource.get("medicationReference") or {}).get("reference") or "").partition("/")[2]
        for each in found
    } - {""}
    with connection.cursor() as db:
        named = current(db, ctx, (("Medication", each) for each in sorted(pointed)))
    names = {f"Medication/{key[1]}": concept(stored.resource.get("code")) for key, stored in named.items()}
    return chart.Page(tuple(clinical.medications(found, names)), more)


def allergies(ctx: AccessContext, patients: Patients, cursor: str | None = None) -> chart.Page[chart.Allergy]:
    """Allergies and intolerances, the critical first."""
    found, more = _page(ctx, patients, ["AllergyIntolerance"], cursor)
    return chart.Page(tuple(clinical.allergies(found)), more)


def immunizations(
    ctx: AccessContext, patients: Patients, cursor: str | None = None
) -> chart.Page[chart.Immunization]:
    """Immunizations, newest first."""
    found, more = _page(ctx, patients, ["Immunization"], cursor)
    return chart.Page(tuple(clinical.immunizations(found)), more)


def procedures(ctx: AccessContext, patients: Patients, cursor: str | None = None) -> chart.Page[chart.Procedure]:
    """Procedures, newest first."""
    found, more = _page(ctx, patients, ["Procedure"], cursor)
    return chart.Page(tuple(clinical.procedures(found)), more)


def appointments(
    ctx: AccessContext, patients: Patients, cursor: str | None = None
) -> chart.Page[chart.Appointment]:
    """Appointments, newest first."""
    found, more = _page(ctx, patients, ["Appointment"], cursor)
    return chart.Page(tuple(clinical.appointments(found)), more)


def coverage(ctx: AccessContext, patients: Patients, cursor: str | None = None) -> chart.Page[chart.Coverage]:
    """Coverage, the primary first."""
    found, more = _page(ctx, patients, ["Coverage"], cursor)
    return chart.Page(tuple(clinical.coverages(found)), more)


def resource(ctx: AccessContext, patients: Patients, type: str, id: str) -> chart.ResourceView | None:
    """Any single item of this chart, whole; None where there is none or it may not be seen."""
    stored = _one(ctx, patients, type, id)
    return _view(stored) if stored is not None else None


def resource_versions(ctx: AccessContext, patients: Patients, type: str, id: str) -> dict[int, chart.ResourceView]:
    """The versions of one item of this chart that may be seen, by number; none where the item may not."""
    if _one(ctx, patients, type, id) is None:
        return {}
    with connection.cursor() as cursor:
        found = versions(cursor, ctx, type, id)
    return {each.version: _view(each) for each in found}


#: The elements that say when an item of any type is of, the first that does counts.
_WHENS = (
    "effectiveDateTime", "effectivePeriod", "period", "date", "authoredOn", "occurrenceDateTime",
    "occurrencePeriod", "performedDateTime", "performedPeriod", "onsetDateTime", "onsetPeriod", "whenHandedOver",
    "start", "recordedDate", "issued", "created",
)  # fmt: skip


def _view(stored: Stored) -> chart.ResourceView:
    item = item_of(stored)
    r = item.resource
    return chart.ResourceView(
        **item.row(),
        title=concept(r.get("code") or r.get("type") or r.get("vaccineCode")) or stored.type,
        status=str(r.get("status") or "") or status_code(r.get("clinicalStatus")),
        when=first_when(r, *_WHENS),
        code=code(r.get("code")),
        source=msgspec.json.format(stored.content, indent=2).decode(),
        results=tuple(results_of(item)) if stored.type == "Observation" else (),
    )
