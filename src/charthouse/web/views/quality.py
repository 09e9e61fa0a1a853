"""The index quality board; each number opens its list, which can be printed and taken along as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from charthouse.foundation.access.api import may
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from charthouse.people import api as people
from charthouse.web import permissions
from charthouse.web.actions.export_lists import export_work_list, note_list
from charthouse.web.actions.print_lists import print_list
from charthouse.web.csv_text import csv_text
from charthouse.web.numbers import whole
from charthouse.web.security.api import SignedInRequest, screen

from .prints import pdf_response
from .queues import name_of

#: The list of the board that is decided of, not only read.
PLACEHOLDERS = "placeholders"


@screen(identity.SEE_QUALITY)
@require_safe
def quality(request: SignedInRequest) -> HttpResponse:
    """The board."""
    ctx = request.access
    found = identity.board(ctx)
    names = people.names_of({each.key for each in found.people})
    queues = {each.code for each in work.queues(ctx)}
    context: dict[str, Any] = {
        "board": found,
        "measures": [(each, each.queue in queues) for each in found.measures],
        "people": [(each, name_of(each.key, names)) for each in found.people],
        "resolved": [
            (code, title, each, _took(each.median), _took(each.slowest), code in queues)
            for code, title, each in found.resolved
        ],
    }
    return render(request, "web/quality/board.html", context)


def _took(time: timedelta | None) -> str:
    if time is None:
        return ""
    minutes = time.total_seconds() / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"


def _listing(request: SignedInRequest, code: str) -> tuple[identity.Listing, str]:
    """The list with people by their names, and what it is narrowed to."""
    key = (request.POST if request.method == "POST" else request.GET).get("key", "")[:80]
    found = identity.listed(request.access, code, key)
    if found is None:
        raise Http404("The board has no such list.")
    return found, key


def rows_in_words(listing: identity.Listing) -> list[tuple[tuple[str, ...], object]]:
    """The rows with whoever decided by name."""
    if "By" not in listing.columns:
        return [(row.cells, row.person) for row in listing.rows]
    at = listing.columns.index("By")
    names = people.names_of({row.cells[at] for row in listing.rows})
    return [
        ((*row.cells[:at], name_of(row.cells[at], names), *row.cells[at + 1 :]), row.person) for row in listing.rows
    ]


@screen(identity.SEE_QUALITY)
@require_safe
def listed(request: SignedInRequest, code: str) -> HttpResponse:
    """What a number counts."""
    found, key = _listing(request, code)
    note_list(request.access, found)
    context = {
        "listing": found,
        "rows": rows_in_words(found),
        "key": key,
        "may_see_person": may(request.access, identity.SEE_PERSON),
    }
    return render(request, "web/quality/list.html", context)


@screen(identity.SEE_QUALITY)
@require_safe
def placeholders(request: SignedInRequest) -> HttpResponse:
    """Values that stand for none, and what somebody decided of them."""
    found = identity.listed(request.access, PLACEHOLDERS)
    if found is None:
        raise Http404("The board has no such list.")
    note_list(request.access, found)
    lines = identity.placeholder_lines(request.access)
    names = people.names_of({each.decided_by for each in lines if each.decided_by})
    context = {
        "listing": found,
        "lines": [(each, name_of(each.decided_by, names) if each.decided_by else "") for each in lines],
        "may_decide": may(request.access, identity.CHANGE_MATCHING),
    }
    return render(request, "web/quality/placeholders.html", context)


@screen(identity.CHANGE_MATCHING)
@require_POST
def decide_placeholders(request: SignedInRequest) -> HttpResponse:
    """The chosen values are not believed from now on, or are."""
    accepted = request.POST.get("verdict") == "accept"
    ids = [number for each in request.POST.getlist("id") if (number := whole(each)) is not None]
    try:
        identity.decide_placeholders(request.access, ids, accepted=accepted, why=request.POST.get("why", "")[:500])
    except identity.CannotDecide as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, "They are not believed from now on." if accepted else "They are believed as any other value."
        )
    return redirect("quality-placeholders")


@screen(identity.SEE_QUALITY)
@require_POST
def printed(request: SignedInRequest, code: str) -> HttpResponse:
    """The list on paper."""
    found, _ = _listing(request, code)
    cells = [cells for cells, _ in rows_in_words(found)]
    return pdf_response(request, print_list(request.access, found, cells))


@screen(identity.SEE_QUALITY)
@require_POST
def exported(request: SignedInRequest, code: str) -> HttpResponse:
    """The list as CSV."""
    found, _ = _listing(request, code)
    note_list(request.access, found, how="csv")
    return csv_response(found.columns, (cells for cells, _ in rows_in_words(found)))


def csv_response(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> HttpResponse:
    """A table as CSV, under a name that says nothing."""
    response = HttpResponse(csv_text(columns, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="list.csv"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


@screen(permissions.OPEN_DESK)
@require_POST
def work_list(request: SignedInRequest, queue: str) -> HttpResponse:
    """What waits in a queue, as CSV. Who may is the queue's own right."""
    try:
        columns, rows = export_work_list(request.access, queue)
    except work.UnknownQueue as error:
        raise Http404(str(error)) from None
    return csv_response(columns, rows)
