"""The board of completion: counts and the rate, each opening its list; discharges; what one practitioner owes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from charthouse.completion import api as completion
from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, may
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.rulepacks.api import parameter, rule
from charthouse.identity import api as identity
from charthouse.people import api as people
from charthouse.web.actions.print_board import print_board
from charthouse.web.board_words import DAY_COLUMNS, board_sections, day_rows, formula, trends_of
from charthouse.web.printing import day_of
from charthouse.web.security.api import SignedInRequest, screen

from .incomplete import note_charts, practitioner_named
from .prints import pdf_response
from .quality import csv_response

_DAYS = 7
#: How many days a trend may be of, the shortest first.
TREND = (30, 90, 365)
#: How many of those who owe most are listed.
_MOST = 20


def _days_asked(sent: QueryDict) -> int:
    """How many days the trend is asked for."""
    asked = sent.get("days", "")[:4]
    return int(asked) if asked in map(str, TREND) else TREND[0]


@screen(completion.READ_CHARTS)
@require_safe
def board(request: SignedInRequest) -> HttpResponse:
    """Incomplete and delinquent charts by kind, service, age, what is lacking and who owes it; the rate, and how
    these went from day to day."""
    found = completion.board(request.access, _MOST)
    days = _days_asked(request.GET)
    context = {
        "board": found,
        "rate": found.rate,
        "rule": rule(completion.RATE),
        "trends": trends_of(completion.last_days(request.access, days), found.rate.benchmark),
        "days": days,
        "spans": TREND,
        "may_report": may(request.access, completion.MAKE_REPORT),
        "nameless": completion.WITHOUT_NAME if may(request.access, completion.ANALYSE) else "",
    }
    return render(request, "web/incomplete/board.html", context)


@screen(completion.READ_CHARTS)
@require_POST
def exported(request: SignedInRequest) -> HttpResponse:
    """The board as CSV. Nobody's patient is in it."""
    found = completion.board(request.access, _MOST)
    ledger.append_read(request.access, "completion.board-exported")
    rows = [
        *(("Kind", each.title, str(each.incomplete), str(each.delinquent)) for each in found.kinds),
        *(("Service", each.title, str(each.incomplete), str(each.delinquent)) for each in found.services),
        *(("Age", each.title, str(each.incomplete), str(each.delinquent)) for each in found.ages),
        *(("Lacking", each.kind.replace("-", " "), str(each.open), str(each.overdue)) for each in found.lacking),
        *(("Practitioner", each.name, str(each.open), str(each.overdue)) for each in found.practitioners),
        ("Rate", "delinquent charts", str(found.rate.delinquent), ""),
        ("Rate", "discharges", str(found.rate.discharges), str(found.rate.months)),
        ("Rate", "per cent", f"{found.rate.percent:.1f}" if found.rate.percent is not None else "", ""),
    ]
    return csv_response(("What", "Of", "Number", "Late"), rows)


@screen(completion.READ_CHARTS)
@require_POST
def printed(request: SignedInRequest) -> HttpResponse:
    """The board on paper."""
    return pdf_response(request, print_board(request.access, completion.board(request.access, _MOST), _MOST))


@screen(completion.READ_CHARTS)
@require_safe
def days(request: SignedInRequest) -> HttpResponse:
    """Each of the last days as it was counted, the latest first, with the drawings of them."""
    number = _days_asked(request.GET)
    counted = completion.last_days(request.access, number)
    benchmark = float(parameter(completion.RATE, "benchmark"))
    # Several hundred rows, whose addresses differ in their last word alone.
    here = reverse("incomplete-days")
    context = {
        "counted": [
            (f"{here}/{each.day}", day, numbers, at)
            for each, (day, *numbers, at) in zip(reversed(counted), reversed(day_rows(counted)), strict=True)
        ],
        "columns": DAY_COLUMNS,
        "trends": trends_of(counted, benchmark),
        "missed": sum(each.at is None for each in counted),
        "days": number,
        "spans": TREND,
        "rule": rule("completion.snapshot"),
    }
    return render(request, "web/incomplete/days.html", context)


@screen(completion.READ_CHARTS)
@require_POST
def days_exported(request: SignedInRequest) -> HttpResponse:
    """The days as CSV."""
    counted = completion.last_days(request.access, _days_asked(request.POST))
    ledger.append_read(request.access, "completion.days-exported", detail={"days": len(counted)})
    return csv_response(DAY_COLUMNS, day_rows(counted))


