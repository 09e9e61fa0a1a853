"""From a C-CDA document to resources ready to file, on top of what the record says now. Pure.

A document is not all or nothing: what of it is broken is a problem with its place, and the rest is filed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from charthouse.exchange.cda.api import (
    MEDIA_TYPES,
    CdaError,
    Converted,
    Tree,
    entries_to_fhir,
    is_cda_content,
    subject_of,
    to_fhir,
)
from charthouse.foundation.base64 import from_base64

from .desk import NOBODY, Desk, Key, Made, apply_draft, minter
from .fhir_plan import Problem
from .sender import Sender

#: Problems told of one document; the report of its sections names them all.
_MOST = 20


@dataclass(slots=True)
class CdaRead:
    """One document converted, with what of it is broken; without a conversion, why there is none."""

    converted: Converted | None = None
    problems: list[Problem] = field(default_factory=list)


def read(data: bytes, sender: Sender, tree: Tree | None = None, renamed: Mapping[str, str] = NOBODY) -> CdaRead:
    """Convert one document; what cannot be is a problem with its place, never an exception. ``tree`` is the
    document where it was parsed already, ``renamed`` the patients whom it means by a number that is another's."""
    try:
        converted = to_fhir(data, zone=sender.zone, mint=minter(sender.name, renamed), tree=tree)
    except CdaError as error:
        return CdaRead(problems=[Problem(1, "not-cda", str(error), "")])
    problems = [Problem(1, "section", reason, place) for place, reason in converted.faults[:_MOST]]
    return CdaRead(converted, problems)


def wanted(converted: Converted) -> Iterable[Key]:
    """The resources whose present state the document builds on."""
    for draft in converted.drafts:
        if draft.mode != "snapshot" or draft.type == "DocumentReference":
            yield (draft.type, draft.id)


def dated(converted: Converted) -> Iterable[Key]:
    """What an older document says no more of than is known already: all but the document, and what is shared."""
    for draft in converted.drafts:
        if draft.type != "DocumentReference" and not draft.directory:
            yield (draft.type, draft.id)


def apply(converted: Converted, desk: Desk, told: MutableMapping[Key, datetime]) -> Made:
    """Make the filings of one document; ``desk`` is changed as the record will be.

    ``told`` is when the document was written that said what something is now. What a later one has said, an older
    one that comes after it does not change.
    """
    made = Made()
    now = converted.occurred
    items = set(dated(converted))
    for draft in converted.drafts:
        key = (draft.type, draft.id)
        if key in items and now is not None:
            if (later := told.get(key)) is not None and later > now:
                continue
            told[key] = now
        if draft.type == "DocumentReference" and draft.mode == "snapshot":
            before = desk.get(key)
            if before and before.get("status") == "superseded":
                # What replaced it came first.
                draft = replace(draft, resource={**draft.resource, "status": "superseded"})
        apply_draft(made, desk, draft)
    return made


@dataclass(frozen=True, slots=True)
class Within:
    """A C-CDA document that came as attachment of a message's DocumentReference: where, and whose it is. Without
    data where its base64 is none."""

    place: str
    seq: int
    patient: str
    data: bytes | None


def documents_in(resource: Mapping[str, Any], place: str, seq: int) -> Iterator[Within]:
    """The C-CDA documents among the attachments of a DocumentReference that stands."""
    subject = (resource.get("subject") or {}).get("reference")
    if not isinstance(subject, str) or resource.get("status") != "current":
        return
    for content in resource.get("content") or ():
        attachment = content.get("attachment") if isinstance(content, dict) else None
        kind = attachment.get("contentType") if isinstance(attachment, dict) else None
        data = attachment.get("data") if isinstance(attachment, dict) else None
        if (
            isinstance(kind, str)
            and isinstance(data, str)
            and kind.partition(";")[0].strip().lower() in MEDIA_TYPES
        ):
            try:
                body = from_base64(data)
            except ValueError:
                yield Within(place, seq, subject, None)
                continue
            if is_cda_content(kind, body):
                yield Within(place, seq, subject, body)


def read_within(found: Within, sender: Sender, patient: Mapping[str, Any] | None) -> CdaRead:
    """Convert a document that came within a message, for the message's patient. One that is about somebody else is
    a problem, and stays a document alone."""
    if found.data is None:
        reason = "The base64 of the document cannot be decoded; nothing of it is filed as data."
        return CdaRead(problems=[Problem(found.seq, "not-cda", reason, found.place)])
    try:
        families, born = subject_of(found.data, sender.zone)
        if patient is not None and not _is(patient, families, born):
            reason = "The document is about another person than the message; nothing of it is filed as data."
            return CdaRead(problems=[Problem(found.seq, "document-patient", reason, found.place)])
        converted = entries_to_fhir(
            found.data, zone=sender.zone, mint=minter(sender.name), patient=found.patient,
            patient_key=found.patient.removeprefix("Patient/"), within=found.place,
        )  # fmt: skip
    except CdaError as error:
        return CdaRead(problems=[Problem(found.seq, "not-cda", str(error), found.place)])
    problems = [Problem(found.seq, "section", reason, place) for place, reason in converted.faults[:_MOST]]
    return CdaRead(converted, problems)


def _is(patient: Mapping[str, Any], families: frozenset[str], born: str) -> bool:
    """Whether a Patient may be the one a document is about: nothing that both say differs."""
    known = {
        str(each.get("family") or each.get("text") or "").upper().strip()
        for each in patient.get("name") or ()
        if isinstance(each, dict)
    } - {""}
    day = str(patient.get("birthDate") or "")
    if families and known and families.isdisjoint(known):
        return False
    return not (born and day) or born.startswith(day) or day.startswith(born)
