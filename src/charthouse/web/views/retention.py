"""How long charts are kept, what holds them, and their destruction by two persons."""

from __future__ import annotations

from collections.abc import Callable, Collection
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from charthouse.foundation.access.api import may, system_context
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.rulepacks.api import rule
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.web import permissions
from charthouse.web.actions.print_certificate import print_certificate
from charthouse.web.actions.printed import PrintError
from charthouse.web.numbers import whole
from charthouse.web.reading import note_chart
from charthouse.web.security.api import SignedInRequest, screen

from .prints import pdf_response

_NEWEST = 50
#: A chart is held and destroyed whole, whatever of it the asker may read.
_WHOLE = system_context("retention")


def _patients(request: SignedInRequest, person: UUID) -> tuple[int, ...]:
    if identity.summary(request.access, person) is None:
        raise Http404("There is no such chart, or it is not open to you.")
    return identity.patients_of(_WHOLE, person)


@screen(record.READ_RETENTION)
@require_safe
def eligible(request: SignedInRequest) -> HttpResponse:
    """The charts whose time is over, a page of them."""
    ctx = request.access
    code, year = request.GET.get("rule", ""), _year(request.GET.get("year", ""))
    page = record.due_charts(
        ctx,
        lambda patients: identity.charts_of(ctx, patients),
        rule=code,
        year=year,
        after=request.GET.get("after", ""),
    )
    persons = identity.persons_of([each.patients[0] for each in page.rows])
    summaries = identity.summaries(ctx, set(persons.values()))
    rows = []
    for each in page.rows:
        person = persons.get(each.patients[0])
        if person is not None and (summary := summaries.get(person)) is not None:
            rows.append((person, summary, each))
    ledger.append_read(
        ctx,
        "record.retention-read",
        subjects=[ledger.Subject("person", str(person)) for person, _, _ in rows],
        detail={"shown": len(rows)},
    )
    context = {
        "rows": rows,
        "page": page,
        "may_ask": may(ctx, record.ASK_TO_DESTROY) and any(each.hindrance.none for _, _, each in rows),
        "kept": _kept(code, year),
        "year": year,
        "code": code,
        "rules": [rule(each) for each in _CHART_RULES],
    }
    return render(request, "web/retention/eligible.html", context)


_CHART_RULES = ("record.retention-conditions", "record.retention-adults", "record.retention-minors")


def _year(text: str) -> int | None:
    return whole(text) if len(text) == 4 and text > "0001" else None


def _kept(code: str, year: int | None) -> str:
    """The filters for the address of a following page."""
    return urlencode({name: value for name, value in (("rule", code), ("year", year)) if value})


def _charts(patients: Collection[int]) -> dict[int, tuple[int, ...]]:
    return identity.charts_of(_WHOLE, patients)


@screen(record.READ_RETENTION)
@require_safe
def documents(request: SignedInRequest) -> HttpResponse:
    """The documents of all charts whose own time is over."""
    ctx = request.access
    code, year, after = (
        request.GET.get("rule", ""),
        _year(request.GET.get("year", "")),
        request.GET.get("after", ""),
    )
    page = record.overdue_documents(ctx, _charts, rule=code, year=year, after=after)
    persons = identity.persons_of({each.patient for each in page.rows})
    summaries = identity.summaries(ctx, set(persons.values()))
    charts = _charts({each.patient for each in page.rows})
    kept = record.hindrances(ctx, charts.values())
    rows = []
    for each in page.rows:
        person = persons.get(each.patient)
        summary = summaries.get(person) if person else None
        if person is None or summary is None:
            continue
        found = kept.get(charts[each.patient][0])
        rows.append((each, person, summary, rule(each.rule), found))
    ledger.append_read(
        ctx,
        "record.retention-read",
        subjects=[ledger.Subject("person", str(each)) for each in dict.fromkeys(person for _, person, *_ in rows)],
        detail={"shown": len(rows)},
    )
    context = {
        "rows": rows,
        "page": page,
        "kept": _kept(code, year),
        "year": year,
        "code": code,
        "rules": [rule(each.rule) for each in record.own_periods()],
        "may_ask": may(ctx, record.ASK_TO_DESTROY) and any(found is None for *_, found in rows),
    }
    return render(request, "web/retention/documents.html", context)


