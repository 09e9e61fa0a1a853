"""Facilities: where care is given, in which time zone, who numbers the charts, and what stands on letterheads."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from charthouse.foundation.access.api import may, require
from charthouse.people import api as people
from charthouse.web.security.api import SignedInRequest, screen

_LONGEST = 1100
_NAMES = ("code", "name", "kind", "time_zone", "address", "phone", "npi", "ccn")


def _assigners(facility: int | None = None) -> list[people.MrnAssignerLine]:
    """Those that number the charts of a facility: its own, and the organization's."""
    return [each for each in people.mrn_assigners() if facility is None or each.facility in (None, facility)]


@screen(people.SEE_DIRECTORY)
@require_safe
def everywhere(request: SignedInRequest) -> HttpResponse:
    """Every facility, and the MRN assigners."""
    context = {
        "organization": people.organization_name(),
        "facilities": [(line, people.FacilityKind(line.kind).label) for line in people.facilities()],
        "assigners": _assigners(),
        "names": {line.id: line.name for line in people.facilities()},
        "may_manage": may(request.access, people.MANAGE_PLACES),
    }
    return render(request, "web/facilities/list.html", context)


def _typed(request: SignedInRequest) -> dict[str, str]:
    """What was typed; an address keeps its lines."""
    typed = {name: request.POST.get(name, "").replace("\0", "")[:_LONGEST].strip() for name in _NAMES}
    return typed | {"address": "\n".join(line.strip() for line in typed["address"].splitlines())}


def _shown(request: SignedInRequest, values: dict[str, str], fault: str, **more: Any) -> HttpResponse:
    context = {
        "values": values,
        "fault": fault,
        "kinds": people.FacilityKind.choices,
        "may_manage": may(request.access, people.MANAGE_PLACES),
        **more,
    }
    return render(request, "web/facilities/one.html", context, status=422 if fault else 200)


@screen(people.MANAGE_PLACES)
@require_http_methods(["GET", "POST"])
def add(request: SignedInRequest) -> HttpResponse:
    """Add a facility."""
    if request.method != "POST":
        zone = next((line.time_zone for line in people.facilities()), "")
        return _shown(request, dict.fromkeys(_NAMES, "") | {"time_zone": zone, "kind": "hospital"}, "")
    values = _typed(request)
    try:
        made = people.add_facility(request.access, people.FacilityDraft(**values))
    except people.PlaceError as error:
        return _shown(request, values, str(error))
    messages.success(request, "Added.")
    return redirect("facilities-one", facility=made)


@screen(people.SEE_DIRECTORY)
@require_http_methods(["GET", "POST"])
def one(request: SignedInRequest, facility: int) -> HttpResponse:
    """One facility; administrators change it here."""
    found = next((line for line in people.facilities() if line.id == facility), None)
    if found is None:
        raise Http404("There is no such facility.")
    values, fault = {name: getattr(found, name) for name in _NAMES}, ""
    if request.method == "POST":
        require(request.access, people.MANAGE_PLACES)
        values = _typed(request) | {"code": found.code}
        try:
            changed = people.change_facility(request.access, facility, people.FacilityDraft(**values))
        except people.PlaceError as error:
            fault = str(error)
        else:
            messages.success(request, "Changed." if changed else "Nothing was different; nothing was changed.")
            return redirect("facilities-one", facility=facility)
    return _shown(
        request,
        values,
        fault,
        facility=found,
        kind=people.FacilityKind(found.kind).label,
        assigners=_assigners(facility),
    )
