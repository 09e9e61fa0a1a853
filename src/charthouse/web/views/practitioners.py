"""The practitioner directory: who senders name, under which numbers and names, and which entries are one."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.completion.api import READ_CHARTS
from charthouse.foundation.access.api import may
from charthouse.people import api as people
from charthouse.web import directory_reads, permissions
from charthouse.web.numbers import whole
from charthouse.web.security.api import SignedInRequest, screen

_LONGEST = 200
_FOUND = 100


def _text(text: str, longest: int = _LONGEST) -> str:
    return " ".join(text.replace("\0", "").split())[:longest]


@screen(people.SEE_DIRECTORY)
@require_safe
def directory(request: SignedInRequest) -> HttpResponse:
    """All practitioners by name, those a search finds, or the likely duplicates."""
    ctx, text = request.access, _text(request.GET.get("text", ""))
    view = "duplicates" if request.GET.get("view") == "duplicates" else "all"
    page = people.PractitionerPage((), None)
    if view == "all" and text:
        page = people.PractitionerPage(tuple(people.find_practitioners(ctx, text, _FOUND)), None)
    elif view == "all":
        page = people.browse_practitioners(ctx, whole(request.GET.get("after", "")))
    context = {
        "view": view,
        "text": text,
        "page": page,
        "full": bool(text) and len(page.entries) == _FOUND,
        "groups": people.likely_duplicates(ctx) if view == "duplicates" else [],
        "may_correct": may(ctx, people.CORRECT_DIRECTORY),
    }
    return render(request, "web/practitioners/list.html", context)


@screen(people.SEE_DIRECTORY)
@require_safe
def practitioner(request: SignedInRequest, entry: int) -> HttpResponse:
    """One practitioner: numbers, names as senders wrote them, services, how often named, and its merges."""
    ctx = request.access
    found = people.practitioner(ctx, entry)
    if found is None:
        raise Http404("There is no such practitioner.")
    if found.id != entry:
        return redirect("practitioners-one", entry=found.id)
    rows = people.practitioner_rows(ctx, entry)
    senders = directory_reads.senders(rows)
    reads = may(ctx, permissions.READ_CHART)
    context = {
        "entry": found,
        "rows": [(row, senders.get(row.source, row.source)) for row in rows],
        "services": directory_reads.services(ctx, found.public_ids) if reads else [],
        "counts": directory_reads.named_in(ctx, found.public_ids) if reads else [],
        "reads": reads,
        "merges": people.merge_history(ctx, entry),
        "groups": people.likely_duplicates(ctx, entry),
        "may_correct": may(ctx, people.CORRECT_DIRECTORY),
        "may_see_owed": may(ctx, READ_CHARTS),
    }
    return render(request, "web/practitioners/one.html", context)


@screen(people.CORRECT_DIRECTORY)
@require_http_methods(["GET", "POST"])
def merge(request: SignedInRequest, entry: int) -> HttpResponse:
    """Choose the other entry, see both side by side, say which survives and why, and merge."""
    ctx = request.access
    one = people.practitioner(ctx, entry)
    if one is None:
        raise Http404("There is no such practitioner.")
    given = request.POST if request.method == "POST" else request.GET
    chosen = whole(given.get("other", ""))
    other = people.practitioner(ctx, chosen) if chosen is not None else None
    if other is not None and other.id == one.id:
        messages.error(request, "These two entries are one already.")
        return redirect("practitioners-one", entry=one.id)
    fault, reason = "", _text(request.POST.get("reason", ""), 500)
    survives = whole(request.POST.get("survivor", "")) or one.id
    if request.method == "POST" and other is not None:
        survivor, leaving = (other, one) if survives == other.id else (one, other)
        try:
            people.merge_practitioners(ctx, survivor.id, leaving.id, reason)
        except people.DirectoryError as error:
            fault = str(error)
        else:
            messages.success(request, "Merged. Both names find this practitioner; the history below undoes it.")
            return redirect("practitioners-one", entry=survivor.id)
    text = _text(request.GET.get("text", ""))
    context = {
        "one": one,
        "other": other,
        "fault": fault,
        "reason": reason,
        "survives": survives,
        "differ": bool(other and one.npi and other.npi and one.npi != other.npi),
        "sides": [(each, people.practitioner_rows(ctx, each.id)) for each in (one, other) if each and other],
        "text": text,
        "hits": [hit for hit in people.find_practitioners(ctx, text, 20) if hit.id != one.id] if text else [],
        "groups": people.likely_duplicates(ctx, one.id) if other is None else [],
    }
    return render(request, "web/practitioners/merge.html", context, status=422 if fault else 200)


def _done(request: SignedInRequest, entry: int, act: Callable[[], str]) -> HttpResponse:
    try:
        messages.success(request, act())
    except people.DirectoryError as error:
        messages.error(request, str(error))
    return redirect("practitioners-one", entry=entry)


@screen(people.CORRECT_DIRECTORY)
@require_POST
def unmerge(request: SignedInRequest, entry: int, merge: int) -> HttpResponse:
    """Undo one merge of this practitioner's history."""

    def act() -> str:
        people.unmerge_practitioners(request.access, merge, _text(request.POST.get("reason", ""), 500))
        return "The merge is undone; the two stand apart again."

    return _done(request, entry, act)


@screen(people.CORRECT_DIRECTORY)
@require_POST
def correct_npi(request: SignedInRequest, entry: int) -> HttpResponse:
    """Set or clear the NPI of one of this practitioner's entries."""

    def act() -> str:
        row = whole(request.POST.get("row", "")) or entry
        npi = _text(request.POST.get("npi", ""), 20) or None
        people.correct_npi(request.access, row, npi, _text(request.POST.get("reason", ""), 500))
        return "The NPI is corrected, and holds against what arrives later."

    return _done(request, entry, act)