@screen(record.ASK_TO_DESTROY)
@require_POST
def ask_for_chosen(request: SignedInRequest) -> HttpResponse:
    """Ask for the chosen charts, or documents of several, to be destroyed; somebody else confirms each chart's."""
    wanted: dict[UUID, list[str]] = {}
    for text in request.POST.getlist("chosen"):
        person, _, document = text.partition("/")
        try:
            wanted.setdefault(UUID(person), []).extend([document] if document else [])
        except ValueError:
            raise Http404("There is no such chart.") from None
    charts = [record.Wanted(_patients(request, person), tuple(each)) for person, each in wanted.items()]
    try:
        asked, refused = record.ask_for_several(request.access, charts, request.POST.get("reason", ""))
    except record.DocumentError as error:
        messages.error(request, str(error))
    else:
        if asked:
            charts_said = "one chart" if len(asked) == 1 else f"{len(asked)} charts"
            messages.success(
                request,
                f"Asked for, of {charts_said}. Somebody else confirms each; until then nothing is destroyed.",
            )
        for words in list(dict.fromkeys(refused))[:3]:
            messages.error(request, words)
        if len(refused) > 3:
            messages.error(request, f"{len(refused)} charts were not asked for; the first reasons stand above.")
    return redirect("retention-documents" if any(wanted.values()) else "retention")


@screen(record.READ_RETENTION)
@require_safe
def chart(request: SignedInRequest, person: UUID) -> HttpResponse:
    """How long one chart is kept and by which rule, its holds, and what was asked for."""
    surviving = identity.surviving(request.access, person)
    if surviving is not None and surviving != person:
        return redirect("chart-retention", person=surviving)
    ctx, patients = request.access, _patients(request, person)
    found = record.retention(ctx, patients)
    note_chart(ctx, person, "retention")
    reads = may(ctx, permissions.READ_CHART)
    own = identity.patients_of(ctx, person)
    context = {
        "person": person,
        "summary": identity.summary(ctx, person),
        "found": found,
        "rule": rule(found.due.rule) if found.due else None,
        "contents": record.contents(ctx, patients),
        "times": record.document_times(ctx, patients),
        "may_ask_for_documents": may(ctx, record.ASK_TO_DESTROY) and not found.held and not found.waiting,
        "reads_chart": reads,
        "documents": record.documents(ctx, own).rows[:_NEWEST] if reads else (),
        "encounters": record.encounters(ctx, own).rows[:_NEWEST] if reads else (),
        "may_hold": may(ctx, record.SET_HOLD),
        "may_ask": may(ctx, record.ASK_TO_DESTROY) and found.over and not found.held and not found.waiting,
    }
    return render(request, "web/retention/chart.html", context)


def _told(request: SignedInRequest, act: Callable[[], object], said: str) -> None:
    try:
        act()
    except record.DocumentError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)


@screen(record.SET_HOLD)
@require_POST
def hold(request: SignedInRequest, person: UUID) -> HttpResponse:
    """Hold the chart, or an item of it."""
    patients = _patients(request, person)
    kind, _, id = request.POST.get("item", "").partition("/")
    item = (kind, id) if kind and id else None
    matter = request.POST.get("matter", "")
    _told(
        request, lambda: record.set_hold(request.access, patients, matter, item), "Held. It is not destroyed now."
    )
    return redirect("chart-retention", person=person)


