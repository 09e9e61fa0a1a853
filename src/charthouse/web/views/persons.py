"""One person of the index: whose the records are and why, merging, parting, and undoing what was decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import connection
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.foundation.access.api import AccessContext, may
from charthouse.foundation.ledger import api as ledger
from charthouse.identity import api as identity
from charthouse.people import api as people
from charthouse.record import api as record
from charthouse.web import permissions
from charthouse.web.numbers import number_of
from charthouse.web.reading import note_search
from charthouse.web.security.api import SignedInRequest, screen

from .queues import name_of

_LONGEST = 500
_FOUND = 20
TITLES = {
    "name": "Name",
    "birth_date": "Birth date",
    "sex": "Sex",
    "deceased": "Deceased",
    "address": "Address",
}
#: What a link event says, in words.
KINDS = {
    "new": "Came as a new person",
    "matched": "Came, and was found to be this person",
    "perhaps": "Came, and is perhaps somebody known",
    "merge-notice": "Moved at its sender’s notice",
    "linked": "Linked",
    "unlinked": "Unlinked",
    "merged": "Merged",
    "split": "Parted by a split",
    "rejoined": "Joined again",
    "undone": "Went back",
}


def _said(request: SignedInRequest, name: str, longest: int = _LONGEST) -> str:
    return request.POST.get(name, "").strip()[:longest].replace("\0", "")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _sender_names(sources: Iterable[identity.SourcePatient]) -> dict[int, str]:
    with connection.cursor() as cursor:
        return {id: row.name for id, row in record.source_rows(cursor, {each.source for each in sources}).items()}


def _opened(ctx: AccessContext, person: UUID) -> identity.PersonSummary:
    found = identity.summary(ctx, person)
    if found is None:
        raise Http404("There is no such person, or it is not open to you.")
    return found


def _note(ctx: AccessContext, part: str, *persons: UUID) -> None:
    subjects = [ledger.Subject("person", str(each)) for each in persons]
    ledger.append_read(ctx, "identity.person-read", subjects=subjects, detail={"part": part})


@dataclass(frozen=True, slots=True)
class Past:
    """A line of a person's past: what happened to which records, who did it and why, who was told, and whether it
    can be undone here."""

    at: datetime
    words: str
    records: tuple[str, ...]
    by: str
    reason: str
    weight: float | None
    decision: int | None
    undone: bool
    told: Sequence[identity.NoticeLine]
    may_undo: bool


@screen(identity.SEE_PERSON)
@require_safe
def person(request: SignedInRequest, person: UUID) -> HttpResponse:
    """A person's records by sender, and everything that was decided about them."""
    ctx = request.access
    surviving = identity.surviving(ctx, person)
    if surviving is not None and surviving != person:
        return redirect("person", person=surviving)
    found = _opened(ctx, person)
    _note(ctx, "person", person)
    senders = _sender_names(found.sources)
    with connection.cursor() as cursor:
        counts = record.count_owned(cursor, [each.patient for each in found.sources])
    decisions = identity.decisions_of(ctx, person)
    apart = identity.apart_of(ctx, person)
    lines = identity.history(ctx, person)
    updates = identity.decided_updates(ctx, person)
    actors = {each.actor for each in decisions} | {each.actor for each in lines} | {each.actor for each in apart}
    actors |= {each.actor for each in updates}
    names = people.names_of(actors)
    context: dict[str, Any] = {
        "found": found,
        "records": [
            (each, senders.get(each.source, str(each.source)), counts.get(each.patient, 0))
            for each in found.sources
        ],
        "past": _past(ctx, person, decisions, lines, updates, names),
        "apart": [(each, name_of(each.actor, names)) for each in apart],
        "may_merge": may(ctx, identity.MERGE_PERSONS),
        "may_link": may(ctx, identity.LINK_PATIENTS),
        "may_split": may(ctx, identity.SPLIT_PATIENT),
        "may_read_chart": may(ctx, permissions.READ_CHART),
    }
    return render(request, "web/persons/person.html", context)


