"""The desk: every queue as one list, what is done to its items, and one item beside or before the list.

What may be done is each queue's own to allow: the actions of work ask for its right again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, may
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.rulepacks import api as rulepacks
from charthouse.foundation.work import api as work
from charthouse.people import api as people
from charthouse.web import permissions
from charthouse.web.numbers import SMALL, number_of, whole
from charthouse.web.printing import day_of
from charthouse.web.security.api import SignedInRequest, screen

#: So many rows fill the window of the design and a little more.
PAGE = 40
#: So many are acted on at once; the page shows no more.
MOST_AT_ONCE = 100
_LONGEST = 500

_RUNNING = (work.ItemState.OPEN, work.ItemState.TAKEN)
TABS = {
    "open": "All open",
    "overdue": "Overdue",
    "unassigned": "Unassigned",
    "mine": "Mine",
    "held": "Held",
    "finished": "Finished",
}
DUE = {"today": "Today or before", "week": "Within 7 days", "month": "Within 30 days"}
_DAYS = {"today": 1, "week": 8, "month": 31}
#: The filters of the desk as they stand in its address and in a saved view.
_FILTERS = ("tab", "facility", "rule", "owner", "due", "from", "to")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the desk: the item, its subject and the queue's own columns in words, who has it, where it opens."""

    item: work.WorkItem
    subject: str
    cells: tuple[str, ...]
    owner: str
    facility: str
    opens: str
    at_hand: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """The filters as asked for. ``wanted`` is what work is asked; ``kept`` the words of the address."""

    tab: str
    wanted: work.Filters
    kept: dict[str, str]

    @property
    def filtered(self) -> bool:
        return any(name != "tab" for name in self.kept)


def _queue(ctx: AccessContext, code: str) -> work.Queue:
    try:
        return work.require_queue(ctx, code)
    except work.UnknownQueue as error:
        raise Http404(str(error)) from None


def _chosen(ctx: AccessContext, asked: Any) -> Chosen:
    kept = {name: asked.get(name, "")[:100].replace("\0", "") for name in _FILTERS}
    tab = kept["tab"] if kept["tab"] in TABS else "open"
    facility = whole(kept["facility"], SMALL)
    since, until = day_of(kept["from"]), day_of(kept["to"])
    today = clock.today(configuration().time_zone)
    before = _starts(until + timedelta(days=1)) if until and until < date.max else None
    if kept["due"] in _DAYS:
        before = min(filter(None, (before, _starts(today + timedelta(days=_DAYS[kept["due"]])))))
    if tab == "overdue":
        before = min(filter(None, (before, clock.now())))
    wanted = work.Filters(
        owner=kept["owner"] or None,
        facility=facility,
        rule=kept["rule"] or None,
        due_from=_starts(since) if since else None,
        due_before=before,
    )
    if tab in {"overdue"}:
        wanted = replace(wanted, states=_RUNNING)
    elif tab == "unassigned":
        wanted = replace(wanted, states=(work.ItemState.OPEN,))
    elif tab == "mine":
        wanted = replace(wanted, owner=ctx.actor)
    elif tab == "held":
        wanted = replace(wanted, states=(work.ItemState.HELD,))
    elif tab == "finished":
        wanted = replace(wanted, states=(work.ItemState.FINISHED,))
    said = {name: value for name, value in kept.items() if value and name != "tab"}
    return Chosen(tab, wanted, said if tab == "open" else {"tab": tab} | said)


def _starts(day: date) -> datetime:
    """When a day begins by the site's clock."""
    return datetime.combine(day, time(), ZoneInfo(configuration().time_zone))


def address(item: work.WorkItem) -> str:
    """Where an item is decided: its queue's own screen, or the item by itself."""
    opens = work.queue(item.queue).opens
    if opens is None:
        return reverse("queue-item", args=(item.queue, item.id))
    name, arguments = opens(item)
    return reverse(name, args=arguments)


def owners(items: Sequence[work.WorkItem]) -> dict[str, str]:
    """What the owners of items are called."""
    return people.names_of({item.owner for item in items if item.owner})


def name_of(actor: str, names: dict[str, str]) -> str:
    """An actor in words: a person by name, a part of the program by what it is."""
    if actor.startswith("system"):
        return "Charthouse"
    return names.get(actor, actor)


def _lines(
    ctx: AccessContext,
    queue: work.Queue,
    items: Sequence[work.WorkItem],
    places: Mapping[int, str],
    hand: int = 0,
    place: int = -1,
) -> list[Line]:
    told = work.describe_all(ctx, queue.code, items)
    columns = [column.read(ctx, items) for column in queue.columns]
    names = owners(items)
    known = {item.id for item in items}
    at = hand if hand in known else items[min(place, len(items) - 1)].id if items and place >= 0 else 0
    return [
        Line(
            item=item,
            subject=told[item.id],
            cells=tuple(column.get(item.id, "") for column in columns),
            owner=name_of(item.owner, names) if item.owner else "",
            facility=places.get(item.facility, "") if item.facility else "",
            opens=address(item),
            at_hand=item.id == at,
        )
        for item in items
    ]


