"""Printing from a chart: what the paper is for is asked first, then the PDF is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from charthouse.foundation.access.api import may
from charthouse.foundation.letters.api import LetterError
from charthouse.foundation.work.api import UnknownQueue
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.web import permissions
from charthouse.web.actions.print_assembled import CannotPrint
from charthouse.web.actions.print_chart import (
    SECTIONS,
    print_chart_section,
    print_document,
    print_face_sheet,
)
from charthouse.web.actions.print_work_list import print_work_list
from charthouse.web.actions.printed import PURPOSES, NothingToPrint, Outside, Printed, PrintError, given_outside
from charthouse.web.security.api import SignedInRequest, framed, screen

from .chart import BY_SLUG, open_chart, version_of

_FACE_SHEET = "overview"


@framed
def pdf_response(request: SignedInRequest, printed: Printed) -> HttpResponse:
    """The print for the browser's own viewer, under a name that says nothing."""
    response = HttpResponse(printed.content, content_type="application/pdf")
    response["Content-Disposition"] = 'inline; filename="print.pdf"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def asked(
    request: SignedInRequest,
    person: UUID,
    section: str,
    what: str,
    address: str,
    act: Callable[[Outside | None], Printed],
) -> HttpResponse:
    """The question what the print is for, or the print."""
    wrong = ""
    cannot: tuple[str, ...] = ()
    if request.method == "POST":
        sent = request.POST
        outside = None
        try:
            if sent.get("use") != "here":
                outside = given_outside(*(sent.get(name, "") for name in ("recipient", "address", "purpose")))
            return pdf_response(request, act(outside))
        except NothingToPrint as error:
            if outside is None:
                raise Http404(str(error)) from None
            wrong = "Nothing of it may be given away like this; it needs an authorization or consent of its own."
        except CannotPrint as error:
            wrong, cannot = str(error), error.what
        except (PrintError, LetterError) as error:
            wrong = str(error)
    inside = "HX-Request" in request.headers
    context: dict[str, Any] = {
        "what": what,
        "address": address,
        "wrong": wrong,
        "cannot": cannot,
        "sent": request.POST,
        "purposes": [(purpose.value, words) for purpose, words in PURPOSES.items()],
        "may_disclose": may(request.access, permissions.DISCLOSE_PRINT),
        "inside": inside,
    }
    if inside:
        return render(request, "web/chart/print_form.html", context)
    context |= open_chart(request.access, person).context(request.access, section)
    return render(request, "web/chart/print.html", context)


@screen(permissions.PRINT_CHART)
@require_http_methods(["GET", "HEAD", "POST"])
def section(request: SignedInRequest, person: UUID, section: str) -> HttpResponse:
    """Print a section of a chart; of the overview, the face sheet."""
    if section != _FACE_SHEET and section not in SECTIONS:
        raise Http404("A chart has no such section.")
    surviving = identity.surviving(request.access, person)
    if surviving is not None and surviving != person:
        return redirect("print-section", person=surviving, section=section)
    open_chart(request.access, person)

    def act(outside: Outside | None) -> Printed:
        if section == _FACE_SHEET:
            return print_face_sheet(request.access, person, outside)
        return print_chart_section(request.access, person, section, outside)

    what = "Face sheet" if section == _FACE_SHEET else BY_SLUG[section].title
    return asked(request, person, section, what, reverse("print-section", args=(person, section)), act)


@screen(permissions.PRINT_CHART)
@require_http_methods(["GET", "HEAD", "POST"])
def document(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """Print one document."""
    opened = open_chart(request.access, person)
    version = version_of(request)
    shown = record.document(request.access, opened.patients, type, id, version)
    if shown is None:
        raise Http404("The chart has no such document, or it is not open to you.")
    address = reverse("print-document", args=(person, type, id)) + (f"?version={version}" if version else "")
    return asked(
        request,
        person,
        "documents",
        shown.title,
        address,
        lambda outside: print_document(request.access, person, type, id, outside, version),
    )


@screen(permissions.OPEN_HOME)
@require_POST
def work_list(request: SignedInRequest, queue: str) -> HttpResponse:
    """Print what waits in a queue, for use here. Who may is the queue's own right."""
    try:
        return pdf_response(request, print_work_list(request.access, queue))
    except UnknownQueue as error:
        raise Http404(str(error)) from None