def _past(
    ctx: AccessContext,
    person: UUID,
    decisions: Sequence[identity.DecisionLine],
    lines: Sequence[identity.HistoryLine],
    updates: Sequence[identity.DecidedUpdate],
    names: dict[str, str],
) -> list[Past]:
    """Decisions and arrivals, newest first; what a decision moved stands with it."""
    told = identity.notices_of(ctx, [each.id for each in decisions])
    labels = {each.patient: each for each in identity.records_of(ctx, {row for d in decisions for row in d.moved})}
    may_decide = may(ctx, identity.MERGE_PERSONS)
    kinds = {each.id: each.kind for each in decisions}
    past = [
        Past(
            at=each.at,
            words=_decided(each, kinds),
            records=tuple(_words(labels[row]) for row in each.moved if row in labels),
            by=name_of(each.actor, names),
            reason=each.reason,
            weight=None,
            decision=each.id,
            undone=each.undone_by is not None,
            told=told.get(each.id, ()),
            may_undo=may_decide and each.may_be_undone,
        )
        for each in decisions
    ]
    arrived = [each for each in lines if each.decision is None and each.person_to == person]
    labels |= {each.patient: each for each in identity.records_of(ctx, {each.patient for each in arrived})}
    past += [
        Past(
            each.at, KINDS.get(each.kind, each.kind),
            (_words(labels[each.patient]),) if each.patient in labels else (),
            name_of(each.actor, names), each.reason, each.weight, None, False, (), False,
        )
        for each in arrived
    ]  # fmt: skip
    past += [
        Past(
            each.at,
            "An update was held, and found to be of the same person" if each.same
            else "An update was held, and found to be another person’s",
            (_words(each.patient),), name_of(each.actor, names), each.reason, None, None, False, (), False,
        )
        for each in updates
    ]  # fmt: skip
    return sorted(past, key=lambda each: (each.at, each.decision or 0), reverse=True)


def _decided(line: identity.DecisionLine, kinds: Mapping[int, str]) -> str:
    if line.undoes is None:
        return identity.KINDS[line.kind]
    undone = kinds.get(line.undoes, "")
    return f"Undone: {identity.KINDS[undone]}" if undone else "Undone"


def _words(source: identity.SourcePatient) -> str:
    return " ".join(part for part in (source.name or "without a name", source.birth_date, source.mrn) if part)


# ---- merge


@screen(identity.MERGE_PERSONS)
@require_http_methods(["GET", "POST"])
def merge(request: SignedInRequest, person: UUID) -> HttpResponse:
    """Choose the other person, see both side by side with what speaks against it, choose what is shown, and
    merge."""
    ctx = request.access
    one = _opened(ctx, person)
    given = request.POST if request.method == "POST" else request.GET
    chosen = _uuid(given.get("other", ""))
    other = identity.summary(ctx, chosen) if chosen and chosen != person else None
    if other is None:
        return _finding(request, one)
    if request.method == "POST" and "reason" in request.POST:
        return _merge(request, one, other)
    return _compared(request, one, other)


def _finding(request: SignedInRequest, one: identity.PersonSummary) -> HttpResponse:
    text = " ".join(_said(request, "text", 200).split())
    hits = [hit for hit in identity.find(request.access, text, _FOUND) if hit.person != one.person] if text else []
    if text:
        note_search(request.access, text, [hit.person for hit in hits])
    _note(request.access, "merge", one.person)
    return render(request, "web/persons/merge.html", {"one": one, "text": text, "hits": hits})


def _compared(
    request: SignedInRequest, one: identity.PersonSummary, other: identity.PersonSummary, fault: str = ""
) -> HttpResponse:
    ctx = request.access
    _note(ctx, "merge", one.person, other.person)
    sources = (*one.sources, *other.sources)
    senders = _sender_names(sources)
    picked = {name: number_of(request.POST.get(f"shown_{name}", "")) for name in TITLES}
    fields = []
    for name, values in identity.compared_persons(ctx, one.person, other.person):
        distinct: dict[str, tuple[identity.SourcePatient, str]] = {}
        for source, value in values:
            distinct.setdefault(value, (source, senders.get(source.source, "")))
        options = [(source.patient, value, sender, source.mrn) for value, (source, sender) in distinct.items()]
        at = picked[name] if picked[name] in {option[0] for option in options} else options[0][0] if options else 0
        fields.append((name, TITLES[name], options, at))
    found = identity.merge_findings(
        [each.patient for each in one.sources], [each.patient for each in other.sources]
    )
    context: dict[str, Any] = {
        "one": one,
        "other": other,
        "sides": [(side, [(each, senders.get(each.source, "")) for each in side.sources]) for side in (one, other)],
        "fields": fields,
        "refusals": [each for each in found if each.refuses],
        "warnings": [each for each in found if not each.refuses],
        "confirmed": request.POST.getlist("confirmed"),
        "survivor": request.POST.get("survivor", str(min(one.number, other.number))),
        "reason": _said(request, "reason"),
        "fault": fault,
        "may_read_chart": may(ctx, permissions.READ_CHART),
    }
    return render(request, "web/persons/merge.html", context)


