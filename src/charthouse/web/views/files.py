"""The files of documents, shown from this origin and never as anything that could act.

A PDF is drawn page by page here, so that it is read in every browser under the strict content policy; the file
itself is handed over as a download.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from charthouse.foundation.letters.api import page_drawn
from charthouse.record import api as record
from charthouse.web import pdf, permissions
from charthouse.web.reading import note_chart
from charthouse.web.security.api import SignedInRequest, screen

from .chart import open_chart, version_of

SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
_INERT = "default-src 'none'; sandbox"


def _file(request: SignedInRequest, person: UUID, type: str, id: str, file: int) -> Any:
    opened = open_chart(request.access, person)
    found = record.document_file(request.access, opened.patients, type, id, file, version_of(request))
    if found is None:
        raise Http404("The document has no such file, or it is not open to you.")
    return found


def _inert(content: bytes, media_type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=media_type)
    response["Content-Security-Policy"] = _INERT
    response["X-Content-Type-Options"] = "nosniff"
    return response


@screen(permissions.READ_CHART)
@require_safe
def file(request: SignedInRequest, person: UUID, type: str, id: str, file: int) -> HttpResponse:
    """A file of a document: an image to be shown, anything else as a download."""
    found = _file(request, person, type, id, file)
    note_chart(request.access, person, "file", resource=(type, id))
    shown = found.media_type in SHOWN
    response = _inert(found.content, found.media_type if shown else "application/octet-stream")
    disposition = content_disposition_header(not shown, found.name)
    if disposition:
        response["Content-Disposition"] = disposition
    return response


@screen(permissions.READ_CHART)
@require_safe
def page(request: SignedInRequest, person: UUID, type: str, id: str, file: int, number: int) -> HttpResponse:
    """One page of a PDF or a TIFF, counted from 1, as a PNG image."""
    found = _file(request, person, type, id, file)
    image = page_drawn(found.content, number)
    try:
        image = image or pdf.page_image(found.content, number)
    except pdf.UnreadablePage as error:
        raise Http404(str(error)) from error
    note_chart(request.access, person, "file", resource=(type, id))
    return _inert(image, "image/png")
