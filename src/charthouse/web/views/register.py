"""Register a person and correct one: search before create, former values kept.

What is typed travels by POST alone; while one types, the page asks whom it may be.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.foundation.access.api import may
from charthouse.frontdesk import api as frontdesk
from charthouse.web import desk_forms, permissions
from charthouse.web.reading import note_chart, note_search
from charthouse.web.security.api import SignedInRequest, screen

from .chart import open_chart


def typed_in(request: SignedInRequest) -> dict[str, str]:
    """The fields of a form as they were typed."""
    return {name: str(value) for name, value in request.POST.items()}


@screen(frontdesk.REGISTER)
@require_http_methods(["GET", "POST"])
def register(request: SignedInRequest) -> HttpResponse:
    """The form of a new person; the chart once it is registered."""
    if request.method == "GET":
        return _registering(request, {"once": str(uuid.uuid4())}, {})
    typed = typed_in(request)
    try:
        made = frontdesk.register_person(request.access, typed)
    except frontdesk.Unfit as error:
        return _registering(request, typed, error.faults)
    except frontdesk.KnownAlready as error:
        return _registering(request, typed, {"": str(error)}, known=error)
    except frontdesk.FrontdeskError as error:
        return _registering(request, typed, {"": str(error)})
    messages.success(request, "Registered. The record number stands in the banner.")
    return redirect("chart", person=made.person)


def _registering(
    request: SignedInRequest,
    typed: Mapping[str, str],
    faults: Mapping[str, str],
    known: frontdesk.KnownAlready | None = None,
) -> HttpResponse:
    context = {
        "groups": desk_forms.filled(desk_forms.person_groups(registering=True), typed, faults),
        "faults": faults,
        "typed": typed,
        **_alike(request, typed, known),
    }
    return render(request, "web/register/person.html", context)


@screen(frontdesk.REGISTER)
@require_POST
def alike(request: SignedInRequest) -> HttpResponse:
    """Whom it may be that is being typed; a part of the page."""
    typed = typed_in(request)
    return render(request, "web/register/alike.html", {"typed": typed, **_alike(request, typed)})


def _alike(
    request: SignedInRequest, typed: Mapping[str, str], known: frontdesk.KnownAlready | None = None
) -> dict[str, Any]:
    found = frontdesk.alike(request.access, typed)
    persons = list(known.alike) if known else []
    persons += [each for each in found.persons if each.person not in {one.person for one in persons}]
    if found.words or persons:
        note_search(request.access, found.words, [each.person for each in persons])
    return {
        "alike": persons,
        "asked": bool(found.words) or known is not None,
        "born": found.born,
        "born_as": found.born_as,
        "same": any(each.likeness == "same" for each in persons),
        "strong": any(each.strong for each in persons),
        "seen": ",".join(str(each.person) for each in persons),
    }


@screen(permissions.READ_CHART)
@require_safe
def demographics(request: SignedInRequest, person: UUID) -> HttpResponse:
    """What a chart says of the person, and what it said before."""
    opened = open_chart(request.access, person)
    note_chart(request.access, person, "demographics")
    context = opened.context(request.access, "overview") | {
        "demographics": True,
        "facts": frontdesk.facts_of(request.access, person),
        "former": frontdesk.former_values(request.access, person),
        "may_correct": may(request.access, frontdesk.CORRECT_DEMOGRAPHICS),
    }
    return render(request, "web/register/demographics.html", context)


@screen(frontdesk.CORRECT_DEMOGRAPHICS)
@require_http_methods(["GET", "POST"])
def correct(request: SignedInRequest, person: UUID) -> HttpResponse:
    """The form of a correction; the demographics once it is filed."""
    opened = open_chart(request.access, person)
    typed, faults, changed = typed_in(request), {}, None
    if request.method == "POST":
        try:
            count = frontdesk.correct_demographics(request.access, person, typed)
        except frontdesk.Unfit as error:
            faults = error.faults
        except frontdesk.ChangedMeanwhile as error:
            faults, changed = {"": str(error)}, error
            typed |= {**asdict(error.merged), "version": error.version}
        except frontdesk.FrontdeskError as error:
            faults = {"": str(error)}
        else:
            messages.success(request, f"Corrected. Former values are kept below: {count} changed.")
            return redirect("demographics", person=person)
    else:
        try:
            found = frontdesk.open_demographics(request.access, person)
        except frontdesk.FrontdeskError as error:
            raise Http404(str(error)) from None
        typed = {**asdict(found.person), "version": found.version}
        typed["birth_unknown"] = "" if found.person.birth else "yes"
    note_chart(request.access, person, "demographics")
    context = opened.context(request.access, "overview") | {
        "demographics": True,
        "groups": desk_forms.filled(desk_forms.correction_groups(), typed, faults),
        "faults": faults,
        "typed": typed,
        "changed": changed,
    }
    return render(request, "web/register/correct.html", context)