def _merge(request: SignedInRequest, one: identity.PersonSummary, other: identity.PersonSummary) -> HttpResponse:
    kept, gone = (other, one) if request.POST.get("survivor") == str(other.number) else (one, other)
    shown = {
        name: number_of(request.POST[f"shown_{name}"]) for name in TITLES if request.POST.get(f"shown_{name}", "")
    }
    try:
        identity.merge(
            request.access,
            kept.person,
            gone.person,
            _said(request, "reason"),
            shown=shown,
            confirmed=request.POST.getlist("confirmed"),
        )
    except identity.CannotDecide as error:
        return _compared(request, one, other, str(error))
    messages.success(request, "Merged. It stands below with its undoing, and other systems are being told.")
    return redirect("person", person=kept.person)


# ---- undo


@screen(identity.MERGE_PERSONS)
@require_http_methods(["GET", "POST"])
def undo(request: SignedInRequest, person: UUID, decision: int) -> HttpResponse:
    """Undo a decision: what came since is asked about, one by one."""
    ctx = request.access
    found = _opened(ctx, person)
    try:
        plan = identity.undoing(ctx, decision)
    except identity.CannotDecide as error:
        messages.error(request, str(error))
        return redirect("person", person=person)
    if person not in {plan.person, plan.other}:
        raise Http404("This person has no such decision.")
    fault = ""
    if request.method == "POST":
        try:
            identity.undo(
                ctx,
                decision,
                _said(request, "reason"),
                going_back=_answers(request, ((row, f"record_{row}") for row in plan.arrived)),
                entries_back=_answers(
                    request, (((each.type, each.id), f"entry_{each.row}") for each in plan.entered)
                ),
                apart=request.POST.get("apart") == "yes",
            )
        except identity.CannotDecide as error:
            fault = str(error)
        else:
            messages.success(request, "Undone. Everything that was moved is where it was.")
            return redirect("person", person=plan.person)
    _note(ctx, "undo", person)
    records = {
        each.patient: each for each in identity.records_of(ctx, {*plan.arrived, *(m.patient for m in plan.moved)})
    }
    senders = _sender_names(records.values())
    context = {
        "found": found,
        "plan": plan,
        "moved": [_words(records[each.patient]) for each in plan.moved if each.patient in records],
        "arrived": [
            (row, _words(records[row]) if row in records else "a record you may not see",
             senders.get(records[row].source, "") if row in records else "",
             request.POST.get(f"record_{row}", ""))
            for row in plan.arrived
        ],
        "entered": [(each, request.POST.get(f"entry_{each.row}", "")) for each in plan.entered],
        "title": identity.KINDS[plan.kind],
        "reason": _said(request, "reason"),
        "fault": fault,
    }  # fmt: skip
    return render(request, "web/persons/undo.html", context)


def _answers(request: SignedInRequest, asked: Iterable[tuple[Any, str]]) -> dict[Any, bool]:
    """What was answered with "back" or "stays"; the rest is left out, and so is asked for."""
    said = {key: request.POST.get(name, "") for key, name in asked}
    return {key: answer == "back" for key, answer in said.items() if answer in {"back", "stays"}}


# ---- one record


def _done(request: SignedInRequest, person: UUID, act: Callable[[], object], said: str) -> HttpResponse:
    try:
        act()
    except identity.CannotDecide as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("person", person=person)


@screen(identity.LINK_PATIENTS)
@require_POST
def unlink(request: SignedInRequest, person: UUID, patient: int) -> HttpResponse:
    """Take one record away from the person."""
    found = _opened(request.access, person)
    if patient not in {each.patient for each in found.sources}:
        raise Http404("The person has no such record.")
    return _done(
        request,
        person,
        lambda: identity.unlink(
            request.access, patient, _said(request, "reason"), apart=request.POST.get("apart") == "yes"
        ),
        "The record stands under a person of its own now.",
    )


