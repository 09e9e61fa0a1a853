"""Incomplete charts: their list, the analysis desk, and what is decided about each thing a chart lacks."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.completion import api as completion
from charthouse.completion.api import ChartFilters, ChartLine, ChartState, DeficiencyLine, For
from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, may
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.rulepacks import api as rulepacks
from charthouse.foundation.work import api as work
from charthouse.people import api as people
from charthouse.record import api as record
from charthouse.web import permissions
from charthouse.web.actions.print_incomplete import print_incomplete
from charthouse.web.numbers import SMALL, number_of, whole
from charthouse.web.printing import day_of
from charthouse.web.reading import note_chart
from charthouse.web.security.api import SignedInRequest, screen

from .chart import open_chart, with_pages
from .prints import pdf_response
from .quality import csv_response
from .queues import address

#: The tabs of the list, with the states they hold.
TABS = {
    "undone": ("Not complete", (ChartState.INCOMPLETE.value, ChartState.DELINQUENT.value)),
    "delinquent": ("Delinquent", (ChartState.DELINQUENT.value,)),
    "incomplete": ("In time", (ChartState.INCOMPLETE.value,)),
    "complete": ("Complete", (ChartState.COMPLETE.value,)),
    "discharges": ("Discharges of the rate", tuple(each.value for each in ChartState)),
}
_FILTERS = ("tab", "kind", "service", "facility", "practitioner", "lacks", "late", "age")
_MOST = 2_000
_LONGEST = 1_000


def filters_of(ctx: AccessContext, asked: Any) -> tuple[ChartFilters, dict[str, str]]:
    """What an address asks for, and its words."""
    said = {name: asked.get(name, "")[:200].replace("\0", "") for name in _FILTERS}
    tab = said["tab"] if said["tab"] in TABS else "undone"
    wanted = ChartFilters(states=TABS[tab][1], kind=said["kind"], service=said["service"], lacks=said["lacks"])
    wanted = replace(wanted, late=bool(said["late"]), here=said["age"] == "0")
    if tab == "discharges":
        begin, end, kinds = completion.rate_span()
        wanted = replace(wanted, since=begin, discharged_before=end, kinds=kinds, discharges=True)
    wanted = replace(wanted, facility=whole(said["facility"], SMALL))
    if said["practitioner"]:
        who = completion.named([said["practitioner"]]).get(said["practitioner"])
        wanted = replace(wanted, practitioner=who.keys if who else (said["practitioner"],))
    age = whole(said["age"], SMALL)
    if age and age <= len(completion.AGES):
        since, until = completion.age_span(age)
        wanted = replace(wanted, since=since, discharged_before=until)
    kept = {name: value for name, value in said.items() if value and name != "tab"}
    return wanted, kept if tab == "undone" else {"tab": tab} | kept


def note_charts(ctx: AccessContext, lines: list[ChartLine], how: str) -> None:
    """Charts were shown in a list, with their patients by name."""
    ledger.append_read(
        ctx,
        "completion.charts-read",
        subjects=[
            ledger.Subject("person", str(each)) for each in dict.fromkeys(line.person for line in lines) if each
        ],
        detail={"rows": len(lines), "how": how},
    )


@screen(completion.READ_CHARTS)
@require_safe
def charts(request: SignedInRequest) -> HttpResponse:
    """Charts that are not complete, those due soonest first."""
    ctx = request.access
    wanted, kept = filters_of(ctx, request.GET)
    page = completion.charts(ctx, wanted, request.GET.get("after", "")[:60])
    note_charts(ctx, list(page.rows), "screen")
    tab = kept.get("tab", "undone")
    without = {name: value for name, value in kept.items() if name != "tab"}
    places = [each for each in people.facilities() if each.closed_at is None]
    number = completion.count_charts(ctx, wanted)
    who = completion.named([kept["practitioner"]]).get(kept["practitioner"]) if "practitioner" in kept else None
    context = {
        "page": page,
        "tab": tab,
        "tabs": [(name, title, urlencode({"tab": name} | without)) for name, (title, _) in TABS.items()],
        "total": f"{completion.MOST_COUNTED:,}+" if number > completion.MOST_COUNTED else f"{number:,}",
        "asked": kept,
        "kinds": [each.value for each in completion.EncounterKind],
        "places": places if len(places) > 1 else [],
        "names": {each.id: each.name for each in places},
        "narrowed": _narrowed(kept, who),
        "next": urlencode(kept | {"after": page.next}) if page.next else "",
        "may_analyse": may(ctx, completion.ANALYSE),
        "queue": completion.ANALYSIS,
        "now": clock.now(),
    }
    return render(request, "web/incomplete/list.html", context)


def _narrowed(kept: dict[str, str], who: completion.Named | None) -> list[str]:
    """What the list is narrowed to that its form does not show, in words."""
    words = []
    if "practitioner" in kept:
        words.append(f"owed by {who.shown if who else kept['practitioner']}")
    if "lacks" in kept:
        words.append(f"lacking: {kept['lacks'].replace('-', ' ')}")
    if "service" in kept:
        words.append("service not stated" if kept["service"] == "-" else f"service {kept['service']}")
    if "late" in kept:
        words.append("with something overdue")
    if "age" in kept:
        words.append("of one age")
    return words


def rows_in_words(lines: tuple[ChartLine, ...]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A list of charts as headings and cells for paper and CSV."""
    zone = ZoneInfo(configuration().time_zone)

    def day(instant: datetime | None) -> str:
        return instant.astimezone(zone).date().isoformat() if instant else ""

    return ("Patient", "Kind", "Service", "Discharged", "State", "Lacks", "Delinquent from"), [
        (
            each.patient or "not shown",
            each.kind.replace("-", " "),
            each.service,
            day(each.discharged),
            each.state.words,
            str(each.open),
            day(each.due),
        )
        for each in lines
    ]


