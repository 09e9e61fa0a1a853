"""A whole chart as FHIR for somebody outside: a Bundle of every item as it stands, with its files."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import orjson
from django.db import transaction

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.base64 import as_base64
from charthouse.foundation.disclosure.api import How, Recipient, needs_own_permission, record_disclosures
from charthouse.foundation.ids import new_id
from charthouse.foundation.ledger import api as ledger
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.web.permissions import EXPORT_CHART, READ_CHART

from .export_document import NothingToSend, Sent
from .printed import Outside, by_patient

TITLE = "Whole chart as FHIR"


def export_chart(ctx: AccessContext, person: UUID, outside: Outside) -> Sent:
    """A chart as a FHIR R4 Bundle (JSON), and the disclosure noted, item by item.

    What was retracted is among it and says so, as do addenda and Provenance; what was destroyed is named by its
    Provenance. Files come as Binary. What needs an authorization or consent of its own is left out. Raises
    NothingToSend, PermissionRefused.
    """
    require(ctx, READ_CHART)
    require(ctx, EXPORT_CHART)
    seen = replace(ctx, clearance=ctx.clearance & ~needs_own_permission())
    patients = identity.patients_of(seen, person)
    entries: list[bytes] = []
    keys: list[tuple[str, str]] = []
    binaries: dict[str, bytes] = {}
    for stored in record.export(seen, patients):
        entries.append(b'{"resource":' + stored.content + b"}")
        keys.append((stored.type, stored.public_id))
        for file in record.files_of(seen, patients, stored):
            made = {
                "resourceType": "Binary",
                "id": file.name,
                "contentType": file.media_type,
                "data": as_base64(file.content),
            }
            binaries[file.name] = b'{"resource":' + orjson.dumps(made) + b"}"
    if not entries:
        raise NothingToSend("There is no such chart, or it is not open to you.")
    number = new_id()
    head = {
        "resourceType": "Bundle",
        "id": str(number),
        "type": "collection",
        "timestamp": clock.wall().isoformat(),
    }
    content = orjson.dumps(head)[:-1] + b',"entry":[' + b",".join([*entries, *binaries.values()]) + b"]}"
    items = by_patient(seen, person, keys)
    with transaction.atomic():
        to = seen.for_purpose(outside.purpose)
        disclosures = record_disclosures(
            to,
            recipient=Recipient(outside.recipient, outside.address),
            purpose=outside.purpose,
            items_by_patient=items,
            how=How.EXPORT,
            description=TITLE,
        )
        ledger.append(
            to,
            "chart.export",
            subjects=[ledger.Subject("person", str(person))],
            detail={
                "kind": "fhir",
                "document": str(number),
                "items": len(keys),
                "disclosures": list(disclosures),
            },
        )
    return Sent(content, number, len(keys), tuple(disclosures))
