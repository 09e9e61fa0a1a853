"""The chart of one person: its sections, its documents beside their list, any single item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from charthouse.foundation.access.api import AccessContext, may
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.web import permissions, results, trends
from charthouse.web.reading import note_chart
from charthouse.web.security.api import screen

Reader = Callable[[AccessContext, Sequence[int], str | None], Any]


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the chart. ``reads`` gives its template what it shows from (ctx, patients, cursor)."""

    slug: str
    title: str
    keys: str
    reads: Reader


def _paged(name: str) -> Reader:
    """The record's own section of this name, looked up when it is read."""

    def read(ctx: AccessContext, patients: Sequence[int], cursor: str | None) -> dict[str, Any]:
        return {"page": getattr(record, name)(ctx, patients, cursor)}

    return read


def _overview(ctx: AccessContext, patients: Sequence[int], cursor: str | None) -> dict[str, Any]:
    return {
        "problems": record.problems(ctx, patients),
        "medications": record.medications(ctx, patients),
        "allergies": record.allergies(ctx, patients),
        "encounters": record.encounters(ctx, patients),
        "documents": record.documents(ctx, patients),
        "results": record.results(ctx, patients),
    }


def _results(ctx: AccessContext, patients: Sequence[int], cursor: str | None) -> dict[str, Any]:
    page = record.results(ctx, patients, cursor)
    return {"page": page, "matrix": results.by_date(page.rows)}


def _vitals(ctx: AccessContext, patients: Sequence[int], cursor: str | None) -> dict[str, Any]:
    series = record.vitals(ctx, patients)
    return {"trends": [trends.draw(one) for one in series], "matrix": results.over_time(series)}


SECTIONS = (
    Section("overview", "Overview", "g o", _overview),
    Section("encounters", "Encounters", "g e", _paged("encounters")),
    Section("documents", "Documents", "g d", _paged("documents")),
    Section("results", "Results", "g r", _results),
    Section("vitals", "Vitals", "g v", _vitals),
    Section("problems", "Problems", "g p", _paged("problems")),
    Section("medications", "Medications", "g m", _paged("medications")),
    Section("allergies", "Allergies", "g a", _paged("allergies")),
    Section("immunizations", "Immunizations", "g i", _paged("immunizations")),
    Section("procedures", "Procedures", "g x", _paged("procedures")),
    Section("appointments", "Appointments", "g t", _paged("appointments")),
    Section("coverage", "Coverage", "g c", _paged("coverage")),
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
            "sections": [(each, counts.get(each.slug)) for each in SECTIONS],
            "may_read_original": may(ctx, permissions.READ_ORIGINAL),
            "may_read_ledger": may(ctx, permissions.READ_LEDGER),
        }


def open_chart(ctx: AccessContext, person: UUID) -> OpenChart:
    """The chart; raises Http404 where this reader knows of no such person."""
    patients = identity.patients_of(ctx, person)
    if not patients:
        raise Http404("There is no such chart, or it is not open to you.")
    return OpenChart(person, patients, record.chart_summary(ctx, patients))


@screen(permissions.READ_CHART)
@require_safe
def chart(request: HttpRequest, person: UUID, section: str = "overview") -> HttpResponse:
    """One section of a chart. A person who was merged into another is read under the surviving one."""
    surviving = identity.surviving(request.access, person)
    if surviving is not None and surviving != person:
        return redirect("chart-section", person=surviving, section=section)
    if section not in BY_SLUG:
        raise Http404("A chart has no such section.")
    opened = open_chart(request.access, person)
    shown = BY_SLUG[section].reads(request.access, opened.patients, request.GET.get("older"))
    note_chart(request.access, person, section)
    context = opened.context(request.access, section) | shown | {"view": request.GET.get("view", "")}
    return render(request, f"web/chart/{section}.html", context)


@screen(permissions.READ_CHART)
@require_safe
def document(request: HttpRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """One document beside the list; only the document itself when the list asked for it."""
    opened = open_chart(request.access, person)
    shown = record.document(request.access, opened.patients, type, id)
    if shown is None:
        raise Http404("The chart has no such document, or it is not open to you.")
    note_chart(request.access, person, "documents", resource=(type, id))
    context = opened.context(request.access, "documents") | {"document": shown}
    if "HX-Request" in request.headers:
        return render(request, "web/chart/document.html", context)
    page = record.documents(request.access, opened.patients, request.GET.get("older"))
    return render(request, "web/chart/documents.html", context | {"page": page})


@screen(permissions.READ_CHART)
@require_safe
def item(request: HttpRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """Any single item, whole."""
    opened = open_chart(request.access, person)
    shown = record.resource(request.access, opened.patients, type, id)
    if shown is None:
        raise Http404("The chart has no such item, or it is not open to you.")
    note_chart(request.access, person, "item", resource=(type, id))
    context = opened.context(request.access, "overview") | {"item": shown}
    return render(request, "web/chart/item.html", context)