@screen(completion.READ_CHARTS)
@require_POST
def exported(request: SignedInRequest) -> HttpResponse:
    """The list as CSV."""
    wanted, _ = filters_of(request.access, request.POST)
    page = completion.charts(request.access, wanted, limit=_MOST)
    note_charts(request.access, list(page.rows), "csv")
    return csv_response(*rows_in_words(page.rows))


@screen(completion.READ_CHARTS)
@require_POST
def printed(request: SignedInRequest) -> HttpResponse:
    """The list on paper."""
    wanted, _ = filters_of(request.access, request.POST)
    page = completion.charts(request.access, wanted, limit=_MOST)
    columns, rows = rows_in_words(page.rows)
    persons = [each.person for each in page.rows if each.person]
    return pdf_response(request, print_incomplete(request.access, columns, rows, persons, more=bool(page.next)))


# ---- one chart


def _chart(ctx: AccessContext, number: int) -> completion.OpenChart:
    found = completion.chart(ctx, number)
    if found is None:
        raise Http404("There is no such chart, or it is not open to you.")
    return found


@screen(completion.READ_CHARTS)
@require_safe
def chart(request: SignedInRequest, chart: int) -> HttpResponse:
    """The analysis desk: the chart in order at the left, what it lacks at the right."""
    ctx = request.access
    found = _chart(ctx, chart)
    content = completion.content(ctx, found.line.encounter)
    reads = may(ctx, permissions.READ_CHART) and found.line.person is not None
    shown = _document(request, found, list(content.documents)) if reads else {}
    if "HX-Request" in request.headers and shown.get("document"):
        return render(request, "web/chart/document.html", shown)
    if not shown:
        note_charts(ctx, [found.line], "desk")
    history = completion.history(ctx, chart)
    context = {
        "reads": reads,
        **shown,
        "chart": found,
        "line": found.line,
        "listed": completion.desk_index(content, found.deficiencies),
        "documents": len(content.documents),
        "history": [(each, _turn(each)) for each in history],
        "may_analyse": may(ctx, completion.ANALYSE) and found.line.state is not ChartState.WITHDRAWN,
        "may_decide": may(ctx, completion.DECIDE_CLOSURE),
        "own_closure": found.closure is not None and found.closure.by == ctx.actor,
        "facility": {each.id: each.name for each in people.facilities()}.get(found.line.facility or 0, ""),
        "rules": rulepacks.load().versions,
        "queue": completion.ANALYSIS,
        "now": clock.now(),
    }
    return render(request, "web/incomplete/chart.html", context)


_TURNS = {
    "opened": "found lacking",
    "closed": "lacking no more",
    "noted": "noted as late",
    "disputed": "said not to be theirs",
    "reviewed": "analysed",
    "added": "added by hand",
    "administratively-closed": "closed administratively",
}


def _turn(each: completion.Happening) -> str:
    return _TURNS.get(each.what, each.what.replace("-", " "))


def _document(
    request: SignedInRequest, found: completion.OpenChart, documents: list[completion.DocumentFact]
) -> dict[str, Any]:
    """The document of the chart that is at hand, as the chart shows it."""
    assert found.line.person is not None
    opened = open_chart(request.access, found.line.person)
    kind, _, id = request.GET.get("document", "").partition("/")
    wanted = next(((each.type, each.id) for each in documents if (each.type, each.id) == (kind, id)), None)
    wanted = wanted or next(((each.type, each.id) for each in documents), None)
    document = record.document(request.access, opened.patients, *wanted) if wanted else None
    note_chart(request.access, opened.person, "analysis", resource=wanted if document else None)
    context = opened.context(request.access, "documents") | {"bare": True, "alone": True}
    if document is not None:
        parts = [with_pages(request.access, opened.patients, document, part) for part in document.parts]
        context |= {"document": document, "parts": parts}
    return context