@screen(identity.LINK_PATIENTS)
@require_POST
def revoke(request: SignedInRequest, person: UUID, one: int, other: int) -> HttpResponse:
    """Take back that two records are two persons'."""
    _opened(request.access, person)
    if len(identity.records_of(request.access, {one, other})) != 2:
        raise Http404("There are no such records, or they are not open to you.")
    return _done(
        request,
        person,
        lambda: identity.revoke_apart(request.access, one, other, _said(request, "reason")),
        "Taken back. The two may be found to be one again.",
    )


# ---- split


@screen(identity.SPLIT_PATIENT)
@require_http_methods(["GET", "POST"])
def split(request: SignedInRequest, person: UUID, patient: int) -> HttpResponse:
    """The workbench of an overlay: the record's past with how well each version agrees, and its items divided."""
    ctx = request.access
    found = _opened(ctx, person)
    bench = identity.workbench(ctx, patient) if patient in {each.patient for each in found.sources} else None
    if bench is None:
        raise Http404("The person has no such record, or it is not in the record as a Patient.")
    sent = request.POST
    posted = request.method == "POST"
    stays = number_of(sent.get("stays", "")) if posted else bench.stays
    goes = number_of(sent.get("goes", "")) if posted else (bench.goes or -1)
    going = (
        set(sent.getlist("goes_item"))
        if posted
        else {str(each.item.row) for each in bench.items if each.side is identity.Side.GOES}
    )
    fault = ""
    if posted:
        items = [(each.item.type, each.item.id) for each in bench.items if str(each.item.row) in going]
        try:
            identity.split(ctx, patient, stays=stays, goes=goes, items=items, reason=_said(request, "reason"))
        except identity.CannotDecide as error:
            fault = str(error)
        else:
            messages.success(request, "Split. Each of the two has a chart of their own now.")
            return redirect("person", person=person)
    _note(ctx, "split", person)
    encounters = {each.item.row: each.item for each in bench.items if each.item.type == "Encounter"}
    context = {
        "found": found,
        "bench": bench,
        "versions": bench.versions[::-1],
        "items": [
            (each, encounters.get(each.item.encounter or 0), str(each.item.row) in going) for each in bench.items
        ],
        "stays": stays,
        "goes": goes,
        "reason": _said(request, "reason"),
        "fault": fault,
        "address": reverse("person-split", args=(person, patient)),
    }
    return render(request, "web/persons/split.html", context)


# ---- numbers


@screen(identity.SEE_PERSON)
@require_safe
def numbers(request: SignedInRequest, person: UUID, patient: int) -> HttpResponse:
    """The numbers of one record, and what was corrected of them."""
    ctx = request.access
    found = _opened(ctx, person)
    source = next((each for each in found.sources if each.patient == patient), None)
    if source is None:
        raise Http404("The person has no such record.")
    _note(ctx, "numbers", person)
    listed, past = identity.numbers_of(ctx, source)
    names = people.names_of({each.actor for each in past})
    context = {
        "found": found,
        "source": source,
        "sender": _sender_names([source]).get(source.source, ""),
        "numbers": listed,
        "past": [(each, name_of(each.actor, names)) for each in past],
        "may_correct": may(ctx, identity.LINK_PATIENTS),
    }
    return render(request, "web/persons/numbers.html", context)


@screen(identity.LINK_PATIENTS)
@require_POST
def correct_number(request: SignedInRequest, person: UUID, patient: int) -> HttpResponse:
    """End a number, replace it, or take that back."""
    ctx = request.access
    if patient not in {each.patient for each in _opened(ctx, person).sources}:
        raise Http404("The person has no such record.")
    system, value, reason = (_said(request, name) for name in ("system", "value", "reason"))
    try:
        if request.POST.get("act") == "restore":
            identity.restore_number(ctx, patient, system, value, reason)
            said = "Taken back: the number is as it was."
        elif right := _said(request, "right"):
            identity.replace_number(ctx, patient, system, value, right, reason)
            said = "Corrected. The former number is kept as an old one."
        else:
            identity.end_number(ctx, patient, system, value, reason)
            said = "Ended today. It stays among the old numbers."
    except identity.CannotDecide as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("person-numbers", person=person, patient=patient)
