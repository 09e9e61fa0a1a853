"""Sending a chart to somebody outside as a C-CDA document: a CCD, or the discharge summary of an encounter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from charthouse.configuration import configuration
from charthouse.exchange.cda.api import Contents, DocumentKind, Keeper, write
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Label, require
from charthouse.foundation.disclosure.api import How, Recipient, needs_own_permission, record_disclosures
from charthouse.foundation.ids import new_id
from charthouse.foundation.ledger import api as ledger
from charthouse.identity import api as identity
from charthouse.people.api import organization_name
from charthouse.record import api as record
from charthouse.record.chart import Document, Part, PartKind
from charthouse.web import narrative, printing
from charthouse.web.permissions import EXPORT_CHART, READ_CHART

from .printed import Outside, by_patient, letterhead

Json = dict[str, Any]

#: What may stand in a document.
_TYPES = (
    "AllergyIntolerance", "Appointment", "Condition", "Coverage", "DiagnosticReport", "Encounter", "Immunization",
    "MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement", "Observation",
    "Procedure",
)  # fmt: skip
_SPACE = UUID("0b6a5a3e-37f1-5f6d-8d8e-3d3a6c0f6f52")
_DISCHARGE_SUMMARIES = frozenset({"18842-5", "DS"})
TITLES = {DocumentKind.CCD: "Continuity of care document", DocumentKind.DISCHARGE_SUMMARY: "Discharge summary"}


class NothingToSend(Exception):
    """There is no such chart or encounter, or nothing of it may be sent; the message says so."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A document made to be sent: its bytes, its own id, how many items are in it, and the disclosures written."""

    content: bytes
    id: UUID
    items: int
    disclosures: tuple[int, ...]


def export_document(
    ctx: AccessContext, person: UUID, kind: DocumentKind, outside: Outside, encounter: str = ""
) -> Sent:
    """Make a document for somebody outside, and note the disclosure. ``encounter`` is the public id of the one that
    a discharge summary is of.

    What needs an authorization or consent of its own is left out. Raises NothingToSend, PermissionRefused.
    """
    require(ctx, READ_CHART)
    require(ctx, EXPORT_CHART)
    ctx = replace(ctx, clearance=ctx.clearance & ~needs_own_permission())
    contents, course = _contents(ctx, person, kind, encounter)
    document_id = new_id()
    now = clock.now().astimezone(ZoneInfo(configuration().time_zone))
    written = write(
        kind, contents, _keeper(ctx), id=str(document_id), at=now, by=ctx.name, recipient=outside.recipient
    )
    keys = dict.fromkeys([*written.items, *_keys(course)])
    items = by_patient(ctx, person, list(keys))
    with transaction.atomic():
        to = ctx.for_purpose(outside.purpose)
        disclosures = record_disclosures(
            to,
            recipient=Recipient(outside.recipient, outside.address),
            purpose=outside.purpose,
            items_by_patient=items,
            how=How.EXPORT,
            description=TITLES[kind],
        )
        ledger.append(
            to,
            "chart.export",
            subjects=[ledger.Subject("person", str(person))],
            detail={
                "kind": kind.value,
                "document": str(document_id),
                "items": len(keys),
                "disclosures": list(disclosures),
            },
        )
    return Sent(written.content, document_id, len(keys), tuple(disclosures))


def _contents(
    ctx: AccessContext, person: UUID, kind: DocumentKind, encounter: str
) -> tuple[Contents, Document | None]:
    """What is written, and the document whose text is the hospital course."""
    sources = identity.sources_of(ctx, person)
    patients = identity.patients_of(ctx, person)
    with connection.cursor() as cursor:
        lead = record.current(cursor, ctx, [("Patient", sources[0].public_id)]) if sources else {}
        if not lead:
            raise NothingToSend("There is no such chart, or it is not open to you.")
        found = record.of_patients(cursor, ctx, patients, _TYPES)
        patient = _parsed(next(iter(lead.values())).content)
        resources = _named(cursor, ctx, [_parsed(each.content) for each in found])
    labels = Label.NONE
    for each in [*found, *lead.values()]:
        labels |= Label(each.labels)
    if kind is DocumentKind.CCD:
        return Contents(patient, resources, restricted=_confidentiality(labels)), None
    stay = next(
        (each for each in resources if each["resourceType"] == "Encounter" and each["id"] == encounter), None
    )
    if stay is None:
        raise NothingToSend("The chart has no such encounter, or it is not open to you.")
    of_stay = [each for each in resources if _belongs(each, stay)]
    course = _course(ctx, patients, encounter)
    for document in _with_added(course):
        labels |= Label(document.labels)
    return Contents(patient, of_stay, stay, _told(course) if course else "", _confidentiality(labels)), course