@screen(completion.ANALYSE)
@require_POST
def done(request: SignedInRequest, chart: int) -> HttpResponse:
    """The chart is analysed; the next that waits opens by itself."""
    try:
        completion.review_chart(request.access, chart, version=number_of(request.POST.get("version", "")))
    except completion.CompletionError as error:
        messages.error(request, str(error))
        return redirect("incomplete-chart", chart=chart)
    following = work.take_next(request.access, completion.ANALYSIS)
    if following is None:
        messages.success(request, "Analysed. No other chart waits for analysis now.")
        return redirect("incomplete")
    messages.success(request, "Analysed. This is the next chart.")
    return HttpResponseRedirect(address(following))


# ---- what is decided about one deficiency


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that is done to a deficiency: its title, what its button says, and what does it."""

    slug: str
    title: str
    button: str
    said: str
    do: Callable[[SignedInRequest, DeficiencyLine, int], object]


def _confirm(request: SignedInRequest, each: DeficiencyLine, version: int) -> object:
    return completion.confirm_deficiency(
        request.access, each.id, version=version, reason=request.POST.get("reason", "")
    )


def _waive(request: SignedInRequest, each: DeficiencyLine, version: int) -> object:
    return completion.waive_deficiency(
        request.access, each.id, version=version, reason=request.POST.get("reason", ""), words=_words(request)
    )


def _assign(request: SignedInRequest, each: DeficiencyLine, version: int) -> object:
    return completion.assign_deficiency(
        request.access, each.id, practitioner_named(request), version=version, why=_words(request)
    )


def _change(request: SignedInRequest, each: DeficiencyLine, version: int) -> object:
    return completion.change_deficiency(
        request.access,
        each.id,
        version=version,
        says=request.POST.get("says", "")[: _LONGEST + 1],
        due=_end_of(request.POST.get("due", "")),
        why=_words(request),
    )


def _finish(request: SignedInRequest, each: DeficiencyLine, version: int) -> object:
    return completion.finish_deficiency(request.access, each.id, version=version, words=_words(request))


def _reopen(request: SignedInRequest, each: DeficiencyLine, version: int) -> object:
    return completion.reopen_deficiency(request.access, each.id, version=version, why=_words(request))


ACTS = {
    each.slug: each
    for each in (
        Act("confirm", "Confirm it", "Confirm", "Confirmed.", _confirm),
        Act("waive", "Waive it", "Waive", "Waived; it stays readable below.", _waive),
        Act("assign", "Who owes it", "Assign", "Assigned.", _assign),
        Act("change", "Change what it says", "Change", "Changed.", _change),
        Act("finish", "It is done", "Close", "Closed.", _finish),
        Act("reopen", "Open it again", "Open again", "Open again.", _reopen),
    )
}


def _words(request: SignedInRequest) -> str:
    return request.POST.get("words", "")[: _LONGEST + 1].replace("\0", "")


def practitioner_named(request: SignedInRequest) -> str:
    """The practitioner a form chose from its list or named in words. Raises CompletionError."""
    if chosen := request.POST.get("practitioner", "")[:100]:
        return chosen
    text = " ".join(request.POST.get("named", "")[:200].replace("\0", "").split())
    found = people.find_practitioners(request.access, text, 3) if text else []
    if not found:
        raise completion.CompletionError("Choose who owes it, or write a name or NPI of the directory.")
    if len(found) > 1:
        names = "; ".join(each.shown for each in found)
        raise completion.CompletionError(f"Several are called so: {names}. Write more of the name, or the NPI.")
    return f"Practitioner/{found[0].public_ids[0]}"


def _end_of(text: str) -> datetime | None:
    """The end of a day that was typed, by the site's clock. Raises CompletionError for what is no day."""
    day = day_of(text)
    if text and day is None:
        raise completion.CompletionError("The day is not understood; choose one from the calendar.")
    zone = ZoneInfo(configuration().time_zone)
    return datetime.combine(day + timedelta(days=1), time(), zone) if day else None


