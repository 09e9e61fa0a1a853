"""The tour of the screens: its steps, kept with the account, left and resumed as one likes."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.foundation.access.api import may
from charthouse.people import api as people
from charthouse.web import permissions
from charthouse.web.security.api import SignedInRequest, screen
from charthouse.web.tour import STEPS


@screen(permissions.OPEN_HOME)
@require_safe
def overview(request: SignedInRequest) -> HttpResponse:
    """All steps, and how far this person is."""
    state = people.tour_state(request.access)
    context = {"steps": STEPS, "state": state, "at_hand": 1 if state.finished else state.done + 1}
    return render(request, "web/tour/overview.html", context)


@screen(permissions.OPEN_HOME)
@require_http_methods(["GET", "POST"])
def step(request: SignedInRequest, number: int) -> HttpResponse:
    """One step; sending it says that it is done and leads to the next."""
    if not 1 <= number <= len(STEPS):
        raise Http404("The tour has no such step.")
    if request.method == "POST":
        people.note_tour_step(request.access, number, last=number == len(STEPS))
        return redirect("tour") if number == len(STEPS) else redirect("tour-step", number=number + 1)
    shown = STEPS[number - 1]
    context = {
        "step": shown,
        "number": number,
        "total": len(STEPS),
        "before": number - 1,
        "opens": may(request.access, shown.permission),
        "holders": sorted(role.title for role in shown.permission.roles),
    }
    return render(request, "web/tour/step.html", context)


@screen(permissions.OPEN_HOME)
@require_POST
def leave(request: SignedInRequest) -> HttpResponse:
    """No more of it for now."""
    people.leave_tour(request.access)
    return redirect("home")