def note_items(ctx: AccessContext, queue: str, items: Sequence[work.WorkItem]) -> None:
    """Items were shown, with their patients in words."""
    patients = dict.fromkeys(item.patient for item in items if item.patient)
    if patients:
        ledger.append_read(
            ctx,
            "work.read",
            subjects=[ledger.Subject("patient", each) for each in patients],
            detail={"queue": queue},
        )


@screen(permissions.OPEN_DESK)
@require_safe
def desk(request: SignedInRequest, code: str) -> HttpResponse:
    """The items of a queue: most urgent first, then soonest due."""
    ctx = request.access
    queue = _queue(ctx, code)
    chosen = _chosen(ctx, request.GET)
    try:
        page = work.items(ctx, code, chosen.wanted, request.GET.get("after"), limit=PAGE)
    except work.WorkError as error:
        messages.error(request, str(error))
        return redirect("queue", code=code)
    (waiting,) = work.waiting(ctx, code)
    counted = {
        "open": waiting.unfinished,
        "overdue": waiting.overdue,
        "unassigned": waiting.unassigned,
        "mine": waiting.mine,
        "held": waiting.held,
    }
    narrowed = chosen.filtered
    total = work.count(ctx, code, chosen.wanted) if narrowed or chosen.tab == "finished" else counted[chosen.tab]
    note_items(ctx, code, page.items)
    hand, place = number_of(request.GET.get("hand", "")), number_of(request.GET.get("place", ""))
    without_tab = {name: value for name, value in chosen.kept.items() if name != "tab"}
    views = work.views(ctx, code)
    facilities = people.facilities()
    places = [each for each in facilities if each.closed_at is None and each.id in ctx.facilities]
    names = {each.id: each.name for each in facilities}
    context: dict[str, Any] = {
        "queue": queue,
        "lines": _lines(ctx, queue, page.items, names, hand, place),
        "waiting": waiting,
        "tab": chosen.tab,
        "tabs": [
            (name, title, _capped(counted.get(name), work.MOST_COUNTED), urlencode({"tab": name} | without_tab))
            for name, title in TABS.items()
        ],
        "total": _capped(total, work.MOST_COUNTED if not narrowed and chosen.tab != "finished" else 1000),
        "asked": chosen.kept,
        "filtered": narrowed,
        "here": urlencode(chosen.kept),
        "next": urlencode(chosen.kept | {"after": page.next}) if page.next else "",
        "views": [(each, urlencode(each.filters), dict(each.filters) == chosen.kept) for each in views],
        "facilities": places if len(places) > 1 else [],
        "rules": _rules(work.rules_in(ctx, code)),
        "colleagues": people.colleagues(queue.roles),
        "due": DUE,
        "may_assign": may(ctx, work.ASSIGN),
        "now": clock.now(),
    }
    at_hand = next((line for line in context["lines"] if line.at_hand), None)
    if at_hand is not None:
        context |= {"at_hand": _about(ctx, queue, at_hand)}
    return render(request, "web/queues/desk.html", context)


def _rules(codes: Sequence[str]) -> list[tuple[str, str]]:
    known = rulepacks.load().versions
    return [(code, known[code][-1].title if code in known else code) for code in codes]


def _capped(number: int | None, most: int) -> str:
    if number is None:
        return ""
    return f"{most:,}+" if number > most else f"{number:,}"


@screen(permissions.OPEN_DESK)
@require_safe
def item(request: SignedInRequest, code: str, item: int) -> HttpResponse:
    """One item with its reason, rule and history; only the summary beside the list when the list asked for it."""
    ctx = request.access
    queue = _queue(ctx, code)
    try:
        found = work.item(ctx, item)
    except work.ItemNotFound as error:
        raise Http404(str(error)) from None
    if found.queue != code:
        raise Http404("There is no such item in this queue.")
    note_items(ctx, code, [found])
    (line,) = _lines(ctx, queue, [found], {each.id: each.name for each in people.facilities()})
    context = _about(ctx, queue, line) | {
        "queue": queue,
        "colleagues": people.colleagues(queue.roles),
        "may_assign": may(ctx, work.ASSIGN),
        "now": clock.now(),
    }
    template = "preview" if "HX-Request" in request.headers else "item"
    return render(request, f"web/queues/{template}.html", context)


def _about(ctx: AccessContext, queue: work.Queue, line: Line) -> dict[str, Any]:
    """What the summary of an item shows: its words, its rule, its history with the last first."""
    found = line.item
    told = work.history(ctx, found.id)
    names = people.names_of({each.actor for each in told})
    return {
        "item": found,
        "line": line,
        "cells": list(zip((column.title for column in queue.columns), line.cells, strict=True)),
        "rule": dict(_rules([found.rule])).get(found.rule) if found.rule else None,
        "has_rule_page": found.rule in rulepacks.load().versions,
        "history": [(each, name_of(each.actor, names)) for each in reversed(told)],
    }


# ---- what is done to items

_Act = Callable[[AccessContext, int, int, dict[str, str]], work.WorkItem]


