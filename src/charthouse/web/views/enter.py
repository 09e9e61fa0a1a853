"""What is entered on an open chart: a paper, an encounter, vital signs, an allergy, coverage, a note."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from charthouse.foundation.access.api import AccessContext
from charthouse.frontdesk import api as frontdesk
from charthouse.web import desk_entries, desk_forms
from charthouse.web.desk_entries import Offer
from charthouse.web.reading import note_chart
from charthouse.web.security.api import SignedInRequest, screen

from .chart import open_chart
from .register import typed_in

Act = Callable[[SignedInRequest, UUID, dict[str, str]], HttpResponse]


@dataclass(frozen=True, slots=True)
class Entry:
    """One form: what it is offered as, what its fields are, what it does, and what its button says."""

    offer: Offer
    groups: Callable[[AccessContext, UUID], list[desk_forms.Group]]
    act: Act
    saves: str = "File it"
    files: bool = False


def _say(request: SignedInRequest, entered: frontdesk.Entered, filed: str) -> None:
    if entered.again:
        messages.info(request, "This form was filed before, and was not filed again.")
    else:
        messages.success(request, filed)


def _to_section(
    section: str, said: str, act: Callable[[AccessContext, UUID, dict[str, str]], frontdesk.Entered]
) -> Act:
    def done(request: SignedInRequest, person: UUID, typed: dict[str, str]) -> HttpResponse:
        _say(request, act(request.access, person, typed), said)
        return redirect("chart-section", person=person, section=section)

    return done


def _file(request: SignedInRequest, person: UUID, typed: dict[str, str]) -> HttpResponse:
    upload = request.FILES.get("file")
    chosen = frontdesk.ChosenFile(upload.name or "", upload.read()) if upload is not None else None
    document = frontdesk.file_document(request.access, person, typed, chosen)
    _say(request, document, "Filed. The file is kept as it came.")
    return redirect("chart-document", person=person, type="DocumentReference", id=document.id)


def _note(request: SignedInRequest, person: UUID, typed: dict[str, str]) -> HttpResponse:
    document = frontdesk.write_note(request.access, person, typed)
    _say(request, document, "Filed. The note says of itself that nobody has signed it.")
    return redirect("chart-document", person=person, type="DocumentReference", id=document.id)


ENTRIES = (
    Entry(desk_entries.DOCUMENT, desk_forms.document_groups, _file, files=True),
    Entry(desk_entries.NOTE, desk_forms.note_groups, _note, "File unsigned"),
    Entry(
        desk_entries.ENCOUNTER,
        desk_forms.encounter_groups,
        _to_section("encounters", "The encounter is filed.", frontdesk.enter_encounter),
    ),
    Entry(
        desk_entries.VITAL_SIGNS,
        desk_forms.vital_sign_groups,
        _to_section("vitals", "The vital signs are filed.", frontdesk.enter_vital_signs),
    ),
    Entry(
        desk_entries.ALLERGY,
        desk_forms.allergy_groups,
        _to_section("allergies", "It is filed.", frontdesk.enter_allergy),
    ),
    Entry(
        desk_entries.COVERAGE,
        desk_forms.coverage_groups,
        _to_section("coverage", "The coverage is filed.", frontdesk.enter_coverage),
    ),
)


def _view(entry: Entry) -> Callable[..., HttpResponse]:
    def view(request: SignedInRequest, person: UUID) -> HttpResponse:
        opened = open_chart(request.access, person)
        typed, faults, twin = {"once": str(uuid.uuid4())}, {}, None
        if request.method == "POST":
            typed = typed_in(request)
            try:
                return entry.act(request, person, typed)
            except frontdesk.Unfit as error:
                faults = error.faults
            except frontdesk.FiledBefore as error:
                faults, twin = {"": str(error)}, error.twin
            except frontdesk.FrontdeskError as error:
                faults = {"": str(error)}
        waits = frontdesk.chosen_file(request.access, person, typed) if entry.files and faults else None
        note_chart(request.access, person, entry.offer.section)
        context = opened.context(request.access, entry.offer.section) | {
            "entry": entry,
            "groups": desk_forms.filled(entry.groups(request.access, person), typed, faults),
            "faults": faults,
            "typed": typed,
            "twin": twin,
            "waits": waits,
        }
        return render(request, "web/register/enter.html", context)

    view.__name__ = entry.offer.url_name.replace("-", "_")
    view.__doc__ = f"{entry.offer.title}: the form, and the section once it is filed."
    return screen(entry.offer.permission)(require_http_methods(["GET", "POST"])(view))


VIEWS = [(entry.offer, _view(entry)) for entry in ENTRIES]
