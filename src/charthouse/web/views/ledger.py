"""The ledger: who did or saw what, when, in which role, and how it ended."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from charthouse.foundation.ledger import api as ledger
from charthouse.web import permissions
from charthouse.web.printing import day_of
from charthouse.web.security.api import screen

_OUTCOMES = {outcome.value: outcome for outcome in ledger.Outcome}


def _person(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@screen(permissions.READ_LEDGER)
@require_safe
def entries(request: HttpRequest) -> HttpResponse:
    """Entries, newest first, by who, action, outcome, person and day."""
    asked = request.GET
    person = _person(asked.get("person", ""))
    chosen = ledger.EntryFilter(
        actor=asked.get("actor", "").strip(),
        action=asked.get("action", ""),
        outcome=_OUTCOMES.get(asked.get("outcome", "")),
        subject=ledger.Subject("person", str(person)) if person else None,
        since=day_of(asked.get("since", "")),
        until=day_of(asked.get("until", "")),
    )
    page = ledger.entries(request.access, chosen, asked.get("before") or None)
    kept = {name: value for name, value in asked.items() if name != "before" and value}
    context = {
        "chosen": chosen,
        "person": person,
        "page": page,
        "actions": ledger.actions(),
        "outcomes": list(ledger.Outcome),
        "filtered": bool(kept),
        "next": urlencode(kept | {"before": page.next}) if page.next else "",
    }
    ledger.append_read(request.access, "ledger.read", detail={"filters": sorted(kept), "shown": len(page.rows)})
    return render(request, "web/ledger/list.html", context)


@screen(permissions.READ_LEDGER)
@require_safe
def seal(request: HttpRequest) -> HttpResponse:
    """Whether the ledger was last found whole, and what is not sealed yet."""
    found = ledger.last_verification(request.access)
    return render(request, "web/ledger/seal.html", {"verification": found})
