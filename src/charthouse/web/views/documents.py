"""What is done with an open document: signed, changed while nobody signed it, corrected; and what waits for it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.foundation.access.api import may
from charthouse.foundation.disclosure.api import DISCLOSURES_READ
from charthouse.foundation.ledger import api as ledger
from charthouse.frontdesk import api as frontdesk
from charthouse.identity import api as identity
from charthouse.people import api as people
from charthouse.record import api as record
from charthouse.record.api import Addition, Kind, Meaning, Party, Reason
from charthouse.record.chart import Correction, Document
from charthouse.web import desk_forms, document_acts, permissions
from charthouse.web.document_acts import ACTS, Act
from charthouse.web.owing import asked_own
from charthouse.web.proving import asks_secret, proved
from charthouse.web.reading import note_chart, note_search
from charthouse.web.security.api import SignedInRequest, screen

from .chart import OpenChart, open_chart, with_pages
from .register import typed_in

_FOUND = 12
_ABOUT = "documents"


def _opened(request: SignedInRequest, person: UUID, type: str, id: str) -> tuple[OpenChart, Document]:
    """The chart and the document as the asker may see them. Raises Http404."""
    opened = open_chart(request.access, person)
    shown = record.document(request.access, opened.patients, type, id)
    if shown is None:
        raise Http404("The chart has no such document, or it is not open to you.")
    return opened, shown


def _shown(
    request: SignedInRequest,
    opened: OpenChart,
    document: Document,
    template: str,
    context: dict[str, Any],
    fault: record.DocumentError | None,
) -> HttpResponse:
    """The form beside its document. Where that changed meanwhile, both texts are shown and the form goes on from
    what it is now."""
    changed = fault if isinstance(fault, record.ChangedSince) else None
    note_chart(request.access, opened.person, _ABOUT, resource=(document.type, document.id))
    parts = [with_pages(request.access, opened.patients, document, part) for part in document.parts]
    page = opened.context(request.access, _ABOUT) | {
        "document": document,
        "parts": parts,
        "bare": True,
        "alone": True,
        "seen": changed.seen if changed else document.seen,
        "changed": changed,
        "fault": str(fault) if fault else "",
        "asks_secret": asks_secret(request),
        **context,
    }
    return render(request, template, page, status=422 if fault else 200)


def _back(document: Document, person: UUID, *, owed: bool = False) -> HttpResponse:
    """To the document; to what one owes where one came from there."""
    if owed:
        return redirect("owed")
    return redirect("chart-document", person=person, type=document.type, id=document.id)


@screen(permissions.SIGN_OR_VERIFY)
@require_http_methods(["GET", "POST"])
def sign(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """Sign the document as it is shown."""
    opened, document = _opened(request, person, type, id)
    fault = None
    if request.method == "POST":
        try:
            meaning = request.POST.get("meaning", "")
            if meaning not in {each.value for each in record.MEANINGS}:
                raise record.DocumentError("Choose what you say by signing.")
            record.sign_document(
                request.access,
                opened.patients,
                type,
                id,
                seen=request.POST.get("seen", ""),
                meaning=Meaning(meaning),
                confirmed=proved(request),
                statement=request.POST.get("statement", ""),
            )
        except record.DocumentError as error:
            fault = error
        else:
            messages.success(request, f"{Meaning(meaning).words}. The signature binds what you saw.")
            return _next_unsigned(request, document, person)
    context = {
        "meanings": document_acts.meanings_of(request.access, document),
        "meaning": request.POST.get("meaning", ""),
        "statement": request.POST.get("statement", ""),
        "following": request.GET.get("then") == "next" or request.POST.get("then") == "next",
    }
    return _shown(request, opened, document, "web/documents/sign.html", context, fault)


def _next_unsigned(request: SignedInRequest, document: Document, person: UUID) -> HttpResponse:
    """The next of the signer's unsigned documents where they work through the list, else the document."""
    if request.POST.get("then") == "next" and may(request.access, record.READ_UNSIGNED):
        for each in record.unsigned_documents(request.access).rows:
            owner = identity.person_of_public(request.access, each.patient)
            if owner is not None and each.entry.id != document.id:
                return redirect(f"{_sign_address(owner, each.entry.type, each.entry.id)}?then=next")
        return redirect("unsigned")
    return _back(document, person)


def _sign_address(person: UUID, type: str, id: str) -> str:
    return reverse("document-sign", kwargs={"person": person, "type": type, "id": id})


