"""A held update beside the patient it names: the same person after all, or another."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from charthouse.foundation.access.api import may
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.work import api as work
from charthouse.identity import api as identity
from charthouse.intake import api as intake
from charthouse.people import api as people
from charthouse.web.security.api import SignedInRequest, screen

from .duplicates import bars
from .queues import name_of, open_next

QUEUE = identity.SUSPECTED_OVERLAYS
_LONGEST = 500


def _item(request: SignedInRequest, item: int) -> work.WorkItem:
    try:
        found = work.item(request.access, item)
    except work.ItemNotFound as error:
        raise Http404(str(error)) from None
    if found.queue != QUEUE:
        raise Http404("There is no such item among the suspected overlays.")
    return found


@screen(identity.DECIDE_OVERLAY)
@require_safe
def overlay(request: SignedInRequest, item: int) -> HttpResponse:
    """What is known of the patient, what the update says, and why it is held."""
    ctx = request.access
    found = _item(request, item)
    is_open = found.state is not work.ItemState.FINISHED
    filed = identity.persons_of([int(found.detail["patient"])]) if found.detail.get("filed") else None
    held = identity.held_of_item(ctx, item) if is_open and filed is None else None
    context: dict[str, object] = {
        "item": found,
        "held": held,
        "open": is_open,
        "owner": name_of(found.owner, people.names_of([found.owner])) if found.owner else "",
        "mine": found.owner == ctx.actor,
    }
    if filed:
        ((patient, person),) = filed.items()
        context |= {
            "filed": {"patient": patient, "person": person, "message": found.detail["messages"][0]},
            "may_split": may(ctx, identity.SPLIT_PATIENT),
            "may_see_person": may(ctx, identity.SEE_PERSON),
        }
    if held is not None:
        ledger.append_read(
            ctx,
            "identity.overlay-read",
            subjects=[ledger.Subject("patient", held.patient.public_id)],
            detail={"item": item, "message": held.message},
        )
        context |= {
            "differing": [each for each in held.fields if each.differs],
            "equal": [each for each in held.fields if not each.differs and each.left],
            "bars": bars(held.waterfall),
            "parted": sorted(held.parted, key=lambda each: -each[1]),
            "may_see_person": may(ctx, identity.SEE_PERSON),
            "may_read_message": may(ctx, intake.READ_UNFILED),
        }
    return render(request, "web/overlays/overlay.html", context)


def _decided(request: SignedInRequest, item: int, *, same: bool, said: str) -> HttpResponse:
    found = _item(request, item)
    held = identity.held_of_item(request.access, item) if found.state is not work.ItemState.FINISHED else None
    sent = request.POST.get("message", "")
    try:
        if held is None or sent != str(held.message):
            raise identity.CannotDecide("Somebody decided about this update meanwhile. Nothing was changed.")
        parted = request.POST.get("parted", "")
        if parted and parted not in {each.public_id for each, _ in held.parted}:
            raise identity.CannotDecide("Choose one of those that were parted from this patient, or a new one.")
        left = intake.decide_overlay(
            request.access,
            held.patient.patient,
            held.message,
            same=same,
            reason=request.POST.get("reason", "").strip()[:_LONGEST].replace("\0", ""),
            parted=parted,
        )
    except identity.CannotDecide as error:
        messages.error(request, str(error))
        return redirect("overlay", item=item)
    messages.success(request, said)
    if left:
        messages.warning(request, "The message waits in Unfiled messages for another reason.")
    if work.item(request.access, item).state is not work.ItemState.FINISHED:
        return redirect("overlay", item=item)
    return open_next(request, QUEUE)


@screen(identity.DECIDE_OVERLAY)
@require_POST
def same(request: SignedInRequest, item: int) -> HttpResponse:
    """It is the same person: the update is applied, or stays where it was filed."""
    found = _item(request, item)
    if found.detail.get("filed"):
        reason = request.POST.get("reason", "").strip()[:_LONGEST].replace("\0", "")
        try:
            identity.accept_filed(request.access, int(found.detail["patient"]), reason)
        except identity.CannotDecide as error:
            messages.error(request, str(error))
            return redirect("overlay", item=item)
        messages.success(request, "The update stays as it is.")
        return open_next(request, QUEUE)
    return _decided(request, item, same=True, said="Applied. What waited behind it was tried again.")


@screen(identity.DECIDE_OVERLAY)
@require_POST
def another(request: SignedInRequest, item: int) -> HttpResponse:
    """It is another person: the update is filed under a patient of their own."""
    return _decided(request, item, same=False, said="Filed under another patient. This one is as it was.")
