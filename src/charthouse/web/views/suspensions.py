"""The suspension list: who is proposed and suspended, who was when, and deciding."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from charthouse.completion import api as completion
from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import may
from charthouse.foundation.ledger.api import append_read
from charthouse.web.actions.print_suspensions import print_suspensions
from charthouse.web.printing import day_of, fhir_date, local_day
from charthouse.web.security.api import SignedInRequest, screen

from .prints import pdf_response
from .quality import csv_response

RULE = "completion.suspension-list"


@screen(completion.SEE_LETTERS)
@require_safe
def suspensions(request: SignedInRequest) -> HttpResponse:
    """Who is proposed or suspended now; with ``on``, who was suspended that day; or the times that ended."""
    ctx = request.access
    on = day_of(request.GET.get("on", ""))
    view = "past" if request.GET.get("view") == "past" and on is None else "now"
    if on is not None:
        lines = completion.suspended_on(ctx, on)
    else:
        lines = completion.past_suspensions(ctx) if view == "past" else completion.listed_suspensions(ctx)
    context = {
        "view": view,
        "on": on,
        "lines": lines,
        "today": clock.today(ZoneInfo(configuration().time_zone)),
        "policy": completion.site_policy(),
        "rule": RULE,
        "may_write": may(ctx, completion.DECIDE_SUSPENSION),
    }
    return render(request, "web/suspensions/list.html", context)


@screen(completion.DECIDE_SUSPENSION)
@require_POST
def update(request: SignedInRequest) -> HttpResponse:
    """Bring the list up to date by the bylaws now, rather than in some minutes."""
    done = completion.propose_suspensions()
    messages.success(
        request, f"{done.proposed} proposed, {done.withdrawn} withdrawn because completed, {done.lifted} lifted."
    )
    return redirect("suspensions")


def _shown(request: SignedInRequest) -> tuple[list[completion.SuspensionLine], str]:
    on = day_of(request.POST.get("on", ""))
    if on is not None:
        return completion.suspended_on(request.access, on), f"Suspended on {fhir_date(on.isoformat())}"
    return completion.listed_suspensions(request.access), "Suspension list"


@screen(completion.SEE_LETTERS)
@require_POST
def exported(request: SignedInRequest) -> HttpResponse:
    """The list as CSV."""
    lines, _ = _shown(request)
    append_read(request.access, "completion.export-suspensions", detail={"rows": len(lines)})
    columns = ("Practitioner", "State", "By what", "Delinquent charts", "Oldest, days", "Proposed", "Suspended")
    return csv_response(
        columns,
        (
            (
                each.who,
                each.words,
                each.reached,
                str(each.delinquent),
                str(each.days),
                local_day(each.proposed_at),
                local_day(each.suspended_at) if each.suspended_at else "",
            )
            for each in lines
        ),
    )


@screen(completion.SEE_LETTERS)
@require_POST
def printed(request: SignedInRequest) -> HttpResponse:
    """The list on paper."""
    lines, title = _shown(request)
    return pdf_response(request, print_suspensions(request.access, title, lines))


@screen(completion.SEE_LETTERS)
@require_safe
def suspension(request: SignedInRequest, number: int) -> HttpResponse:
    """One time on the list: why, what is owed now, its history, the letters before; and the decision."""
    ctx = request.access
    found = completion.suspension(ctx, number)
    if found is None:
        raise Http404("There is no such suspension.")
    line = found.line
    context = {
        "found": found,
        "line": line,
        "letters": completion.letters(ctx, practitioner=line.practitioner, limit=10).lines,
        "times": [each for each in completion.suspensions_of(ctx, line.practitioner) if each.number != number],
        "policy": completion.site_policy(),
        "today": clock.today(ZoneInfo(configuration().time_zone)),
        "rule": RULE,
        "proposed": line.state == completion.SuspensionState.PROPOSED,
        "suspended": line.state == completion.SuspensionState.SUSPENDED,
        "may_decide": may(ctx, completion.DECIDE_SUSPENSION),
    }
    return render(request, "web/suspensions/one.html", context)


def _decided(request: SignedInRequest, number: int, act: Callable[[], str]) -> HttpResponse:
    try:
        messages.success(request, act())
    except completion.LetterError as error:
        messages.error(request, str(error))
    return redirect("suspension", number=number)


@screen(completion.DECIDE_SUSPENSION)
@require_POST
def suspend(request: SignedInRequest, number: int) -> HttpResponse:
    """Suspend who is proposed."""

    def act() -> str:
        if completion.suspend(request.access, number, request.POST.get("note", "")) == "suspended":
            return "Suspended. It ends by itself when nothing delinquent is left."
        return "Everything delinquent was completed meanwhile, so the proposal is withdrawn."

    return _decided(request, number, act)


@screen(completion.DECIDE_SUSPENSION)
@require_POST
def spare(request: SignedInRequest, number: int) -> HttpResponse:
    """Spare who is proposed, until a day."""

    def act() -> str:
        until = day_of(request.POST.get("until", ""))
        day = completion.spare(request.access, number, request.POST.get("reason", ""), until)
        return f"Spared until {fhir_date(day.isoformat())}."

    return _decided(request, number, act)


@screen(completion.DECIDE_SUSPENSION)
@require_POST
def lift(request: SignedInRequest, number: int) -> HttpResponse:
    """End a suspension before everything is completed."""

    def act() -> str:
        completion.lift(request.access, number, request.POST.get("reason", ""))
        return "The suspension is lifted."

    return _decided(request, number, act)
