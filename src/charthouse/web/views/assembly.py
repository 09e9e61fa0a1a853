"""Charts in their order: one encounter's chart as it is bound, what documents are, and the orders themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db import connection
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.completion import api as completion
from charthouse.completion.api import AssembledChart, ChartLeaf, EncounterKind
from charthouse.foundation.access.api import may
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from charthouse.people import api as people
from charthouse.record import api as record
from charthouse.record.chart import PartKind
from charthouse.web import permissions
from charthouse.web.actions.print_assembled import print_assembled_chart
from charthouse.web.numbers import number_of
from charthouse.web.reading import note_chart
from charthouse.web.security.api import SignedInRequest, screen

from .chart import OpenChart, open_chart, with_pages
from .prints import asked
from .queues import name_of, open_next

QUEUE = completion.UNCLASSIFIED
_SECTION = "encounters"
_MOST_WAITING = 500


def _opened(request: SignedInRequest, person: UUID, encounter: str) -> tuple[OpenChart, AssembledChart]:
    """The chart and the encounter of it that is shown. Raises Http404."""
    opened = open_chart(request.access, person)
    chart = completion.assemble(request.access, opened.patients, encounter)
    if chart is None:
        raise Http404("The chart has no such encounter, or it is not open to you.")
    return opened, chart


def _context(request: SignedInRequest, opened: OpenChart, chart: AssembledChart) -> dict[str, Any]:
    return opened.context(request.access, _SECTION) | {
        "chart": chart,
        "may_see_order": may(request.access, completion.CLASSIFY),
        "may_see_lacks": may(request.access, completion.READ_CHARTS),
    }


@screen(permissions.READ_CHART)
@require_safe
def chart(request: SignedInRequest, person: UUID, encounter: str) -> HttpResponse:
    """The chart of one encounter in its order, nothing open."""
    surviving = identity.surviving(request.access, person)
    if surviving is not None and surviving != person:
        return redirect("assembled-chart", person=surviving, encounter=encounter)
    opened, assembled = _opened(request, person, encounter)
    note_chart(request.access, person, "assembled", resource=("Encounter", encounter))
    return render(request, "web/assembly/chart.html", _context(request, opened, assembled))


@screen(permissions.READ_CHART)
@require_safe
def leaf(request: SignedInRequest, person: UUID, encounter: str, type: str, id: str) -> HttpResponse:
    """One document, or one group of items, beside the index; only itself when the index asked for it."""
    opened, assembled = _opened(request, person, encounter)
    found = assembled.leaf(f"{type}/{id}")
    if found is None:
        raise Http404("This chart has no such document, or it is not open to you.")
    context = _context(request, opened, assembled) | {"leaf": found}
    if found.held is None:
        note_chart(request.access, person, f"assembled-{found.group}", resource=("Encounter", encounter))
        context |= {"inside": "web/assembly/group.html"}
    else:
        context |= _document(request, opened, found)
    if "HX-Request" in request.headers:
        return render(request, context["inside"], context)
    return render(request, "web/assembly/chart.html", context)


def _document(request: SignedInRequest, opened: OpenChart, found: ChartLeaf) -> dict[str, Any]:
    """What the viewer needs of a document. Raises Http404."""
    shown = record.document(request.access, opened.patients, found.type, found.id)
    if shown is None:
        raise Http404("The chart has no such document, or it is not open to you.")
    note_chart(request.access, opened.person, "assembled", resource=(found.type, found.id))
    parts = [with_pages(request.access, opened.patients, shown, part) for part in shown.parts]
    return {
        "inside": "web/chart/document.html",
        "document": shown,
        "parts": parts,
        "bare": True,
        "paged": any(part.kind is PartKind.PDF and (part.pages or 0) > 1 for part in parts),
        "panel": found.held.panel if found.held else None,
    }


@screen(permissions.PRINT_CHART)
@require_http_methods(["GET", "HEAD", "POST"])
def print_(request: SignedInRequest, person: UUID, encounter: str) -> HttpResponse:
    """Print the chart of an encounter in its order."""
    open_chart(request.access, person)
    without = request.POST.get("without") == "yes"
    return asked(
        request,
        person,
        _SECTION,
        "The whole chart of an encounter",
        reverse("print-assembled", args=(person, encounter)),
        lambda outside: print_assembled_chart(request.access, person, encounter, outside, without=without),
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """A piece that may be chosen; ``likely`` where the document's own words say so."""

    slug: str
    title: str
    key: str
    likely: bool


