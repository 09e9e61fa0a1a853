"""File a paper or a file in a chart: told by its content, noticed where it was filed before, kept as it came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.base64 import as_base64
from charthouse.foundation.clock import wall
from charthouse.foundation.rulepacks.api import parameter
from charthouse.frontdesk.chosen_files import ChosenFile, chosen_file
from charthouse.frontdesk.domain.document_types import document_types, type_of
from charthouse.frontdesk.domain.errors import FrontdeskError
from charthouse.frontdesk.domain.forms import Fields, Unfit
from charthouse.frontdesk.domain.scans import Limits, Scan, UnreadableScan, read_scan
from charthouse.frontdesk.permissions import FILE_DOCUMENT
from charthouse.record import api as record

from ._entering import SYSTEM, Chart, Entered, chart_of, encounter_of, enter_once, once_of, reading_of, wait_for
from .keep_chosen_file import forget_chosen_file, keep_chosen_file

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


def file_document(ctx: AccessContext, person: UUID, fields: Fields, chosen: ChosenFile | None) -> Entered:
    """File the chosen file in a person's chart; without one, the file that waits for this form.

    Fields: ``type`` (LOINC code), ``date`` of the document, ``encounter``, ``description``, ``anyway`` where the
    same file may be filed once more, ``once``. A file that is not filed for another reason than its own waits for
    the form to be mended. Raises PermissionRefused, Unfit, FiledBefore, FrontdeskError.
    """
    require(ctx, FILE_DOCUMENT)
    chart = chart_of(ctx, person)
    file = chosen or chosen_file(ctx, person, fields)
    scan, fault = _scan_of(file)
    try:
        entered = _file(ctx, chart, fields, scan, fault)
    except (Unfit, FrontdeskError):
        if file is None or scan is None:
            forget_chosen_file(ctx, person, fields)
        elif chosen is not None:
            keep_chosen_file(ctx, person, fields, chosen)
        raise
    forget_chosen_file(ctx, person, fields)
    return entered


def _scan_of(file: ChosenFile | None) -> tuple[Scan | None, str]:
    """What the file is, or what is wrong with it."""
    if file is None:
        return None, f"Choose a file of at most {limits().largest // 1_000_000} MB."
    try:
        return read_scan(file.content, limits()), ""
    except UnreadableScan as error:
        return None, str(error)


def _file(ctx: AccessContext, chart: Chart, fields: Fields, scan: Scan | None, fault: str) -> Entered:
    reading = reading_of(ctx, fields)
    types = document_types("paper")
    kind = reading.choice("type", types, needed="Choose what kind of document it is.")
    day = reading.day("date", needed="Give the date on the document.")
    description = reading.text("description", longest=200)
    once = once_of(fields)
    if scan is None:
        reading.fault("file", fault)
        raise Unfit(reading.faults)
    reading.done()
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
        detail={"type": kind, "pages": scan.pages, "bytes": len(scan.content), "again": anyway},
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
    return {"attachment": {"contentType": media_type, "data": as_base64(content), "title": title}}


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
