"""The chart of one person: its sections, its documents beside their list, any single item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from charthouse.fhir import api as fhir
from charthouse.foundation.access.api import AccessContext, may
from charthouse.foundation.ledger.api import LEDGER_READ
from charthouse.foundation.letters.api import page_number
from charthouse.foundation.rulepacks.api import rule
from charthouse.identity import api as identity
from charthouse.intake.api import READ_ORIGINAL
from charthouse.record import api as record
from charthouse.record.chart import Correction, Document, Mark, Part, PartKind
from charthouse.web import document_acts, pdf, permissions, results, trends
from charthouse.web.desk_entries import offered
from charthouse.web.numbers import SMALL, whole
from charthouse.web.reading import note_chart
from charthouse.web.security.api import SignedInRequest, screen
from charthouse.web.word_search import words_of

Patients = Sequence[int]
Reader = Callable[[AccessContext, Patients, str | None], dict[str, Any]]
NEWEST = 6
#: What a browser cannot show by itself and is drawn here, page by page.
_PICTURES = frozenset({"image/tiff", "image/tif", "image/x-tiff"})


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the chart. ``reads`` gives its template what it shows from (ctx, patients, cursor)."""

    slug: str
    title: str
    keys: str
    reads: Reader


def _listed(slug: str) -> Reader:
    """A section that is one list, read by the record's function of its name."""

    def read(ctx: AccessContext, patients: Patients, cursor: str | None) -> dict[str, Any]:
        return {"page": getattr(record, slug)(ctx, patients, cursor)}

    return read


def _overview(ctx: AccessContext, patients: Patients, cursor: str | None) -> dict[str, Any]:
    problems = record.active_problems(ctx, patients)
    medications = record.active_medications(ctx, patients)
    return {
        "problems": problems[:NEWEST],
        "medications": medications[:NEWEST],
        "allergies": record.allergies(ctx, patients).rows[:NEWEST],
        "encounters": record.encounters(ctx, patients).rows[:NEWEST],
        "documents": record.documents(ctx, patients).rows[:NEWEST],
    }


def _results(ctx: AccessContext, patients: Patients, cursor: str | None) -> dict[str, Any]:
    page = record.results(ctx, patients, cursor)
    return {"page": page, "matrix": results.by_date(page.rows)}


def _documents(ctx: AccessContext, patients: Patients, cursor: str | None) -> dict[str, Any]:
    return {"page": record.documents(ctx, patients, cursor), **_not_listed(ctx, patients)}


def _not_listed(ctx: AccessContext, patients: Patients) -> dict[str, Any]:
    """What was taken out of the chart, and what was destroyed."""
    return {
        "taken_out": record.taken_out(ctx, patients),
        "gone": record.destroyed(ctx, patients, ("DocumentReference", "Composition", "DiagnosticReport", "Media")),
    }


def _destroyed(request: SignedInRequest, opened: OpenChart, section: str, type: str, id: str) -> HttpResponse:
    """What is left of an item that was destroyed. Raises Http404 where it was not."""
    known = record.destroyed(request.access, opened.patients, (type,)) if type in record.TYPE_ID else []
    gone = next((each for each in known if each.id == id), None)
    if gone is None:
        raise Http404("The chart has no such item, or it is not open to you.")
    note_chart(request.access, opened.person, section, resource=(type, id))
    context = opened.context(request.access, section) | {"gone": gone, "rule": rule(gone.destruction.rule)}
    return render(request, "web/chart/destroyed.html", context, status=410)


def _vitals(ctx: AccessContext, patients: Patients, cursor: str | None) -> dict[str, Any]:
    series = record.vitals(ctx, patients)
    return {"trends": [trends.draw(one) for one in series], "matrix": results.over_time(series)}


SECTIONS = (
    Section("overview", "Overview", "g o", _overview),
    Section("encounters", "Encounters", "g e", _listed("encounters")),
    Section("documents", "Documents", "g d", _documents),
    Section("results", "Results", "g r", _results),
    Section("vitals", "Vitals", "g v", _vitals),
    Section("problems", "Problems", "g p", _listed("problems")),
    Section("medications", "Medications", "g m", _listed("medications")),
    Section("allergies", "Allergies", "g a", _listed("allergies")),
    Section("immunizations", "Immunizations", "g i", _listed("immunizations")),
    Section("procedures", "Procedures", "g x", _listed("procedures")),
    Section("appointments", "Appointments", "g t", _listed("appointments")),
    Section("coverage", "Coverage", "g c", _listed("coverage")),
)
BY_SLUG = {section.slug: section for section in SECTIONS}


