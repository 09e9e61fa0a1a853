"""Facilities: where care is given, in which time zone, who numbers the charts, what stands on letterheads.

Administrators change, close and reopen them here, and say who numbers their charts.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.foundation.access.api import may, require
from charthouse.people import api as people
from charthouse.record import api as record
from charthouse.web.actions.close_facility import StillThere, close_facility
from charthouse.web.numbers import whole
from charthouse.web.security.api import SignedInRequest, screen

_LONGEST = 1100
#: Digits of the largest number an MRN can hold.
_LONGEST_NUMBER = 18
_NAMES = ("code", "name", "kind", "time_zone", "address", "phone", "npi", "ccn")


def _assigners(facility: int | None = None) -> list[tuple[people.MrnAssignerLine, str]]:
    """Those that number the charts of a facility, its own and the organization's, each with the facility's name."""
    names = {line.id: line.name for line in people.facilities()}
    return [
        (each, names.get(each.facility or 0, ""))
        for each in people.mrn_assigners()
        if facility is None or each.facility in (None, facility)
    ]


@screen(people.SEE_DIRECTORY)
@require_safe
def everywhere(request: SignedInRequest) -> HttpResponse:
    """Every facility, and the MRN assigners."""
    context = {
        "organization": people.organization_name(),
        "facilities": [(line, people.FacilityKind(line.kind).label) for line in people.facilities()],
        "assigners": _assigners(),
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


def _found(facility: int) -> people.FacilityLine:
    found = next((line for line in people.facilities() if line.id == facility), None)
    if found is None:
        raise Http404("There is no such facility.")
    return found


def _one(
    request: SignedInRequest,
    found: people.FacilityLine,
    values: dict[str, str] | None = None,
    fault: str = "",
    reason: str = "",
    inpatients: int = 0,
) -> HttpResponse:
    return _shown(
        request,
        values or {name: getattr(found, name) for name in _NAMES},
        fault,
        inpatients=inpatients,
        sees_census=may(request.access, record.READ_CENSUS),
        facility=found,
        kind=people.FacilityKind(found.kind).label,
        assigners=_assigners(found.id),
        reason=reason,
    )


@screen(people.SEE_DIRECTORY)
@require_http_methods(["GET", "POST"])
def one(request: SignedInRequest, facility: int) -> HttpResponse:
    """One facility; administrators change it here."""
    found = _found(facility)
    if request.method == "POST":
        require(request.access, people.MANAGE_PLACES)
        values = _typed(request) | {"code": found.code}
        try:
            changed = people.change_facility(request.access, facility, people.FacilityDraft(**values))
        except people.PlaceError as error:
            return _one(request, found, values, str(error))
        messages.success(request, "Changed." if changed else "Nothing was different; nothing was changed.")
        return redirect("facilities-one", facility=facility)
    return _one(request, found)


def _why(request: SignedInRequest) -> str:
    return request.POST.get("reason", "").replace("\0", "")[:_LONGEST]


@screen(people.MANAGE_PLACES)
@require_POST
def close(request: SignedInRequest, facility: int) -> HttpResponse:
    """Close a facility; one with inpatients only after they were told of."""
    known = request.POST.get("known", "")
    try:
        close_facility(
            request.access,
            facility,
            _why(request),
            known=_number(known, "The number of inpatients") if known else 0,
        )
    except StillThere as error:
        return _one(request, _found(facility), fault=str(error), reason=_why(request), inpatients=error.inpatients)
    except people.PlaceError as error:
        return _one(request, _found(facility), fault=str(error), reason=_why(request))
    messages.success(request, "Closed.")
    return redirect("facilities-one", facility=facility)


@screen(people.MANAGE_PLACES)
@require_POST
def reopen(request: SignedInRequest, facility: int) -> HttpResponse:
    """Open a closed facility again."""
    try:
        people.reopen_facility(request.access, facility, _why(request))
    except people.PlaceError as error:
        return _one(request, _found(facility), fault=str(error), reason=_why(request))
    messages.success(request, "Open again.")
    return redirect("facilities-one", facility=facility)


def _assigner_shown(request: SignedInRequest, values: dict[str, str], fault: str, **more: Any) -> HttpResponse:
    places = [(str(line.id), line.name) for line in people.facilities() if line.closed_at is None]
    context = {
        "values": values,
        "fault": fault,
        "places": places,
        "methods": [method.value for method in people.CheckDigit],
        **more,
    }
    return render(request, "web/facilities/assigner.html", context, status=422 if fault else 200)


def _number(text: str, what: str) -> int:
    """A whole number that was typed. Raises PlaceError."""
    found = whole(text, _LONGEST_NUMBER)
    if found is None:
        raise people.PlaceError(f"{what} is a whole number.")
    return found


def _place(text: str) -> int | None:
    """The facility that was chosen; None for the whole organization."""
    return _number(text, "The facility") if text else None


def _typed_assigner(request: SignedInRequest) -> dict[str, str]:
    names = ("facility", "system", "prefix", "width", "check_digit", "first")
    return {name: request.POST.get(name, "").replace("\0", "")[:_LONGEST].strip() for name in names}


@screen(people.MANAGE_PLACES)
@require_http_methods(["GET", "POST"])
def add_assigner(request: SignedInRequest) -> HttpResponse:
    """Add an MRN assigner."""
    if request.method != "POST":
        blank = {
            "system": "",
            "prefix": "",
            "width": "6",
            "first": "1",
            "check_digit": people.CheckDigit.NONE.value,
        }
        return _assigner_shown(request, blank | {"facility": request.GET.get("facility", "")}, "")
    values = _typed_assigner(request)
    try:
        if values["check_digit"] not in set(people.CheckDigit):
            raise people.PlaceError("Choose one of the check digits.")
        draft = people.MrnAssignerDraft(
            system=values["system"],
            prefix=values["prefix"],
            width=_number(values["width"], "The number of digits"),
            check_digit=people.CheckDigit(values["check_digit"]),
            first=_number(values["first"], "The first number"),
        )
        people.add_mrn_assigner(request.access, draft, facility=_place(values["facility"]))
    except people.PlaceError as error:
        return _assigner_shown(request, values, str(error))
    messages.success(request, "Added.")
    return redirect("facilities")


@screen(people.MANAGE_PLACES)
@require_http_methods(["GET", "POST"])
def assigner(request: SignedInRequest, assigner: int) -> HttpResponse:
    """Whose charts an MRN assigner numbers, and with how many digits."""
    found = next(((line, name) for line, name in _assigners() if line.id == assigner), None)
    if found is None:
        raise Http404("There is no such MRN assigner.")
    line, name = found
    if request.method != "POST":
        now = {"facility": str(line.facility or ""), "width": str(line.width)}
        return _assigner_shown(request, now, "", assigner=line, place=name)
    values = _typed_assigner(request)
    try:
        width = _number(values["width"], "The number of digits")
        changed = people.change_mrn_assigner(
            request.access, assigner, facility=_place(values["facility"]), width=width
        )
    except people.PlaceError as error:
        return _assigner_shown(request, values, str(error), assigner=line, place=name)
    messages.success(request, "Changed." if changed else "Nothing was different; nothing was changed.")
    return redirect("facilities")