@screen(completion.READ_CHARTS)
@require_safe
def day(request: SignedInRequest, day: str) -> HttpResponse:
    """What was counted of one day: by service and facility, and the board as it was then."""
    wanted = day_of(day)
    found = completion.day_counted(request.access, wanted, _MOST) if wanted else None
    if wanted is None or found is None:
        raise Http404("That day was not counted, or is none.")
    context = {
        "day": wanted.isoformat(),
        "found": found,
        "rate": formula(found.board.rate),
        "sections": [each for each in board_sections(found.board) if each.title in _OF_A_DAY],
        "rule": rule("completion.snapshot"),
    }
    return render(request, "web/incomplete/day.html", context)


#: What is shown of a day beside its counts by service and facility.
_OF_A_DAY = ("By kind of encounter", "By age since discharge", "By type of deficiency", "By practitioner")


@screen(completion.READ_CHARTS)
@require_safe
def discharges(request: SignedInRequest) -> HttpResponse:
    """Each day's discharges against the charts in analysis; one without a chart is named."""
    ctx = request.access
    until = day_of(request.GET.get("until", "")) or clock.today(configuration().time_zone)
    days = completion.reconciliation(ctx, until, _DAYS)
    missing = [each for day in days for each in day.without]
    known = identity.sources_named(ctx, {each.patient for each in missing})
    ledger.append_read(
        ctx,
        "completion.discharges-read",
        subjects=[ledger.Subject("person", str(each.person)) for each in known.values()],
        detail={"days": len(days), "without": len(missing)},
    )
    context = {
        "days": days,
        "missing": [(each, known.get(each.patient)) for each in missing],
        "until": until,
        "earlier": until - timedelta(days=_DAYS),
        "rule": rule("completion.reconciliation"),
    }
    return render(request, "web/incomplete/discharges.html", context)


# ---- one practitioner


def _entry(ctx: AccessContext, number: int) -> people.PractitionerEntry:
    found = people.practitioner(ctx, number)
    if found is None:
        raise Http404("There is no such practitioner.")
    return found


def _keys(entry: people.PractitionerEntry) -> list[str]:
    return [f"Practitioner/{each}" for each in entry.public_ids]


@screen(completion.READ_CHARTS)
@require_safe
def practitioner(request: SignedInRequest, entry: int) -> HttpResponse:
    """What one practitioner owes, and whether they are here."""
    ctx = request.access
    found = _entry(ctx, entry)
    if found.id != entry:
        return redirect("practitioners-owes", entry=found.id)
    owed = completion.owed_by(ctx, _keys(found))
    note_charts(ctx, [each.chart for each in owed], "practitioner")
    absences = completion.away(ctx, _keys(found))
    context = {
        "entry": found,
        "owed": owed,
        "count": sum(len(each.deficiencies) for each in owed),
        "absences": absences,
        "here": not any(each.ended is None and each.since <= clock.now() for each in absences),
        "marked": any(each.ended is None for each in absences),
        "may_mark": may(ctx, completion.MARK_AWAY),
        "now": clock.now(),
    }
    return render(request, "web/incomplete/practitioner.html", context)


def _told(request: SignedInRequest, act: Callable[[], object], said: str) -> None:
    try:
        act()
    except completion.CompletionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)


@screen(completion.MARK_AWAY)
@require_POST
def mark_away(request: SignedInRequest, entry: int) -> HttpResponse:
    """Mark the practitioner as away or gone; what they owe goes to who stands in."""
    ctx = request.access
    found = _entry(ctx, entry)
    sent = request.POST
    zone = ZoneInfo(configuration().time_zone)
    until = day_of(sent.get("until", ""))

    def act() -> Any:
        stand_in = practitioner_named(request) if sent.get("named", "").strip() else ""
        return completion.mark_away(
            ctx,
            _keys(found)[0],
            gone=sent.get("how") == "gone",
            until=datetime.combine(until + timedelta(days=1), time(), zone) if until else None,
            stand_in=stand_in,
            reason=sent.get("reason", "")[:1_001],
        )

    _told(request, act, "Marked. What they owe is asked of who stands in, or waits for a name.")
    return redirect("practitioners-owes", entry=found.id)


@screen(completion.MARK_AWAY)
@require_POST
def back(request: SignedInRequest, entry: int, absence: int) -> HttpResponse:
    """The practitioner is back."""
    ctx = request.access
    found = _entry(ctx, entry)
    if absence not in {each.id for each in completion.away(ctx, _keys(found))}:
        raise Http404("There is no such absence.")
    _told(request, lambda: completion.end_away(ctx, absence), "Back. What is theirs is asked of them again.")
    return redirect("practitioners-owes", entry=found.id)
