"""Where an item came from: the way it took, the original message with its place marked, its versions."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from charthouse.intake import api as intake
from charthouse.record import api as record
from charthouse.web.reading import note_chart
from charthouse.web.security.api import SignedInRequest, screen

from .chart import open_chart, version_of


@screen(intake.READ_ORIGINAL)
@require_safe
def where_from(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """The provenance of an item's version (``?version=``, else the newest); only its body for a dialog."""
    opened = open_chart(request.access, person)
    item = record.resource(request.access, opened.patients, type, id)
    found = intake.provenance(request.access, type, id, version_of(request))
    if item is None or found is None:
        raise Http404("The chart has no such item or version, or it is not open to you.")
    note_chart(request.access, person, "original", resource=(type, id))
    inside = "HX-Request" in request.headers
    template, level = ("body", 3) if inside else ("page", 2)
    context = opened.context(request.access, "overview") | {
        "item": item,
        "provenance": found,
        "any_marked": found.original is not None and any(line.marked for line in found.original.lines),
        "level": level,
    }
    return render(request, f"web/provenance/{template}.html", context)