@screen(completion.ANALYSE)
@require_http_methods(["GET", "POST"])
def act(request: SignedInRequest, chart: int, deficiency: int, act: str) -> HttpResponse:
    """Ask for what an act needs, and do it."""
    ctx = request.access
    found, doing = _chart(ctx, chart), ACTS.get(act)
    each = next((one for one in found.deficiencies if one.id == deficiency), None)
    if doing is None or each is None:
        raise Http404("The chart has no such deficiency, or nothing of the kind is done to it.")
    fault = ""
    if request.method == "POST":
        try:
            doing.do(request, each, number_of(request.POST.get("version", "")))
        except completion.CompletionError as error:
            fault = str(error)
            if act == "confirm" or isinstance(error, completion.ChangedMeanwhile):
                messages.error(request, fault)
                return redirect("incomplete-chart", chart=chart)
        else:
            messages.success(request, doing.said)
            return HttpResponseRedirect(reverse("incomplete-chart", args=(chart,)) + f"#d-{deficiency}")
    context = {
        "chart": found,
        "line": found.line,
        "each": each,
        "act": doing,
        "fault": fault,
        "reasons": completion.reasons(For.WAIVE if act == "waive" else For.QUALITATIVE).items(),
        "practitioners": completion.content(ctx, found.line.encounter).practitioners if act == "assign" else (),
        "typed": request.POST,
    }
    inside = "HX-Request" in request.headers
    template = "web/incomplete/act_form.html" if inside else "web/incomplete/act.html"
    return render(request, template, context | {"inside": inside}, status=422 if fault else 200)


@screen(completion.ANALYSE)
@require_http_methods(["GET", "POST"])
def add(request: SignedInRequest, chart: int) -> HttpResponse:
    """Add what no rule sees."""
    ctx = request.access
    found = _chart(ctx, chart)
    fault, once = "", request.POST.get("once", "")[:40] or str(uuid.uuid4())
    if request.method == "POST":
        try:
            chosen = any(request.POST.get(name, "").strip() for name in ("practitioner", "named"))
            lack = completion.Lack(
                piece=request.POST.get("piece", "")[:100],
                reason=request.POST.get("reason", "")[:100],
                words=_words(request),
                owed_by=practitioner_named(request) if chosen else "",
                due=_end_of(request.POST.get("due", "")),
            )
            made = completion.add_deficiency(ctx, chart, lack, once=once)
        except completion.CompletionError as error:
            fault = str(error)
        else:
            messages.success(request, "Added.")
            return HttpResponseRedirect(reverse("incomplete-chart", args=(chart,)) + f"#d-{made.pk}")
    context = {
        "chart": found,
        "line": found.line,
        "fault": fault,
        "once": once,
        "pieces": completion.pieces().values(),
        "reasons": completion.reasons(For.QUALITATIVE).items(),
        "practitioners": completion.content(ctx, found.line.encounter).practitioners,
        "typed": request.POST,
    }
    inside = "HX-Request" in request.headers
    template = "web/incomplete/add_form.html" if inside else "web/incomplete/add.html"
    return render(request, template, context | {"inside": inside}, status=422 if fault else 200)


@screen(completion.ASK_TO_CLOSE)
@require_http_methods(["GET", "POST"])
def close(request: SignedInRequest, chart: int) -> HttpResponse:
    """Ask for deficiencies to be closed although they are not met."""
    found = _chart(request.access, chart)
    fault = ""
    if request.method == "POST":
        chosen = [number_of(each) for each in request.POST.getlist("deficiency")]
        try:
            completion.ask_to_close(
                request.access,
                chart,
                chosen,
                _words(request),
                version=number_of(request.POST.get("version", "")),
            )
        except completion.CompletionError as error:
            fault = str(error)
        else:
            messages.success(request, "Asked for. Somebody else, who has the committee’s approval, closes it.")
            return redirect("incomplete-chart", chart=chart)
    context = {"chart": found, "line": found.line, "fault": fault, "typed": request.POST}
    return render(request, "web/incomplete/close.html", context, status=422 if fault else 200)


def _decided(
    request: SignedInRequest, chart: int, closure: int, act: Callable[[], None], said: str
) -> HttpResponse:
    found = _chart(request.access, chart)
    try:
        if found.closure is None or found.closure.id != closure:
            raise completion.CompletionError("This was decided meanwhile. Nothing was changed.")
        act()
    except completion.CompletionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("incomplete-chart", chart=chart)


@screen(completion.DECIDE_CLOSURE)
@require_POST
def approve(request: SignedInRequest, chart: int, closure: int) -> HttpResponse:
    """Close what another asked for."""
    words = _words(request)
    return _decided(
        request,
        chart,
        closure,
        lambda: completion.approve_closure(request.access, closure, words),
        "Closed administratively. Who asked, who approved and where it was approved is kept.",
    )


@screen(completion.ASK_TO_CLOSE)
@require_POST
def refuse(request: SignedInRequest, chart: int, closure: int) -> HttpResponse:
    """Leave it open."""
    words = _words(request)
    return _decided(
        request,
        chart,
        closure,
        lambda: completion.refuse_closure(request.access, closure, words),
        "It stays open.",
    )
