"""Two patients who are perhaps one person, side by side: the same, different, or ask somebody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from charthouse.foundation.access.api import may
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from charthouse.people import api as people
from charthouse.web import permissions
from charthouse.web.security.api import SignedInRequest, screen

from .queues import name_of, open_next

QUEUE = identity.POSSIBLE_DUPLICATES
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Bar:
    """A step of the evidence: bits in words and as a bar between ``start`` and ``end``, hundredths of the width."""

    words: str
    weight: float
    start: float
    width: float

    @property
    def against(self) -> bool:
        return self.weight < 0


def _item(request: SignedInRequest, item: int) -> work.WorkItem:
    try:
        found = work.item(request.access, item)
    except work.ItemNotFound as error:
        raise Http404(str(error)) from None
    if found.queue != QUEUE:
        raise Http404("There is no such item among the possible duplicates.")
    return found


def bars(steps: tuple[identity.Step, ...]) -> list[Bar]:
    """The waterfall: each bar begins where the one before ended, all within one width."""
    places, at = [], 0.0
    for step in steps:
        places.append((at, at + step.weight))
        at += step.weight
    low = min([0.0, *(min(pair) for pair in places)])
    span = max([0.0, *(max(pair) for pair in places)]) - low or 1.0
    return [
        Bar(step.words, step.weight, (min(pair) - low) / span * 100, max(abs(step.weight) / span * 100, 0.5))
        for step, pair in zip(steps, places, strict=True)
    ]


@screen(identity.REVIEW_DUPLICATES)
@require_safe
def duplicate(request: SignedInRequest, item: int) -> HttpResponse:
    """The pair of one item."""
    ctx = request.access
    found = _item(request, item)
    pair = identity.pair_of_item(ctx, item)
    context: dict[str, object] = {
        "item": found,
        "pair": pair,
        "open": found.state is not work.ItemState.FINISHED,
        "owner": name_of(found.owner, people.names_of([found.owner])) if found.owner else "",
        "mine": found.owner == ctx.actor,
    }
    if pair is not None:
        ledger.append_read(
            ctx,
            "identity.pair-read",
            subjects=[ledger.Subject("patient", side.public_id) for side in (pair.left, pair.right)],
            detail={"item": item},
        )
        context |= {
            "differing": pair.differing,
            "equal": [each for each in pair.fields if not each.differs and each.left],
            "bars": bars(pair.score.waterfall),
            "percent": f"{pair.score.probability * 100:.1f}",
            "one_already": pair.left.person == pair.right.person,
            "may_read_chart": may(ctx, permissions.READ_CHART),
        }
    return render(request, "web/duplicates/pair.html", context)


def _decided(
    request: SignedInRequest, item: int, decide: Callable[[int, int, str], object], said: str
) -> HttpResponse:
    """Decide about the pair and open the next; what forbids it is said on the pair."""
    found = _item(request, item)
    reason = request.POST.get("reason", "").strip()[:_LONGEST].replace("\0", "")
    try:
        if found.state is work.ItemState.FINISHED:
            raise identity.CannotDecide(f"This pair was decided meanwhile: {found.outcome}. Nothing was changed.")
        one, other = (int(each) for each in found.detail["patients"])
        if identity.pair_of_item(request.access, item) is None:
            raise identity.CannotDecide("One of the two is a patient you may not see. Ask somebody who may.")
        decide(one, other, reason)
    except identity.CannotDecide as error:
        messages.error(request, str(error))
        return redirect("duplicate", item=item)
    messages.success(request, said)
    return open_next(request, QUEUE)


@screen(identity.REVIEW_DUPLICATES)
@require_POST
def same(request: SignedInRequest, item: int) -> HttpResponse:
    """The two are one person."""
    return _decided(
        request,
        item,
        lambda one, other, reason: identity.link(request.access, one, other, reason),
        "Filed under one person.",
    )


@screen(identity.REVIEW_DUPLICATES)
@require_POST
def different(request: SignedInRequest, item: int) -> HttpResponse:
    """The two are two persons, for good."""
    return _decided(
        request,
        item,
        lambda one, other, reason: identity.tell_apart(request.access, one, other, reason),
        "Kept as two persons. They will not be asked about again.",
    )


@screen(identity.REVIEW_DUPLICATES)
@require_POST
def ask(request: SignedInRequest, item: int) -> HttpResponse:
    """Hold the item with a question, and open the next."""
    _item(request, item)
    try:
        work.hold(request.access, item, request.POST.get("reason", "").strip()[:_LONGEST].replace("\0", ""))
    except work.WorkError as error:
        messages.error(request, str(error))
        return redirect("duplicate", item=item)
    messages.success(request, "Held with your question.")
    return open_next(request, QUEUE)
