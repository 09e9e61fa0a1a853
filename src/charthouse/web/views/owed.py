"""What a physician owes: read it, sign several at once after each was opened, say that it is not theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.completion import api as completion
from charthouse.completion.api import DeficiencyLine, For, Owed
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, may
from charthouse.foundation.ledger import api as ledger
from charthouse.frontdesk import api as frontdesk
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.record.api import Meaning
from charthouse.record.chart import Document
from charthouse.web import document_acts
from charthouse.web.numbers import number_of
from charthouse.web.owing import note_kind, own
from charthouse.web.proving import asks_secret, proved
from charthouse.web.reading import note_chart
from charthouse.web.security.api import SignedInRequest, screen

from .chart import open_chart, with_pages

_MOST_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Line:
    """Something owed: ``document`` is the (type, id) it is about, ``signs`` that the asker can sign it, ``writes``
    that a note would be it."""

    deficiency: DeficiencyLine
    document: tuple[str, str] | None
    signs: bool
    writes: bool


def _lines(owed: Owed) -> list[Line]:
    found = []
    for each in owed.deficiencies:
        kind, _, id = each.about.partition("/")
        document = (kind, id) if kind in record.SIGNED_TYPES and id else None
        unsigned = document is not None and each.what == "unsigned"
        writes = document is None and (bool(note_kind(each)) or not each.piece)
        found.append(Line(each, document, unsigned, writes))
    return found


@screen(completion.OWE)
@require_safe
def owed(request: SignedInRequest) -> HttpResponse:
    """Everything the asker owes, by chart, what is due soonest first."""
    found = completion.owed(request.access)
    ledger.append_read(
        request.access,
        "completion.owed-read",
        subjects=[ledger.Subject("person", str(each.chart.person)) for each in found if each.chart.person],
        detail={"charts": len(found)},
    )
    lines = [(each.chart, _lines(each)) for each in found]
    context = {
        "owed": lines,
        "count": sum(len(each) for _, each in lines),
        "overdue": sum(one.deficiency.overdue for _, each in lines for one in each),
        "signable": any(one.signs for _, each in lines for one in each),
        "asks_secret": asks_secret(request),
        "may_write": may(request.access, frontdesk.WRITE_NOTE),
        "linked": bool(request.access.practitioners),
        "now": clock.now(),
    }
    return render(request, "web/owed/list.html", context)


@screen(completion.OWE)
@require_safe
def document(request: SignedInRequest, deficiency: int) -> HttpResponse:
    """The document that is owed a signature, opened: from now on it can be signed with others."""
    ctx = request.access
    owed, one = own(ctx, deficiency)
    kind, _, id = one.about.partition("/")
    if owed.chart.person is None or kind not in record.SIGNED_TYPES:
        raise Http404("This is about no document that is open to you.")
    opened = open_chart(ctx, owed.chart.person)
    shown = record.document(ctx, opened.patients, kind, id)
    if shown is None:
        raise Http404("The chart has no such document, or it is not open to you.")
    note_chart(ctx, opened.person, "owed", resource=(kind, id))
    context = opened.context(ctx, "documents") | {
        "document": shown,
        "parts": [with_pages(ctx, opened.patients, shown, part) for part in shown.parts],
        "bare": True,
        "alone": True,
        "each": one,
        "line": owed.chart,
        "signs": one.what == "unsigned" and _meaning(ctx, shown) is not None,
        "inside": "HX-Request" in request.headers,
        "among": one.says if "HX-Request" in request.headers else "",
        "asks_secret": asks_secret(request),
    }
    template = "web/owed/document.html" if context["inside"] else "web/owed/one.html"
    return render(request, template, context)


def _meaning(ctx: AccessContext, document: Document) -> Meaning | None:
    """What the asker says by signing this document; None where it is not theirs to sign."""
    offered = document_acts.meanings_of(ctx, document)
    return next((each for each in offered if each is not Meaning.VERIFIER), None)


@screen(completion.OWE)
@require_POST
def sign(request: SignedInRequest) -> HttpResponse:
    """Sign what was opened and chosen, each by itself: what cannot be signed is said and stops no other."""
    ctx = request.access
    chosen = [each.partition("|") for each in dict.fromkeys(request.POST.getlist("sign"))][:_MOST_AT_ONCE]
    if not chosen:
        messages.error(request, "Open what you sign, and tick it.")
        return redirect("owed")
    try:
        confirmed = proved(request)
    except record.DocumentError as error:
        messages.error(request, str(error))
        return redirect("owed")
    done, faults = 0, []
    for number, _, seen in chosen:
        try:
            _sign_one(ctx, number_of(number), seen, confirmed)
        except record.DocumentError as error:
            faults.append(str(error))
        except Http404 as error:
            faults.append(str(error))
        else:
            done += 1
    if done:
        messages.success(request, f"{done} {'document' if done == 1 else 'documents'} signed, each as you saw it.")
    for words in list(dict.fromkeys(faults))[:3]:
        messages.error(request, words)
    return redirect("owed")


def _sign_one(ctx: AccessContext, number: int, seen: str, confirmed: Any) -> None:
    owed, one = own(ctx, number)
    kind, _, id = one.about.partition("/")
    if owed.chart.person is None:
        raise record.DocumentError("The chart is not open to you.")
    patients = identity.patients_of(ctx, owed.chart.person)
    shown = record.document(ctx, patients, kind, id)
    meaning = _meaning(ctx, shown) if shown else None
    if meaning is None:
        raise record.DocumentError("This is not yours to sign. Say so, and the department looks whose it is.")
    record.sign_document(ctx, patients, kind, id, seen=seen, meaning=meaning, confirmed=confirmed)


@screen(completion.OWE)
@require_http_methods(["GET", "POST"])
def not_mine(request: SignedInRequest, deficiency: int) -> HttpResponse:
    """Say that it is another's, and why."""
    owed, one = own(request.access, deficiency)
    fault = ""
    if request.method == "POST":
        try:
            completion.dispute_deficiency(
                request.access,
                one.id,
                version=number_of(request.POST.get("version", "")),
                reason=request.POST.get("reason", ""),
                words=request.POST.get("words", "")[:1_001],
            )
        except completion.CompletionError as error:
            fault = str(error)
        else:
            messages.success(request, "The department looks whose it is. It is no longer on your list.")
            return redirect("owed")
    context = {
        "each": one,
        "line": owed.chart,
        "fault": fault,
        "reasons": completion.reasons(For.NOT_MINE).items(),
        "typed": request.POST,
    }
    return render(request, "web/owed/not_mine.html", context, status=422 if fault else 200)
