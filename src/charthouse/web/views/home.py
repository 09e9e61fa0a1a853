"""The morning board: the reader's queues, what is overdue, the midnight census, and whether messages flow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from charthouse.completion import api as completion
from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, may
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from charthouse.intake import api as intake
from charthouse.record import api as record
from charthouse.web import permissions
from charthouse.web.security.api import SignedInRequest, screen

from .queues import address, name_of, note_items, owners

#: So many overdue items stand on the board, and so many encounters that break the census; the rest are behind them.
MOST_OVERDUE = 10
MOST_BREAKS = 20


@dataclass(frozen=True, slots=True)
class Late:
    """An overdue item on the board."""

    item: work.WorkItem
    queue: str
    subject: str
    owner: str
    opens: str


@dataclass(frozen=True, slots=True)
class Broken:
    """An encounter that breaks the census: what is wrong with it, and whose chart tells more, where known."""

    facility: str
    words: str
    person: UUID | None


@screen(permissions.OPEN_HOME)
@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """What waits for this reader this morning."""
    ctx = request.access
    sees_intake = may(ctx, intake.READ_UNFILED)
    sees_census = may(ctx, record.READ_CENSUS)
    context: dict[str, object] = {
        "queues": [
            (
                each.queue,
                *(_capped(n) for n in (each.unfinished, each.overdue, each.unassigned, each.mine, each.held)),
            )
            for each in work.waiting(ctx)
        ],
        "late": _late(ctx),
        "now": clock.now(),
        "owes": completion.owed_count(ctx, work.MOST_COUNTED) if may(ctx, completion.OWE) else None,
        "owes_most": work.MOST_COUNTED,
        "sees_intake": sees_intake,
        "sees_census": sees_census,
        "connectors": intake.connectors(ctx) if sees_intake else (),
        "filing": intake.filing_runs(ctx) if sees_intake else True,
    }
    if sees_census:
        until = _midnight()
        found = record.census(ctx, _midnight(before=1), until)
        broken = _broken(ctx, found)
        context |= {
            "midnight": until,
            "census": found,
            "census_agrees": all(each.reconciles for each in found),
            "broken": broken[:MOST_BREAKS],
            "broken_more": len(broken) - len(broken[:MOST_BREAKS]),
        }
    return render(request, "web/home.html", context)


def _capped(number: int) -> str:
    return f"{work.MOST_COUNTED:,}+" if number > work.MOST_COUNTED else f"{number:,}"


def _late(ctx: AccessContext) -> list[Late]:
    items = work.overdue(ctx, limit=MOST_OVERDUE)
    names = owners(items)
    told: dict[int, str] = {}
    for code in dict.fromkeys(item.queue for item in items):
        own = [item for item in items if item.queue == code]
        told |= work.describe_all(ctx, code, own)
        note_items(ctx, code, own)
    return [
        Late(
            item=item,
            queue=work.queue(item.queue).title,
            subject=told[item.id],
            owner=name_of(item.owner, names) if item.owner else "",
            opens=address(item),
        )
        for item in items
    ]


def _midnight(before: int = 0) -> datetime:
    """The last midnight of the site's business clock, or one before it."""
    zone = ZoneInfo(configuration().time_zone)
    return datetime.combine(clock.today(zone) - timedelta(days=before), time(), zone)


def _broken(ctx: AccessContext, found: list[record.FacilityCensus]) -> list[Broken]:
    breaks = [(each.facility, one) for each in found for one in each.breaks]
    patients = {one.stay.patient for _, one in breaks if one.stay.patient is not None}
    persons = identity.persons_of(patients) if patients and may(ctx, permissions.READ_CHART) else {}
    return [
        Broken(facility, one.words, persons.get(one.stay.patient) if one.stay.patient else None)
        for facility, one in breaks
    ]
