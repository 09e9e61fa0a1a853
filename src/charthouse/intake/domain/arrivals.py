"""From bytes as they came to messages to keep. Pure; the senders' numbers are the caller's to look up."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from charthouse.exchange.cda.api import Head
from charthouse.exchange.fhir.api import Entry, Envelope, Form
from charthouse.exchange.hl7v2.api import Envelope as Hl7Envelope
from charthouse.foundation.ids import hash64
from charthouse.record.preparing import compress

from .arrival import Arrival, Connector, Format, OriginalPart
from .naming import storable

#: Lines of NDJSON that make one message.
LINES = 500

_PATIENT = re.compile(rb'"Patient/([A-Za-z0-9\-.]{1,64})"')
_PATIENT_TYPE = re.compile(rb'"resourceType"\s*:\s*"Patient"')
_ID = re.compile(rb'"id"\s*:\s*"([A-Za-z0-9\-.]{1,64})"')


def order_key(sender: str, patient: str) -> int:
    """The hash under which a patient's messages keep their order."""
    return hash64(f"{sender}|{patient}")


def sender_of(envelope: Hl7Envelope) -> str:
    """The sender's name, MSH-3 and MSH-4, as ``application|facility``."""
    return f"{envelope.sending_application}|{envelope.sending_facility}"[:200]


def hl7_arrival(
    data: bytes,
    envelope: Hl7Envelope | None,
    *,
    source: int,
    sender: str,
    connector: Connector,
    received_at: datetime,
    batch: str = "",
    corrects: int | None = None,
) -> Arrival:
    """One HL7 v2 message; ``envelope`` is None for bytes whose MSH cannot be read."""
    return Arrival(
        source=source,
        connector=connector,
        format=Format.HL7V2,
        kind=envelope.event if envelope else "unreadable",
        digest=hashlib.sha256(data).digest(),
        size=len(data),
        received_at=received_at,
        originals=(OriginalPart(1, len(data), compress(data)),),
        keys=tuple(order_key(sender, key) for key in envelope.order_keys) if envelope else (),
        control_id=envelope.control_id if envelope else "",
        batch=batch,
        corrects=corrects,
    )


def custodian_of(head: Head) -> str:
    """The sender's name where a document alone says who it is: who keeps it, as ``name|number``."""
    return head.custodian[:200] if head.custodian.strip("|") else "files"


def cda_arrival(
    data: bytes,
    head: Head,
    *,
    source: int,
    sender: str,
    connector: Connector,
    received_at: datetime,
    batch: str = "",
    corrects: int | None = None,
) -> Arrival:
    """One C-CDA document."""
    return Arrival(
        source=source,
        connector=connector,
        format=Format.CDA,
        kind=f"C-CDA {head.kind}"[:64],
        digest=hashlib.sha256(data).digest(),
        size=len(data),
        received_at=received_at,
        originals=(OriginalPart(1, len(data), compress(data)),),
        keys=tuple(sorted({order_key(sender, key) for key in head.patient_keys})),
        control_id=storable(head.number, 250),
        batch=batch,
        corrects=corrects,
    )


def fhir_arrival(
    entries: Iterable[Entry],
    envelope: Envelope | None,
    form: Form,
    *,
    source: int,
    sender: str,
    connector: Connector,
    received_at: datetime,
    batch: str = "",
    corrects: int | None = None,
) -> tuple[Arrival, list[Entry]]:
    """One FHIR bundle, resource or chunk of NDJSON lines, and its entries, which are gone through once. Seq 0 is
    the bundle's envelope; entries count from 1."""
    digest = hashlib.sha256(envelope.data if envelope else b"")
    parts = [OriginalPart(0, len(envelope.data), compress(envelope.data))] if envelope else []
    kept: list[Entry] = []
    names: set[str] = set()
    size = 0
    for entry in entries:
        original = entry.original
        kept.append(entry)
        digest.update(original)
        size += len(original)
        parts.append(OriginalPart(entry.index + 1, len(original), compress(original)))
        if b'"Patient' in entry.resource:
            names.update(_patients(entry))
    arrival = Arrival(
        source=source,
        connector=connector,
        format=Format.FHIR,
        kind=kind_of(envelope, form),
        digest=digest.digest(),
        size=size,
        received_at=received_at,
        originals=tuple(parts),
        keys=tuple(sorted(order_key(sender, name) for name in names if name)),
        control_id=(envelope.id or "") if envelope else "",
        batch=batch,
        corrects=corrects,
    )
    return arrival, kept


def kind_of(envelope: Envelope | None, form: Form) -> str:
    """What a FHIR message is called: "Bundle transaction", "NDJSON", "resource"."""
    if envelope is not None:
        return f"Bundle {envelope.type or 'untyped'}"
    return "NDJSON" if form is Form.NDJSON else "resource"


def _patients(entry: Entry) -> Iterator[str]:
    """The sender's ids of the patients that an entry is, or names."""
    resource = entry.resource
    if _PATIENT_TYPE.search(resource):
        found = _ID.search(resource)
        yield found[1].decode() if found else (entry.full_url or "").rpartition(":")[2]
    for each in _PATIENT.findall(resource):
        yield each.decode()