def _confidentiality(labels: Label) -> str:
    """HL7's code of what is restricted; empty for what is not."""
    return "V" if labels & Label.VERY_RESTRICTED else "R" if labels & Label.RESTRICTED else ""


def _parsed(content: bytes) -> Json:
    """A resource with its decimals as they were written."""
    parsed: Json = json.loads(content, parse_float=Decimal)
    return parsed


def _named(cursor: Any, ctx: AccessContext, resources: Sequence[Json]) -> list[Json]:
    """The resources with a Medication they only point at written out."""
    pointed = {
        reference.partition("/")[2]
        for each in resources
        if (reference := str((each.get("medicationReference") or {}).get("reference") or "")).startswith(
            "Medication/"
        )
    }
    known = record.current(cursor, ctx, (("Medication", each) for each in sorted(pointed)))
    for each in resources:
        reference = str((each.get("medicationReference") or {}).get("reference") or "")
        stored = known.get(("Medication", reference.partition("/")[2]))
        if stored is not None and stored.resource.get("code"):
            each["medicationCodeableConcept"] = stored.resource["code"]
    return list(resources)


#: What is the patient's as long as they live, whatever the stay.
_LASTING = frozenset({"AllergyIntolerance", "Immunization", "Coverage"})


def _belongs(resource: Json, stay: Json) -> bool:
    """Whether a resource goes into the summary of a stay: what lasts, what is of the stay, and what is to come."""
    kind = resource["resourceType"]
    if kind in _LASTING or resource is stay:
        return True
    if kind == "Condition" and not (resource.get("encounter") or {}).get("reference"):
        return True
    own = f"Encounter/{stay['id']}"
    if str((resource.get("encounter") or resource.get("context") or {}).get("reference")) == own:
        return True
    if kind == "Condition":
        return any(
            str((each.get("condition") or {}).get("reference")) == f"Condition/{resource['id']}"
            for each in stay.get("diagnosis") or ()
            if isinstance(each, dict)
        )
    if kind == "Appointment":
        left = str((stay.get("period") or {}).get("end") or "")
        return bool(left) and str(resource.get("start") or "")[:10] >= left[:10]
    return False


def _course(ctx: AccessContext, patients: Sequence[int], encounter: str) -> Document | None:
    """The stay's own discharge summary, the newest that has a text; None where none was written. What was added to
    it is no summary of its own."""
    cursor: str | None = None
    while True:
        page = record.documents(ctx, patients, cursor)
        for row in page.rows:
            summary = row.code is not None and row.code.value in _DISCHARGE_SUMMARIES
            if summary and row.encounter == encounter and row.added_as is None:
                document = record.document(ctx, patients, row.type, row.id)
                if document is not None and _text(document).strip():
                    return document
        cursor = page.next
        if cursor is None:
            return None


def _with_added(document: Document | None) -> list[Document]:
    """A document and everything that was added to it."""
    if document is None:
        return []
    return [document, *(each for added in document.added for each in _with_added(added))]


def _keys(document: Document | None) -> list[tuple[str, str]]:
    return [(each.type, each.id) for each in _with_added(document)]


def _told(document: Document) -> str:
    """What a document says, with its mark before it, and after it what was added, with whose it is and of when."""
    mark = printing.mark(document.mark)
    told = [f"{mark}.", _text(document)] if mark else [_text(document)]
    for added in _with_added(document)[1:]:
        kind = added.added_as.words if added.added_as else "Addition"
        about = (kind, printing.mark(added.mark).lower(), printing.fhir_date(added.authored.text), added.author)
        told += [f"{', '.join(filter(None, about))}:", _text(added)]
    return "\n".join(told)


def _text(document: Document) -> str:
    """The text of a document; of a C-CDA the section that tells the hospital course, where it has one."""
    course = [part for part in document.parts if "hospital course" in part.title.casefold()]
    return "\n".join(filter(None, map(_words, course or document.parts)))


def _words(part: Part) -> str:
    if part.kind is PartKind.HTML:
        return narrative.text_of(part.text)
    return part.text if part.kind is PartKind.TEXT else ""


def _keeper(ctx: AccessContext) -> Keeper:
    head = letterhead(ctx)
    organization = organization_name()
    return Keeper(organization, str(uuid5(_SPACE, organization)), head.address, head.phone)