@screen(record.SET_HOLD)
@require_POST
def lift(request: SignedInRequest, person: UUID, number: int) -> HttpResponse:
    """Lift a hold of this chart."""
    patients = _patients(request, person)
    if number not in {each.id for each in record.retention(request.access, patients).holds}:
        raise Http404("The chart has no such hold.")
    reason = request.POST.get("reason", "")
    _told(request, lambda: record.lift_hold(request.access, number, reason), "The hold is lifted.")
    return redirect("chart-retention", person=person)


@screen(record.ASK_TO_DESTROY)
@require_POST
def ask(request: SignedInRequest, person: UUID) -> HttpResponse:
    """Ask for the chart to be destroyed, or for some documents of it alone."""
    patients = _patients(request, person)
    reason = request.POST.get("reason", "")
    documents = request.POST.getlist("document") if request.POST.get("what") == "documents" else None
    said = "Asked for. Somebody else confirms it; until then nothing is destroyed."
    _told(request, lambda: record.ask_to_destroy(request.access, patients, reason, documents), said)
    return redirect("chart-retention", person=person)


def _asked(request: SignedInRequest, number: int) -> record.Asked:
    found = record.destruction(request.access, number)
    if found is None:
        raise Http404("There is no such destruction.")
    return found


def _named(request: SignedInRequest, asked: record.Asked) -> list[record.DocumentTime]:
    """The documents that are to be destroyed alone, while they are there."""
    if not asked.documents or not asked.waits:
        return []
    times = record.document_times(request.access, asked.patients)
    return [each for each in times if each.key in asked.documents]


@screen(record.READ_RETENTION)
@require_safe
def destruction(request: SignedInRequest, number: int) -> HttpResponse:
    """What is to be destroyed, or was: under which rule, and what is left of it."""
    ctx, found = request.access, _asked(request, number)
    person = identity.persons_of([found.patient]).get(found.patient)
    summary = identity.summary(ctx, person) if person else None
    if person is not None and summary is not None:
        note_chart(ctx, person, "destruction")
    stones, count = record.stones(ctx, number, _NEWEST)
    context = {
        "asked": found,
        "person": person if summary else None,
        "summary": summary,
        "rule": rule(found.rule),
        "contents": record.contents(ctx, found.patients) if found.waits and not found.documents else [],
        "times": _named(request, found),
        "stones": stones,
        "count": count,
        "method": record.METHOD_OF_DESTRUCTION,
        "own": found.by == ctx.actor,
        "may_decide": may(ctx, record.DECIDE_DESTRUCTION),
        "queue": record.DESTRUCTIONS if may(ctx, record.DECIDE_DESTRUCTION) else "",
    }
    return render(request, "web/retention/destruction.html", context)


@screen(record.DECIDE_DESTRUCTION)
@require_POST
def confirm(request: SignedInRequest, number: int) -> HttpResponse:
    """Destroy what another asked for."""
    found = _asked(request, number)
    person = identity.persons_of([found.patient]).get(found.patient)
    patients = identity.patients_of(_WHOLE, person) if person else ()
    note = request.POST.get("note", "")
    said = "Destroyed. What is left of it stands below."
    _told(request, lambda: record.confirm_destruction(request.access, number, patients, note), said)
    return redirect("destruction", number=number)


@screen(record.READ_RETENTION)
@require_POST
def refuse(request: SignedInRequest, number: int) -> HttpResponse:
    """Keep the chart: who asked withdraws, another refuses."""
    _asked(request, number)
    note = request.POST.get("note", "")
    _told(request, lambda: record.refuse_destruction(request.access, number, note), "The chart is kept.")
    return redirect("destruction", number=number)


@screen(record.READ_RETENTION)
@require_POST
def certificate(request: SignedInRequest, number: int) -> HttpResponse:
    """Print the certificate of a destruction, for use here."""
    _asked(request, number)
    try:
        return pdf_response(request, print_certificate(request.access, number))
    except PrintError as error:
        raise Http404(str(error)) from None
