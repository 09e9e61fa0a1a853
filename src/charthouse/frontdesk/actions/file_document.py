"""File a paper or a file in a chart: told by its content, noticed where it was filed before, kept as it came."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.rulepacks.api import parameter
from charthouse.frontdesk.domain.document_types import document_types, type_of
from charthouse.frontdesk.domain.errors import FrontdeskError
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.domain.scans import Limits, Scan, UnreadableScan, read_scan
from charthouse.frontdesk.permissions import FILE_DOCUMENT
from charthouse.record import api as record

from ._entering import SYSTEM, Chart, Entered, chart_of, encounter_of, enter_once, once_of, reading_of, wait_for

SCAN = "frontdesk.scan"


@dataclass(frozen=True, slots=True)
class Twin:
    """A document with the same content. ``document`` is its id where it is in the same chart and may be seen; of
    another chart nothing is said but that there is one."""

    same_chart: bool
    filed: datetime
    document: str = ""


class FiledBefore(FrontdeskError):
    """The same file was filed before: in this chart or in another one."""

    def __init__(self, twin: Twin) -> None:
        day = f"{twin.filed.day} {twin.filed:%b %Y}"
        super().__init__(
            f"The same file is in this chart since {day}. Nothing was filed."
            if twin.same_chart
            else f"The same file is in another patient's chart since {day}. Make sure whose it is first."
        )
        self.twin = twin


def limits() -> Limits:
    """How large a file may be, by the rule in force."""
    return Limits(
        largest=int(parameter(SCAN, "largest")),
        pages=int(parameter(SCAN, "pages")),
        points=int(parameter(SCAN, "points")),
    )


def file_document(ctx: AccessContext, person: UUID, fields: Fields, content: bytes) -> Entered:
    """File ``content`` in a person's chart.

    Fields: ``type`` (LOINC code), ``date`` of the document, ``encounter``, ``description``, ``anyway`` where the
    same file may be filed once more, ``once``. Raises PermissionRefused, Unfit, UnreadableScan, FiledBefore,
    FrontdeskError.
    """
    require(ctx, FILE_DOCUMENT)
    reading = reading_of(ctx, fields)
    types = document_types("paper")
    kind = reading.choice("type", types, needed="Choose what kind of document it is.")
    day = reading.day("date", needed="Give the date on the document.")
    description = reading.text("description", longest=200)
    once = once_of(fields)
    reading.done()
    chart = chart_of(ctx, person)
    scan = read_scan(content, limits())
    encounter = encounter_of(ctx, chart, fields.get("encounter", ""))
    document: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": once,
        "identifier": [{"system": record.CONTENT_SYSTEM, "value": scan.sha256}],
        "status": "current",
        "type": type_of(kind, types[kind]),
        "subject": chart.reference,
        "date": wall().isoformat(),
        **({"description": description} if description else {}),
        "content": _contents(scan, description or types[kind]),
        "context": {"period": {"start": day}, **({"encounter": [encounter]} if encounter else {})},
    }
    anyway = bool(fields.get("anyway"))
    return enter_once(
        ctx,
        chart,
        once,
        [document],
        action="frontdesk.file-document",
        detail={"type": kind, "pages": scan.pages, "bytes": len(content), "again": anyway},
        before=lambda: None if anyway else _refuse_twin(ctx, chart, scan.sha256),
    )


def _contents(scan: Scan, title: str) -> list[dict[str, Any]]:
    """What is shown first, then the file as it came."""
    whole = _attachment(scan.content, scan.media_type, title)
    if scan.shown is None:
        return [whole]
    whole["attachment"]["title"] = "The TIFF as it was scanned"
    return [_attachment(scan.shown, "application/pdf", title), whole]


def _attachment(content: bytes, media_type: str, title: str) -> dict[str, Any]:
    return {"attachment": {"contentType": media_type, "data": base64.b64encode(content).decode(), "title": title}}


def _refuse_twin(ctx: AccessContext, chart: Chart, sha256: str) -> None:
    """Raise FiledBefore with the earliest document of the same content, of this chart before any other's."""
    # Two desks with one paper wait for each other.
    wait_for(sha256)
    with connection.cursor() as cursor:
        found = record.same_content(cursor, SYSTEM, sha256)
    if not found:
        return
    ours = [each for each in found if each.patient in chart.patients]
    first = (ours or found)[0]
    seen = bool(ours) and ctx.sees(first.labels)
    raise FiledBefore(Twin(bool(ours), first.filed_at, first.public_id if seen else ""))


__all__ = ["FiledBefore", "Twin", "UnreadableScan", "file_document", "limits"]
