"""The list of single deficiencies over all charts: what the numbers of the board count.

It says of what kind each is and what of it, in the words of the rules; what a deficiency itself says stands in its
chart."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from charthouse.completion import api as completion
from charthouse.completion.api import DeficiencyFilters, State, What
from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext
from charthouse.people import api as people
from charthouse.web.board_words import moment
from charthouse.web.numbers import SMALL, whole
from charthouse.web.printing import words
from charthouse.web.security.api import SignedInRequest, screen

from .incomplete import note_charts
from .quality import csv_response

#: What the list may be of, by the word in its address.
STATES: dict[str, tuple[str, tuple[State, ...]]] = {
    "unsettled": ("Not settled", ()),
    "open": ("Open", (State.OPEN,)),
    "proposed": ("To be confirmed", (State.PROPOSED,)),
    "closed": ("Closed", (State.CLOSED,)),
    "waived": ("Waived", (State.WAIVED,)),
    "administrative": ("Closed administratively", (State.ADMINISTRATIVE,)),
    "noted": ("Noted as late", (State.NOTED,)),
}
#: What of it is lacking, beside what people add by hand.
WHATS = (*(each.value for each in What), "asked for", "qualitative")
_NARROWED_BY = ("kind", "what", "service", "facility", "practitioner", "who", "late", "nameless", "disputed")
_FILTERS = ("state", *_NARROWED_BY, "month")
_COLUMNS = ("Deficiency", "What", "Patient", "Service", "Discharged", "Owed by", "Due", "Overdue", "State", "Ended")
_MOST = 2_000
#: So many months can be chosen for what was settled.
_MONTHS = 24
#: A name may be that of so many practitioners; what all of them owe is then listed.
_NAMESAKES = 20


def filters_of(ctx: AccessContext, asked: Any) -> tuple[DeficiencyFilters, dict[str, str], list[str]]:
    """What an address asks for, its words as they are kept, and in words what its form does not show."""
    said = {name: " ".join(asked.get(name, "")[:200].replace("\0", "").split()) for name in _FILTERS}
    if said["state"] not in STATES:
        said["state"] = ""
    narrowed = []
    wanted = DeficiencyFilters(
        states=STATES[said["state"] or "unsettled"][1],
        kind=said["kind"],
        what=said["what"] if said["what"] in WHATS else "",
        service=said["service"],
        overdue=said["late"] == "1",
        in_time=said["late"] == "0",
        nameless=bool(said["nameless"]),
        disputed=bool(said["disputed"]),
    )
    wanted = replace(wanted, facility=whole(said["facility"], SMALL))
    if said["practitioner"]:
        who = completion.named([said["practitioner"]]).get(said["practitioner"])
        wanted = replace(wanted, practitioner=who.keys if who else (said["practitioner"],))
        narrowed.append(f"owed by {who.shown if who else said['practitioner']}")
    elif said["who"]:
        found = people.find_practitioners(ctx, said["who"], _NAMESAKES)
        known = completion.named(f"Practitioner/{id}" for each in found for id in each.public_ids)
        keys = sorted({key for each in known.values() for key in each.keys})
        wanted = replace(wanted, practitioner=tuple(keys) or ("nobody is called so",))
        names = "; ".join(each.shown for each in found) or "nobody: no practitioner is called so"
        narrowed.append(f"owed by {names}")
    if wanted.nameless:
        narrowed.append("without a name")
    if wanted.disputed:
        narrowed.append("said not to be theirs")
    if wanted.service:
        narrowed.append("service not stated" if wanted.service == "-" else f"service {wanted.service}")
    if wanted.settled:
        period = _month(said["month"])
        said["month"] = period.text
        zone = ZoneInfo(configuration().time_zone)
        since, until = (datetime.combine(each, time(), zone) for each in (period.since, period.until))
        wanted = replace(wanted, since=since, until=until, overdue=False, in_time=False)
        narrowed.append(f"settled in {period.title}")
    else:
        said["month"] = ""
    return wanted, {name: value for name, value in said.items() if value}, narrowed


def _month(text: str) -> completion.Period:
    today = clock.today(configuration().time_zone)
    try:
        return completion.period_of(text)
    except completion.PeriodError:
        return completion.period_of(f"{today:%Y-%m}")


def _months(chosen: str) -> tuple[completion.Period, ...]:
    """The months that can be chosen; the chosen one is among them, however long ago."""
    months = completion.periods_until(clock.today(configuration().time_zone), _MONTHS, 0)
    if not chosen or chosen in {each.text for each in months}:
        return months
    return (*months, completion.period_of(chosen))


@screen(completion.READ_CHARTS)
@require_safe
def deficiencies(request: SignedInRequest) -> HttpResponse:
    """Deficiencies one by one, those due soonest first; settled ones of a month, the latest first."""
    ctx = request.access
    wanted, kept, narrowed = filters_of(ctx, request.GET)
    page = completion.deficiencies(ctx, wanted, request.GET.get("after", "")[:60])
    note_charts(ctx, [chart for _, chart in page.rows], "deficiencies")
    number = completion.count_deficiencies(ctx, wanted)
    places = [each for each in people.facilities() if each.closed_at is None]
    kinds = completion.deficiency_kinds(ctx)
    context = {
        "page": page,
        "rows": page.rows,
        "total": f"{completion.MOST_COUNTED:,}+" if number > completion.MOST_COUNTED else f"{number:,}",
        "asked": kept,
        "states": [(name, title) for name, (title, _) in STATES.items()],
        "kinds": kinds if not wanted.kind or wanted.kind in kinds else (wanted.kind, *kinds),
        "whats": WHATS,
        "places": places if len(places) > 1 else [],
        "hidden": ("service", "practitioner", "nameless", "disputed"),
        "narrowed": narrowed,
        "settled": wanted.settled,
        "months": _months(kept.get("month", "")),
        "next": urlencode(kept | {"after": page.next}) if page.next else "",
    }
    return render(request, "web/incomplete/deficiencies.html", context)


@screen(completion.READ_CHARTS)
@require_POST
def exported(request: SignedInRequest) -> HttpResponse:
    """The list as CSV."""
    wanted, _, _ = filters_of(request.access, request.POST)
    page = completion.deficiencies(request.access, wanted, limit=_MOST)
    note_charts(request.access, [chart for _, chart in page.rows], "deficiencies-csv")
    return csv_response(
        _COLUMNS,
        (
            (
                words(each.kind),
                each.what,
                chart.patient or "not shown",
                chart.service,
                moment(chart.discharged) if chart.discharged else "",
                each.owed_by,
                moment(each.due) if each.due else "",
                "yes" if each.overdue else "",
                each.state.words,
                moment(each.ended) if each.ended else "",
            )
            for each, chart in page.rows
        ),
    )