def _item(request: SignedInRequest, item: int) -> work.WorkItem:
    try:
        found = work.item(request.access, item)
    except work.ItemNotFound as error:
        raise Http404(str(error)) from None
    if found.queue != QUEUE:
        raise Http404("There is no such item among the unclassified documents.")
    return found


@screen(completion.CLASSIFY)
@require_http_methods(["GET", "HEAD", "POST"])
def unclassified(request: SignedInRequest, item: int) -> HttpResponse:
    """A document whose kind nobody knows, beside the pieces it may be. A decision opens the next."""
    ctx = request.access
    found = _item(request, item)
    type, _, id = found.subject.id.partition("/")
    wrong = ""
    if request.method == "POST":
        sent = request.POST
        try:
            done = completion.classify_document(
                ctx, type, id, sent.get("piece", ""), seen=sent.get("seen", ""), always=sent.get("always") == "yes"
            )
        except completion.CompletionError as error:
            wrong = str(error)
        else:
            messages.success(request, _said(sent.get("piece", ""), done, always=sent.get("always") == "yes"))
            return open_next(request, QUEUE)
    is_open = found.state is not work.ItemState.FINISHED
    with connection.cursor() as cursor:
        stored = record.current(cursor, ctx, [(type, id)]).get((type, id))
        senders = record.source_rows(cursor, [int(found.detail.get("source", 0))])
    person = identity.persons_of([stored.patient]).get(stored.patient) if stored and stored.patient else None
    context: dict[str, Any] = {
        "item": found,
        "open": is_open,
        "owner": name_of(found.owner, people.names_of([found.owner])) if found.owner else "",
        "mine": found.owner == ctx.actor,
        "wrong": wrong,
        "sender": next((each.name for each in senders.values()), ""),
    }
    if stored is not None and person is not None:
        opened = open_chart(ctx, person)
        shown = record.document(ctx, opened.patients, type, id)
        if shown is not None:
            note_chart(ctx, person, "unclassified", resource=(type, id))
            codings = completion.codings_of(stored.resource)
            likely = completion.suggested(" ".join((shown.title, *(part.title for part in shown.parts))))
            context |= {
                "document": shown,
                "parts": [with_pages(ctx, opened.patients, shown, part) for part in shown.parts],
                "bare": True,
                "person": person,
                "summary": opened.summary,
                "may_read_original": False,
                "code": codings[0] if codings else None,
                "choices": sorted(_choices(likely), key=lambda each: not each.likely),
            }
    return render(request, "web/assembly/unclassified.html", context, status=422 if wrong else 200)


def _choices(likely: tuple[str, ...]) -> list[Choice]:
    return [Choice(each.slug, each.title, each.key, each.slug in likely) for each in completion.pieces().values()]


def _said(piece: str, done: completion.Mapped, *, always: bool) -> str:
    title = completion.title_of(piece)
    if not always:
        return f"{title}. This document alone."
    changed = "1 document" if done.changed == 1 else f"{done.changed:,} documents"
    return f"{title}, always for this code of this sender. {changed} changed."


@screen(completion.CLASSIFY)
@require_safe
def codes(request: SignedInRequest) -> HttpResponse:
    """The codes this site maps, and those that wait for it."""
    asked_for = request.GET
    return _codes(
        request,
        {name: asked_for.get(name, "") for name in ("system", "code", "sender", "piece")},
    )


