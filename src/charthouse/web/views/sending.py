"""Sending a chart to somebody outside, as a C-CDA document or whole as FHIR: what, to whom and why is asked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from charthouse.exchange.cda.api import DocumentKind
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.web import permissions, printing
from charthouse.web.actions.export_chart import export_chart
from charthouse.web.actions.export_document import TITLES, NothingToSend, export_document
from charthouse.web.actions.printed import PURPOSES, PrintError, given_outside
from charthouse.web.security.api import SignedInRequest, screen

from .chart import open_chart

_WHOLE = "fhir"


@screen(permissions.EXPORT_CHART)
@require_http_methods(["GET", "HEAD", "POST"])
def send(request: SignedInRequest, person: UUID) -> HttpResponse:
    """The question what is sent to whom, or the document."""
    surviving = identity.surviving(request.access, person)
    if surviving is not None and surviving != person:
        return redirect("send-document", person=surviving)
    opened = open_chart(request.access, person)
    wrong = ""
    if request.method == "POST":
        sent = request.POST
        kind, _, encounter = sent.get("what", "").partition(":")
        try:
            outside = given_outside(
                sent.get("recipient", ""), sent.get("address", ""), sent.get("purpose", ""), "document"
            )
            if kind == _WHOLE:
                sent_chart = export_chart(request.access, person, outside)
                return _file(sent_chart.content, "application/fhir+json", "chart.json")
            if kind not in set(DocumentKind):
                raise PrintError("Say what is to be sent: choose a document.")
            return _file(export_document(request.access, person, DocumentKind(kind), outside, encounter).content)
        except (PrintError, NothingToSend) as error:
            wrong = str(error)
    context: dict[str, Any] = {
        "wrong": wrong,
        "sent": request.POST,
        "titles": {kind.name.lower(): TITLES[kind] for kind in DocumentKind},
        "purposes": [(purpose.value, words) for purpose, words in PURPOSES.items()],
        "encounters": [
            (f"{DocumentKind.DISCHARGE_SUMMARY}:{row.id}", row.title, printing.fhir_date(row.when.text, time=False))
            for row in record.every(record.encounters, request.access, opened.patients)
        ],
    }
    return render(request, "web/chart/send.html", opened.context(request.access, "overview") | context)


def _file(content: bytes, media_type: str = "application/xml", name: str = "document.xml") -> HttpResponse:
    """What is sent as a download, under a name that says nothing."""
    response = HttpResponse(content, content_type=media_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
