"""Two documents of a chart, or two versions of one or of a single item, side by side with what differs marked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.differences import Change, Line, differences
from charthouse.record import api as record
from charthouse.record.chart import Document, DocumentEntry, Mark, PartKind, ResourceView, ResultPanel
from charthouse.web import comparing, pdf, permissions
from charthouse.web.printing import fhir_date
from charthouse.web.reading import note_chart, note_words
from charthouse.web.security.api import SignedInRequest, screen

from .chart import OpenChart, open_chart, version_of

#: A version of the document at hand, or another document of the chart.
_VERSION = re.compile(r"v([1-9]\d{0,8})")
_DOCUMENT = re.compile(r"([A-Za-z]{1,64})/([A-Za-z0-9.\-]{1,64})")


@dataclass(frozen=True, slots=True)
class Side:
    """What stands on one side: its key in the choices, in words, and the document itself."""

    key: str
    words: str
    document: Document
    version: int

    @property
    def mark(self) -> Mark:
        return self.document.mark


@dataclass(frozen=True, slots=True)
class ItemSide:
    """A version of a single item on one side."""

    key: str
    words: str
    item: ResourceView

    @property
    def mark(self) -> Mark:
        return self.item.mark


@screen(permissions.READ_CHART)
@require_safe
def compare(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """A document beside an earlier version of it, or beside another; the version before, when nothing is chosen."""
    ctx = request.access
    opened = open_chart(ctx, person)
    versions = record.document_versions(ctx, opened.patients, type, id)
    if not versions:
        raise Http404("The chart has no such document, or it is not open to you.")
    newest = max(versions)
    listed = record.every(record.documents, ctx, opened.patients)
    others = [row for row in listed if (row.type, row.id) != (type, id)]
    choices = [(f"v{number}", _version(number, newest)) for number in reversed(versions)]
    choices += [(f"{row.type}/{row.id}", _entry(row)) for row in others]
    before = max((number for number in versions if number < newest), default=newest)
    own = (type, id, versions)
    left = _side(ctx, opened, own, request.GET.get("left") or f"v{before}")
    right = _side(ctx, opened, own, request.GET.get("right") or f"v{newest}")
    for side in (left, right):
        note_chart(ctx, person, "documents", resource=(side.document.type, side.document.id))
    # The results a report gathers are as they stand now, whatever version of the report is looked at.
    panels = [
        None if _VERSION.fullmatch(left.key) and _VERSION.fullmatch(right.key) else _panel(ctx, opened, side)
        for side in (left, right)
    ]
    lines = differences(
        *(comparing.blocks(side.document, _opens(ctx, opened, side), panel)
          for side, panel in zip((left, right), panels, strict=True))
    )  # fmt: skip
    back = ("document", reverse("chart-document", kwargs={"person": person, "type": type, "id": id}))
    return _shown(request, opened.context(ctx, "documents"), left, right, choices, lines, back)


@screen(permissions.READ_CHART)
@require_safe
def compare_item(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """Two versions of a single item, a result for one; the version before and that which stands, when none is
    chosen."""
    ctx = request.access
    opened = open_chart(ctx, person)
    versions = record.resource_versions(ctx, opened.patients, type, id)
    if not versions:
        raise Http404("The chart has no such item, or it is not open to you.")
    newest = max(versions)
    before = max((number for number in versions if number < newest), default=newest)
    left = _item_side(versions, request.GET.get("left") or f"v{before}")
    right = _item_side(versions, request.GET.get("right") or f"v{newest}")
    note_chart(ctx, person, "item", resource=(type, id))
    lines = differences(comparing.item_blocks(left.item), comparing.item_blocks(right.item))
    choices = [(f"v{number}", _version(number, newest)) for number in sorted(versions, reverse=True)]
    back = ("item", reverse("chart-item", kwargs={"person": person, "type": type, "id": id}))
    return _shown(request, opened.context(ctx, "overview"), left, right, choices, lines, back)


def _item_side(versions: Mapping[int, ResourceView], key: str) -> ItemSide:
    """The version that a key names. Raises Http404 where that is none this reader may see."""
    found = _VERSION.fullmatch(key)
    item = versions.get(int(found[1])) if found else None
    if item is None:
        raise Http404("There is no such version, or it is not open to you.")
    return ItemSide(key, f"{item.title}, {_version(item.version, max(versions)).lower()}", item)


def _shown(
    request: SignedInRequest,
    chart: dict[str, Any],
    left: Side | ItemSide,
    right: Side | ItemSide,
    choices: list[tuple[str, str]],
    lines: Sequence[Line],
    back: tuple[str, str],
) -> HttpResponse:
    """Both sides; ``back`` is what was opened, in a word, and its address."""
    only = request.GET.get("only") == "changes"
    context = chart | {
        "left": left,
        "right": right,
        "choices": choices,
        "only": only,
        "changed": sum(1 for line in lines if line.change is not Change.SAME),
        "lines": [line for line in lines if not only or line.change is not Change.SAME],
        "back": back,
    }
    return render(request, "web/chart/compare.html", context)


def _version(number: int, newest: int) -> str:
    return f"Version {number}, as it stands" if number == newest else f"Version {number}"


def _entry(row: DocumentEntry) -> str:
    return f"{row.title}, {fhir_date(row.when.text, time=False) if row.when else 'undated'}"


def _side(ctx: AccessContext, opened: OpenChart, own: tuple[str, str, Sequence[int]], key: str) -> Side:
    """What a key names: a version of one's ``own`` document, or another document. Raises Http404 where that is
    nothing this reader may see."""
    type, id, versions = own
    if found := _VERSION.fullmatch(key):
        number = int(found[1])
        document = record.document(ctx, opened.patients, type, id, number) if number in versions else None
        if document is not None:
            words = _version(number, max(versions)).lower()
            return Side(key, f"{document.title}, {words}", document, number)
    elif found := _DOCUMENT.fullmatch(key):
        document = record.document(ctx, opened.patients, found[1], found[2])
        if document is not None:
            return Side(key, _entry(document), document, document.version)
    raise Http404("There is nothing of the kind to compare with, or it is not open to you.")


def _panel(ctx: AccessContext, opened: OpenChart, side: Side) -> ResultPanel | None:
    document = side.document
    gathers = document.type == "DiagnosticReport"
    return record.report_results(ctx, opened.patients, document.id) if gathers else None


def _opens(ctx: AccessContext, opened: OpenChart, side: Side) -> comparing.Opens:
    def open_file(number: int) -> Any:
        document = side.document
        return record.document_file(ctx, opened.patients, document.type, document.id, number, version=side.version)

    return open_file


@screen(permissions.READ_CHART)
@require_POST
def words(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """Where words stand on the pages of a document that the server draws, in points of the page, as JSON."""
    opened = open_chart(request.access, person)
    shown = record.document(request.access, opened.patients, type, id, version_of(request))
    if shown is None:
        raise Http404("The chart has no such document, or it is not open to you.")
    text = request.POST.get("text", "")[:200].replace("\0", "")
    terms = record.asked(text).wanted
    pages: list[dict[str, Any]] = []
    for part in shown.parts:
        if part.kind is not PartKind.PDF or part.file is None or not terms:
            continue
        found = record.document_file(request.access, opened.patients, type, id, part.file, shown.version)
        marked = pdf.found_on_pages(found.content, lambda said: record.places(said, terms)) if found else []
        pages += [{"part": part.file, **asdict(page)} for page in marked]
    note_words(request.access, text, "document", sum(len(page["boxes"]) for page in pages), [person])
    return JsonResponse({"pages": pages})