@screen(record.REVISE)
@require_http_methods(["GET", "POST"])
def change(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """Change the text of a document that nobody signed yet."""
    opened, document = _opened(request, person, type, id)
    fault = None
    text = document.own_text or ""
    if request.method == "POST":
        text = request.POST.get("text", "")
        try:
            record.revise_document(
                request.access, opened.patients, type, id, text, seen=request.POST.get("seen", "")
            )
        except record.DocumentError as error:
            fault = error
        else:
            messages.success(request, "Changed. The text before stays among its versions.")
            return _back(document, person)
    return _shown(request, opened, document, "web/documents/change.html", {"text": text}, fault)


@screen(record.ASK_TO_RETRACT)
@require_safe
def correct(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
    """The ways to correct a document, of which one is chosen."""
    opened, document = _opened(request, person, type, id)
    acts = document_acts.acts_of(request.access, document)
    return _shown(request, opened, document, "web/documents/choose.html", {"acts": acts}, None)


def _reason(request: SignedInRequest) -> Reason:
    return Reason(request.POST.get("reason", ""), request.POST.get("note", ""))


def _done(request: SignedInRequest, opened: OpenChart, document: Document, act: Act) -> str:
    """Do what a form asks for; what is said of it. Raises DocumentError, Unfit."""
    ctx, patients, key = request.access, opened.patients, (document.type, document.id)
    seen, why = request.POST.get("seen", ""), _reason(request)
    if act.kind in {Kind.ADDENDUM, Kind.LATE_ENTRY}:
        return _add(request, opened, document, act.kind, why)
    if act.kind is Kind.AMENDMENT:
        text = request.POST.get("text", "")
        record.amend_document(ctx, patients, *key, text, why, seen=seen, confirmed=proved(request))
        return "Amended and signed. The text before stays readable."
    if act.kind is Kind.WRONG_ENCOUNTER:
        record.move_to_encounter(ctx, patients, *key, request.POST.get("encounter", ""), why, seen=seen)
        return "Moved to the encounter it belongs to."
    if act.kind is Kind.RETRACTION:
        record.ask_to_retract(ctx, patients, *key, why, seen=seen)
    else:
        record.ask_to_move(ctx, patients, *key, why, seen=seen, to_patient=_chosen_patient(request))
    if record.needs_second_person(act.kind):
        return "Asked for. Somebody else confirms it; until then the document stays as it is."
    return "Done."


def _chosen_patient(request: SignedInRequest) -> int:
    """The row of the patient whose document it is."""
    try:
        person = UUID(request.POST.get("to", ""))
    except ValueError:
        raise record.DocumentError("Find the patient it belongs to, and choose.") from None
    sources = identity.sources_of(request.access, person)
    if not sources:
        raise record.DocumentError("There is no such chart, or it is not open to you.")
    return sources[0].patient


def _add(request: SignedInRequest, opened: OpenChart, document: Document, kind: Kind, why: Reason) -> str:
    ctx = request.access
    sign = bool(request.POST.get("sign"))
    dictated = request.POST.get("dictated_by", "")
    names = people.names_of([dictated]) if dictated else {}
    if dictated and dictated not in names:
        raise record.DocumentError("Choose who dictated it from the list.")
    speaks_of = None
    if kind is Kind.LATE_ENTRY:
        if not request.POST.get("when", "").strip():
            raise record.DocumentError("Say which moment the late entry speaks of.")
        reading = frontdesk.reading_of(ctx, typed_in(request))
        speaks_of = reading.moment("when")
        reading.done()
    given = Addition(
        text=request.POST.get("text", ""),
        reason=why,
        once=frontdesk.once_of(typed_in(request)),
        dictated_by=Party(dictated, names[dictated]) if dictated else None,
        speaks_of=speaks_of,
    )
    file = record.file_addendum if kind is Kind.ADDENDUM else record.file_late_entry
    file(
        ctx,
        opened.patients,
        document.type,
        document.id,
        given,
        seen=request.POST.get("seen", ""),
        sign=sign,
        confirmed=proved(request) if sign else None,
    )
    return f"{kind.words} filed{' and signed' if sign else ', unsigned'}. It stands with the document."


def _correcting(act: Act) -> Callable[..., HttpResponse]:
    def view(request: SignedInRequest, person: UUID, type: str, id: str) -> HttpResponse:
        opened, document = _opened(request, person, type, id)
        typed, faults, hits = {"once": str(uuid.uuid4())}, {}, []
        if found := asked_own(request.access, request.GET.get("owed", "")):
            typed["owed"] = str(found[1].id)
        fault: record.DocumentError | None = None
        if request.method == "POST":
            typed = typed_in(request)
            if typed.get("step") == "find":
                hits = _found(request, typed.get("who", ""))
            else:
                try:
                    messages.success(request, _done(request, opened, document, act))
                    return _back(document, person, owed=bool(typed.get("owed")))
                except frontdesk.Unfit as error:
                    faults = error.faults
                    fault = record.DocumentError(" ".join(faults.values()))
                except record.DocumentError as error:
                    fault = error
        context = {
            "act": act,
            "groups": desk_forms.filled(act.groups(request.access, person, document), typed, faults),
            "typed": typed,
            "hits": hits,
            "searched": typed.get("step") == "find",
            "signs": act.kind is Kind.AMENDMENT or (may(request.access, record.SIGN) and act.kind in _ADDED),
            "finds": act.kind is Kind.WRONG_PATIENT,
            "writes": act.kind in _ADDED or act.kind is Kind.AMENDMENT,
        }
        return _shown(request, opened, document, "web/documents/correct.html", context, fault)

    view.__name__ = act.url_name.replace("-", "_")
    view.__doc__ = f"{act.title}: the form beside the document."
    return screen(act.permission)(require_http_methods(["GET", "POST"])(view))


_ADDED = {Kind.ADDENDUM, Kind.LATE_ENTRY}
VIEWS = [(act, _correcting(act)) for act in ACTS]


def _found(request: SignedInRequest, text: str) -> list[identity.Hit]:
    words = " ".join(text[:200].replace("\0", "").split())
    if not words or not may(request.access, identity.FIND_PATIENT):
        return []
    hits = identity.find(request.access, words, _FOUND)
    note_search(request.access, words, [hit.person for hit in hits])
    return hits


@screen(record.READ_UNSIGNED)
@require_safe
def unsigned(request: SignedInRequest) -> HttpResponse:
    """Documents that wait for the asker's signature, or everybody's."""
    everybodys = request.GET.get("of") == "all" or not may(request.access, record.SIGN)
    page = record.unsigned_documents(request.access, everybodys=everybodys)
    persons = identity.persons_of_public(request.access, {each.patient for each in page.rows})
    summaries = identity.summaries(request.access, set(persons.values()))
    rows = []
    for each in page.rows:
        person = persons.get(each.patient)
        if person is not None and (summary := summaries.get(person)) is not None:
            rows.append((each, person, summary))
    ledger.append_read(
        request.access,
        "record.unsigned-read",
        subjects=[ledger.Subject("person", str(person)) for _, person, _ in rows],
        detail={"shown": len(rows), "everybodys": everybodys},
    )
    context = {
        "rows": rows,
        "more": page.more,
        "everybodys": everybodys,
        "may_sign": may(request.access, record.SIGN),
    }
    return render(request, "web/documents/unsigned.html", context)


def _correction(request: SignedInRequest, number: int) -> Correction:
    found = record.correction(request.access, number)
    if found is None:
        raise Http404("There is no such correction, or its document is not open to you.")
    return found


def _side(request: SignedInRequest, patient: int | None) -> tuple[UUID, identity.PersonSummary] | None:
    """A patient's person as the asker may see them."""
    person = identity.persons_of([patient]).get(patient) if patient is not None else None
    summary = identity.summary(request.access, person) if person else None
    return (person, summary) if person and summary else None


@screen(record.READ_CORRECTIONS)
@require_safe
def correction(request: SignedInRequest, number: int) -> HttpResponse:
    """One correction: what is asked for and why, the document, and who has an earlier copy."""
    ctx = request.access
    found = _correction(request, number)
    moved = found.done and found.kind is Kind.WRONG_PATIENT
    reads_chart = may(ctx, permissions.READ_CHART)
    here, there = _side(request, found.patient), _side(request, found.to_patient)
    # Whole charts: what belongs to the document may be of another of the person's source patients.
    rows = [each for each in (found.patient, found.to_patient) if each is not None]
    rows += [each for known in (here, there) if known for each in identity.patients_of(ctx, known[0])]
    patients = tuple(dict.fromkeys(rows))
    document = record.document(ctx, patients, found.type, found.document) if reads_chart else None
    side = there if moved else here
    if document is not None and side is not None:
        note_chart(ctx, side[0], "correction", resource=(document.type, document.id))
    sees_disclosures = may(ctx, DISCLOSURES_READ)
    recipients = record.recipients_of(ctx, number) if sees_disclosures else []
    told_next = bool(recipients) and not found.waits
    context = {
        "correction": found,
        "document": document,
        "person": side[0] if side else None,
        "parts": [with_pages(ctx, patients, document, part) for part in document.parts] if document else [],
        "bare": True,
        "alone": True,
        "here": here,
        "there": there,
        "own": found.by == ctx.actor,
        "same_person": bool(here and there and here[0] == there[0]),
        "may_decide": may(ctx, record.DECIDE_CORRECTION),
        "sees_disclosures": sees_disclosures,
        "recipients": recipients,
        "told_next": told_next,
        "queue": record.RECIPIENTS if told_next else record.CORRECTIONS,
    }
    return render(request, "web/documents/correction.html", context)


def _decided(request: SignedInRequest, number: int, decide: Callable[[str], None], said: str) -> HttpResponse:
    try:
        decide(request.POST.get("note", ""))
    except record.DocumentError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("correction", number=number)


@screen(record.DECIDE_CORRECTION)
@require_POST
def confirm(request: SignedInRequest, number: int) -> HttpResponse:
    """Do what another asked for."""
    found = _correction(request, number)
    here, there = _side(request, found.patient), _side(request, found.to_patient)
    if found.to_patient is not None and (there is None or (here and here[0] == there[0])):
        messages.error(
            request, "The two are one person now, or the other chart is not open to you. Nothing was moved."
        )
        return redirect("correction", number=number)
    return _decided(
        request, number, lambda note: record.confirm_correction(request.access, number, note), "Confirmed and done."
    )


@screen(record.ASK_TO_RETRACT)
@require_POST
def refuse(request: SignedInRequest, number: int) -> HttpResponse:
    """Leave the document as it is."""
    _correction(request, number)
    return _decided(
        request,
        number,
        lambda note: record.refuse_correction(request.access, number, note),
        "The document stays as it is.",
    )