def _hold(ctx: AccessContext, id: int, version: int, said: dict[str, str]) -> work.WorkItem:
    until = day_of(said["hold_until"])
    if said["hold_until"] and until is None:
        raise work.WorkError("The end of the hold is no day; choose one from the calendar.")
    return work.hold(ctx, id, said["reason"], _starts(until) if until else None, version=version)


def _release(ctx: AccessContext, id: int, version: int, said: dict[str, str]) -> work.WorkItem:
    if work.item(ctx, id).state is work.ItemState.HELD:
        return work.resume(ctx, id, said["reason"], version=version)
    return work.release(ctx, id, said["reason"], version=version)


def _assign(ctx: AccessContext, id: int, version: int, said: dict[str, str]) -> work.WorkItem:
    queue = work.queue(work.item(ctx, id).queue)
    if said["assignee"] not in {each.actor for each in people.colleagues(queue.roles)}:
        raise work.WorkError("Choose somebody who works in this queue.")
    return work.assign(ctx, id, said["assignee"], said["reason"], version=version)


_ACTS: dict[str, tuple[str, _Act]] = {
    "take": ("taken", lambda ctx, id, version, said: work.take(ctx, id, version=version)),
    "assign": ("assigned", _assign),
    "hold": ("held", _hold),
    "finish": (
        "finished",
        lambda ctx, id, version, said: work.finish_item(ctx, id, said["reason"], version=version),
    ),
    "release": ("given back", _release),
    "reopen": (
        "opened again",
        lambda ctx, id, version, said: work.reopen(ctx, id, said["reason"], version=version),
    ),
    "note": ("noted", lambda ctx, id, version, said: work.note(ctx, id, said["reason"])),
}


@screen(permissions.OPEN_DESK)
@require_POST
def act(request: SignedInRequest, code: str) -> HttpResponse:
    """Do one thing to the items chosen, each by itself: what cannot be done to one is said and stops no other."""
    ctx = request.access
    _queue(ctx, code)
    word, do = _ACTS.get(request.POST.get("act", ""), ("", None))
    if do is None:
        raise Http404("There is no such thing to do.")
    fields = ("reason", "assignee", "hold_until")
    said = {name: request.POST.get(name, "").strip()[:_LONGEST].replace("\0", "") for name in fields}
    chosen = [value.partition(".") for value in dict.fromkeys(request.POST.getlist("item"))]
    if not chosen:
        messages.error(request, "Choose an item first: move to it, or select several with x.")
    if len(chosen) > MOST_AT_ONCE:
        messages.error(request, f"At most {MOST_AT_ONCE} items are acted on at once; nothing was done.")
        chosen = []
    done, refused = work.do_to_each(
        code,
        [(number_of(id), number_of(version)) for id, _, version in chosen],
        lambda id, version: do(ctx, id, version, said),
    )
    if done:
        messages.success(request, f"{done} {'item' if done == 1 else 'items'} {word}.")
    for words in list(dict.fromkeys(refused))[:3]:
        messages.error(request, words)
    if len(refused) > 3:
        messages.error(request, f"{len(refused)} items stay as they were; the first reasons stand above.")
    return _back(request, code)


def _back(request: SignedInRequest, code: str) -> HttpResponse:
    """To the item by itself where that was at hand, else to the list as it was, at the same place."""
    alone = request.POST.get("alone", "")
    if alone:
        return redirect("queue-item", code=code, item=max(number_of(alone), 0))
    kept = _chosen(request.access, request.POST).kept
    for name in ("hand", "place", "after"):
        if value := request.POST.get(name, ""):
            kept[name] = value[:200]
    query = urlencode(kept)
    return HttpResponseRedirect(reverse("queue", args=(code,)) + (f"?{query}" if query else ""))


@screen(permissions.OPEN_DESK)
@require_POST
def next_item(request: SignedInRequest, code: str) -> HttpResponse:
    """Take the item that comes next, and open it."""
    _queue(request.access, code)
    return open_next(request, code)


def open_next(request: SignedInRequest, code: str) -> HttpResponse:
    """Take the next item of a queue and go where it is decided; to the list where none waits."""
    found = work.take_next(request.access, code)
    if found is None:
        messages.info(request, "Nothing waits for anybody in this queue now.")
        return redirect("queue", code=code)
    return HttpResponseRedirect(address(found))


@screen(permissions.OPEN_DESK)
@require_POST
def views(request: SignedInRequest, code: str) -> HttpResponse:
    """Save the filters at hand under a name, or remove a saved view."""
    ctx = request.access
    _queue(ctx, code)
    try:
        if remove := request.POST.get("remove", ""):
            work.remove_view(ctx, code, number_of(remove))
            messages.success(request, "The view was removed.")
            return redirect("queue", code=code)
        made = work.save_view(ctx, code, request.POST.get("name", ""), _chosen(ctx, request.POST).kept)
        messages.success(request, f"Saved as “{made.name}”.")
    except work.WorkError as error:
        messages.error(request, str(error))
    return _back(request, code)
