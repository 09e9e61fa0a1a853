"""The ledger: who did or saw what, when, in which role, and how it ended."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from charthouse.configuration import configuration
from charthouse.foundation.ledger import api as ledger
from charthouse.identity import api as identity
from charthouse.people.api import User
from charthouse.web.printing import day_of
from charthouse.web.security.api import SignedInRequest, screen

_OUTCOMES = {outcome.value: outcome for outcome in ledger.Outcome}
_LONGEST = 100


def _midnight(day: date | None) -> datetime | None:
    """The beginning of a day in the site's time zone."""
    return datetime.combine(day, time(), ZoneInfo(configuration().time_zone)) if day else None


def _person(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _actor(typed: str) -> str:
    """How the ledger names whom a person named: a user name, or an actor as the ledger writes it."""
    user = User.objects.filter(username__iexact=typed).first() if typed and ":" not in typed else None
    return user.actor if user else typed


@screen(ledger.LEDGER_READ)
@require_safe
def entries(request: SignedInRequest) -> HttpResponse:
    """Entries, newest first, by who, action, outcome, person and day (both days included)."""
    ctx, asked = request.access, request.GET
    person = _person(asked.get("person", ""))
    since, until = day_of(asked.get("since", "")), day_of(asked.get("until", ""))
    filters = ledger.Filters(
        actor=_actor(asked.get("actor", "").strip()[:_LONGEST]),
        action=asked.get("action", "").strip()[:_LONGEST],
        outcome=_OUTCOMES.get(asked.get("outcome", "")),
        persons=(str(person),) if person else (),
        patients=tuple(str(patient) for patient in identity.patients_of(ctx, person)) if person else (),
        since=_midnight(since),
        until=_midnight(until + timedelta(days=1)) if until else None,
    )
    try:
        page = ledger.entries(ctx, filters, asked.get("before", ""))
    except ValueError as error:
        raise Http404(str(error)) from error
    kept = {name: value for name, value in asked.items() if name != "before" and value}
    context = {
        "filters": filters,
        "person": person,
        "since": since,
        "until": until,
        "page": page,
        "outcomes": list(ledger.Outcome),
        "filtered": bool(kept),
        "next": urlencode(kept | {"before": page.next}) if page.next else "",
    }
    about = [ledger.Subject("person", str(person))] if person else []
    ledger.append_read(
        ctx, "ledger.read", subjects=about, detail={"filters": sorted(kept), "shown": len(page.lines)}
    )
    return render(request, "web/ledger/list.html", context)


@screen(ledger.LEDGER_READ)
@require_safe
def seal(request: SignedInRequest) -> HttpResponse:
    """What a verification is, and the way to run one."""
    return render(request, "web/ledger/seal.html", {"report": None})


@screen(ledger.LEDGER_READ)
@require_POST
def verify(request: SignedInRequest) -> HttpResponse:
    """Check every entry against the seals and the signed heads, and say what was found."""
    report = ledger.verify()
    ledger.append_read(
        request.access, "ledger.verified", detail={"whole": report.is_whole, "checked": report.checked}
    )
    return render(request, "web/ledger/seal.html", {"report": report})
