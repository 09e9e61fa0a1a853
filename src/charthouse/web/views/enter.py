"""What is entered on an open chart: a paper, an encounter, vital signs, an allergy, coverage, a note."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from charthouse.foundation.access.api import AccessContext, may
from charthouse.frontdesk import api as frontdesk
from charthouse.record import api as record
from charthouse.web import desk_entries, desk_forms
from charthouse.web.desk_entries import Offer
from charthouse.web.owing import asked_own, note_for
from charthouse.web.proving import asks_secret, proved
from charthouse.web.reading import note_chart
from charthouse.web.security.api import SignedInRequest, screen

from .chart import open_chart
from .register import typed_in

Act = Callable[[SignedInRequest, UUID, dict[str, str]], HttpResponse]


@dataclass(frozen=True, slots=True)
class Entry:
    """One form: what it is offered as, what its fields are, what it does, and what its button says.

    ``drafts`` is under which name it is kept to be finished later; such a form may be written by a template.
    """

    offer: Offer
    groups: Callable[[AccessContext, UUID, Mapping[str, str]], list[desk_forms.Group]]
    act: Act
    saves: str = "File it"
    files: bool = False
    drafts: str = ""


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
    signed = bool(typed.get("sign"))
    document = frontdesk.write_note(request.access, person, typed, proved(request) if signed else None)
    _say(
        request,
        document,
        "Filed and signed." if signed else "Filed. The note says of itself that nobody has signed it.",
    )
    if typed.get("owed"):
        return redirect("owed")
    return redirect("chart-document", person=person, type="DocumentReference", id=document.id)


def _dictation(request: SignedInRequest, person: UUID, typed: dict[str, str]) -> HttpResponse:
    document = frontdesk.enter_dictation(request.access, person, typed)
    _say(request, document, "Filed. It waits for the signature of who dictated it.")
    return redirect("chart-document", person=person, type="DocumentReference", id=document.id)


def _same(
    groups: Callable[[AccessContext, UUID], list[desk_forms.Group]],
) -> Callable[..., list[desk_forms.Group]]:
    """Fields that are the same whatever was typed."""
    return lambda ctx, person, typed: groups(ctx, person)


ENTRIES = (
    Entry(desk_entries.DOCUMENT, _same(desk_forms.document_groups), _file, files=True),
    Entry(desk_entries.NOTE, desk_forms.note_groups, _note, "File the note", drafts="note"),
    Entry(
        desk_entries.DICTATION, desk_forms.dictation_groups, _dictation, "File the dictation", drafts="dictation"
    ),
    Entry(
        desk_entries.ENCOUNTER,
        _same(desk_forms.encounter_groups),
        _to_section("encounters", "The encounter is filed.", frontdesk.enter_encounter),
    ),
    Entry(
        desk_entries.VITAL_SIGNS,
        _same(desk_forms.vital_sign_groups),
        _to_section("vitals", "The vital signs are filed.", frontdesk.enter_vital_signs),
    ),
    Entry(
        desk_entries.ALLERGY,
        _same(desk_forms.allergy_groups),
        _to_section("allergies", "It is filed.", frontdesk.enter_allergy),
    ),
    Entry(
        desk_entries.COVERAGE,
        _same(desk_forms.coverage_groups),
        _to_section("coverage", "The coverage is filed.", frontdesk.enter_coverage),
    ),
)


_STEPS = frozenset({"keep", "forget"})


def _draft(request: SignedInRequest, person: UUID, entry: Entry, typed: dict[str, str]) -> HttpResponse:
    """Keep what was typed to be finished later, or throw it away."""
    if typed["step"] == "forget":
        frontdesk.forget_note_draft(request.access, person, entry.drafts)
        messages.success(request, "The draft is thrown away.")
        return redirect(entry.offer.url_name, person=person)
    frontdesk.keep_note_draft(request.access, person, entry.drafts, typed, entry.offer.permission)
    messages.success(request, "Kept for you alone. Open the form again to go on; nothing is filed yet.")
    return redirect("chart-section", person=person, section=entry.offer.section)


def _templates(typed: dict[str, str]) -> list[tuple[str, str, bool]]:
    """The templates to choose from: code, title, whether it is at hand."""
    titles = frontdesk.document_types("note")
    return [(code, titles[code], code == typed.get("template")) for code in frontdesk.note_templates()]


def _begun(request: SignedInRequest, kept: Mapping[str, str] | None, person: UUID) -> dict[str, str]:
    """What a note begins with: a chosen template, the draft that was kept, and which of the things owed it is."""
    begun = dict(kept or {})
    if "template" in request.GET:
        begun = {"template": request.GET["template"]}
    found = asked_own(request.access, request.GET.get("owed", ""))
    if found and found[0].chart.person == person:
        begun = note_for(*found) | begun
    return begun


def _says(request: SignedInRequest, typed: Mapping[str, str]) -> str:
    """In words, what of what one owes the note is to be; empty for none."""
    found = asked_own(request.access, typed.get("owed", ""))
    return found[1].says if found else ""


def _view(entry: Entry) -> Callable[..., HttpResponse]:
    def view(request: SignedInRequest, person: UUID) -> HttpResponse:
        opened = open_chart(request.access, person)
        typed, faults, twin = {"once": str(uuid.uuid4())}, {}, None
        kept = frontdesk.note_draft(request.access, person, entry.drafts) if entry.drafts else None
        if request.method == "POST":
            typed = typed_in(request)
            try:
                if entry.drafts and typed.get("step") in _STEPS:
                    return _draft(request, person, entry, typed)
                return entry.act(request, person, typed)
            except frontdesk.Unfit as error:
                faults = error.faults
            except frontdesk.FiledBefore as error:
                faults, twin = {"": str(error)}, error.twin
            except (frontdesk.FrontdeskError, record.DocumentError) as error:
                faults = {"": str(error)}
        elif entry.drafts:
            typed |= _begun(request, kept, person)
        waits = frontdesk.chosen_file(request.access, person, typed) if entry.files and faults else None
        note_chart(request.access, person, entry.offer.section)
        context = opened.context(request.access, entry.offer.section) | {
            "entry": entry,
            "groups": desk_forms.filled(
                entry.groups(request.access, person, typed),
                typed,
                faults,
                # What is owed says the rest already.
                focus=("section_1" if typed.get("template") else "text") if typed.get("owed") else "",
            ),
            "faults": faults,
            "typed": typed,
            "twin": twin,
            "waits": waits,
            "kept": kept is not None,
            "lacking": _says(request, typed),
            "templates": _templates(typed) if entry.drafts else [],
            "signs": entry.drafts == "note" and may(request.access, record.SIGN),
            "asks_secret": asks_secret(request),
        }
        return render(request, "web/register/enter.html", context)

    view.__name__ = entry.offer.url_name.replace("-", "_")
    view.__doc__ = f"{entry.offer.title}: the form, and the section once it is filed."
    return screen(entry.offer.permission)(require_http_methods(["GET", "POST"])(view))


VIEWS = [(entry.offer, _view(entry)) for entry in ENTRIES]