def _codes(request: SignedInRequest, typed: dict[str, str], wrong: str = "") -> HttpResponse:
    ctx = request.access
    waiting: dict[tuple[int, str, str], int] = {}
    page = work.items(ctx, QUEUE, limit=_MOST_WAITING)
    for item in page.items:
        if "code" in item.detail:
            key = (int(item.detail["source"]), str(item.detail["system"]), str(item.detail["code"]))
            waiting[key] = waiting.get(key, 0) + 1
    with connection.cursor() as cursor:
        senders = record.source_rows(cursor, {source for source, _, _ in waiting})
    rows = []
    for (source, system, code), count in sorted(waiting.items(), key=lambda each: -each[1]):
        sender = senders[source].name if source in senders else ""
        address = urlencode({"system": system, "code": code, "sender": sender})
        rows.append({"sender": sender, "system": system, "code": code, "count": count, "address": address})
    context = {
        "queue": QUEUE,
        "mappings": completion.mappings(ctx),
        "ended": completion.mappings(ctx, ended=True)[:50],
        "waiting": rows,
        "pieces": list(completion.pieces().values()),
        "typed": typed,
        "wrong": wrong,
    }
    return render(request, "web/assembly/codes.html", context, status=422 if wrong else 200)


@screen(completion.MAP_CODES)
@require_POST
def map_code(request: SignedInRequest) -> HttpResponse:
    """Map a code to a piece."""
    typed = {name: request.POST.get(name, "").strip() for name in ("system", "code", "sender", "piece")}
    try:
        done = completion.map_code(
            request.access, typed["system"], typed["code"], typed["piece"], sender=typed["sender"]
        )
    except completion.CompletionError as error:
        return _codes(request, typed, str(error))
    messages.success(request, f"Mapped. {done.documents:,} documents carry the code; {done.changed:,} changed.")
    return redirect("document-codes")


@screen(completion.MAP_CODES)
@require_POST
def end_mapping(request: SignedInRequest, mapping: int) -> HttpResponse:
    """End a mapping."""
    try:
        done = completion.end_mapping(request.access, mapping)
    except completion.CompletionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Ended. {done.changed:,} documents changed.")
    return redirect("document-codes")


def _kind(kind: str) -> EncounterKind:
    try:
        return EncounterKind(kind)
    except ValueError:
        raise Http404("There is no such kind of encounter.") from None


@screen(completion.CLASSIFY)
@require_safe
def order(request: SignedInRequest, kind: str = EncounterKind.INPATIENT.value) -> HttpResponse:
    """The order of one kind of encounter's charts, with the versions before."""
    chosen = _kind(kind)
    found = completion.chart_order(chosen)
    pieces = [(slug, completion.title_of(slug)) for slug in found.pieces]
    context = {
        "kinds": [(each.value, each.value.replace("-", " ").capitalize()) for each in EncounterKind],
        "kind": chosen.value,
        "order": found,
        "pieces": pieces,
        "versions": completion.chart_order_versions(chosen),
        "may_change": may(request.access, completion.CHANGE_ORDER),
        "hand": request.GET.get("hand", "") or (pieces[0][0] if pieces else ""),
    }
    return render(request, "web/assembly/order.html", context)


def _changed(
    request: SignedInRequest, kind: str, act: Callable[[EncounterKind, int], object], said: str, hand: str = ""
) -> HttpResponse:
    """Change an order as it was seen, and go back to it with the same piece at hand."""
    chosen = _kind(kind)
    sent = request.POST.get("version", "")
    try:
        act(chosen, number_of(sent))
    except completion.CompletionError as error:
        messages.error(request, str(error))
    else:
        if said:
            messages.success(request, said)
    address = reverse("chart-order", args=(chosen.value,))
    return redirect(f"{address}?{urlencode({'hand': hand})}" if hand else address)


@screen(completion.CHANGE_ORDER)
@require_POST
def move(request: SignedInRequest, kind: str) -> HttpResponse:
    """Move a piece one place up or down."""
    piece = request.POST.get("piece", "")
    by = -1 if request.POST.get("to") == "up" else 1
    return _changed(
        request,
        kind,
        lambda chosen, version: completion.move_piece(request.access, chosen, piece, by, version=version),
        "",
        piece if piece in completion.pieces() else "",
    )


@screen(completion.CHANGE_ORDER)
@require_POST
def restore(request: SignedInRequest, kind: str) -> HttpResponse:
    """Put a kind's charts back in the order they stood in before any change."""
    return _changed(
        request,
        kind,
        lambda chosen, version: completion.restore_chart_order(request.access, chosen, version=version),
        "The order as it was before any change. Every version is kept.",
    )