@dataclass(frozen=True, slots=True)
class OpenChart:
    """A person's chart as one reader opened it."""

    person: UUID
    patients: tuple[int, ...]
    summary: record.ChartSummary

    def context(self, ctx: AccessContext, section: str) -> dict[str, Any]:
        """What the banner and the list of sections need."""
        counts = self.summary.counts
        return {
            "person": self.person,
            "summary": self.summary,
            "section": BY_SLUG[section],
            "sections": [(each, counts.get(each.slug) or None) for each in SECTIONS],
            "may_read_original": may(ctx, READ_ORIGINAL),
            "may_print": may(ctx, permissions.PRINT_CHART),
            "may_send": may(ctx, permissions.EXPORT_CHART),
            "may_read_ledger": may(ctx, LEDGER_READ),
            "may_read_retention": may(ctx, record.READ_RETENTION),
            "may_see_person": may(ctx, identity.SEE_PERSON),
            "offered": offered(ctx, section),
        }


def open_chart(ctx: AccessContext, person: UUID) -> OpenChart:
    """The chart; raises Http404 where this reader knows of no such person."""
    patients = identity.patients_of(ctx, person)
    try:
        summary = record.chart_summary(ctx, patients, identity.shown_of(person))
    except LookupError:
        raise Http404("There is no such chart, or it is not open to you.") from None
    return OpenChart(person, patients, summary)


@screen(permissions.READ_CHART)
@require_safe
def chart(request: SignedInRequest, person: UUID, section: str = "overview") -> HttpResponse:
    """One section of a chart. A person who was merged into another is read under the surviving one."""
    surviving = identity.surviving(request.access, person)
    if surviving is not None and surviving != person:
        return redirect("chart-section", person=surviving, section=section)
    if section not in BY_SLUG:
        raise Http404("A chart has no such section.")
    opened = open_chart(request.access, person)
    try:
        shown = BY_SLUG[section].reads(request.access, opened.patients, request.GET.get("older"))
    except ValueError as error:
        raise Http404("This page of the section cannot be found; begin again at the newest.") from error
    note_chart(request.access, person, section)
    context = opened.context(request.access, section) | {
        "listing": True,
        "view": request.GET.get("view", ""),
        **shown,
    }
    return render(request, f"web/chart/{section}.html", context)


@screen(permissions.READ_CHART)
@require_safe
def document(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """One document beside the list; only the document itself when the list asked for it."""
    opened = open_chart(request.access, person)
    shown = record.document(request.access, opened.patients, type, id, version_of(request))
    if shown is None:
        return _destroyed(request, opened, "documents", type, id)
    note_chart(request.access, person, "documents", resource=(type, id))
    parts = [with_pages(request.access, opened.patients, shown, part) for part in shown.parts]
    context = opened.context(request.access, "documents") | {
        "listing": True,
        "document": shown,
        "parts": parts,
        **document_acts.context(request.access, shown),
        "paged": any((part.pages or 0) > 1 for part in parts),
        "words_found": words_of(request, person),
        "panel": record.report_results(request.access, opened.patients, id) if type == "DiagnosticReport" else None,
        "left_for": _left_for(request.access, opened.patients, shown),
    }
    if "HX-Request" in request.headers:
        return render(request, "web/chart/document.html", context)
    page = record.documents(request.access, opened.patients, request.GET.get("older"))
    more = {"page": page, **_not_listed(request.access, opened.patients)}
    return render(request, "web/chart/documents.html", context | more)


def _left_for(ctx: AccessContext, patients: Patients, shown: Document) -> Correction | None:
    """The correction that put this document in the place of one of another patient; None for any other document."""
    if shown.mark is not Mark.RETRACTED:
        return None
    return next((each for each in record.taken_out(ctx, patients) if each.made == shown.id), None)


def version_of(request: SignedInRequest) -> int | None:
    """The earlier version that an address asks for; None for none."""
    return whole(request.GET.get("version", ""), SMALL)


def with_pages(ctx: AccessContext, patients: Patients, document: Document, part: Part) -> Part:
    """A part as it is shown: a PDF with its number of pages and its text, a TIFF with its number of pages, one that
    cannot be read as a download. A TIFF beside a PDF is what that was made of; its pages are not shown twice."""
    drawn = part.kind is PartKind.PDF or (
        part.media_type.partition(";")[0].strip().lower() in _PICTURES
        and not any(each.kind is PartKind.PDF for each in document.parts)
    )
    if not drawn or part.file is None or part.pages is not None:
        return part
    found = record.document_file(ctx, patients, document.type, document.id, part.file, document.version)
    if part.kind is not PartKind.PDF:
        return replace(part, pages=page_number(found.content)) if found else part
    try:
        read = pdf.reading(found.content) if found else None
    except pdf.UnreadablePage:
        read = None
    return replace(part, pages=read.pages, text=read.text) if read else replace(part, kind=PartKind.FILE)


@screen(permissions.READ_CHART)
@require_safe
def item(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """Any single item, whole."""
    opened = open_chart(request.access, person)
    shown = record.resource(request.access, opened.patients, type, id)
    if shown is None:
        return _destroyed(request, opened, "overview", type, id)
    note_chart(request.access, person, "item", resource=(type, id))
    found = fhir.findings_of(request.access, type, id) if may(request.access, fhir.SEE_FINDINGS) else []
    context = opened.context(request.access, "overview") | {"item": shown, "findings": found}
    return render(request, "web/chart/item.html", context)
