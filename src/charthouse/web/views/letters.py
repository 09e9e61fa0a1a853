"""Letters to practitioners: by practitioner and batch, their mails, their texts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.completion import api as completion
from charthouse.foundation.access.api import may
from charthouse.foundation.ledger.api import Subject, append_read
from charthouse.web.actions.print_letters import print_batch, print_letter
from charthouse.web.actions.printed import PrintError
from charthouse.web.numbers import SMALL, page_of, whole
from charthouse.web.printing import local_day
from charthouse.web.security.api import SignedInRequest, screen

from .prints import pdf_response
from .quality import csv_response

_LONGEST_KEY = 200
_MOST = 2_000
_KINDS = {kind.value: kind for kind in completion.LetterKind}


def _page(request: SignedInRequest) -> int:
    return page_of(request.GET.get("page", ""), 5)


@screen(completion.SEE_LETTERS)
@require_safe
def letters(request: SignedInRequest) -> HttpResponse:
    """The letters, newest first, by kind, state of their mail and practitioner; or the batches."""
    ctx, asked = request.access, request.GET
    view = "batches" if asked.get("view") == "batches" else "letters"
    kind, state = _KINDS.get(asked.get("kind", "")), asked.get("state", "")
    state = state if state in completion.LETTER_STATES else ""
    practitioner, page = asked.get("of", "").replace("\0", "")[:_LONGEST_KEY], _page(request)
    context: dict[str, Any] = {
        "view": view,
        "kind": kind,
        "state": state,
        "of": practitioner,
        "kinds": list(completion.LetterKind),
        "states": [(each, completion.MAIL_WORDS.get(each, "on paper")) for each in completion.LETTER_STATES],
        "unsettled": completion.unsettled_letters(ctx),
        "may_write": may(ctx, completion.WRITE_LETTERS),
        "may_change": may(ctx, completion.CHANGE_LETTERS),
    }
    if view == "batches":
        context["batches"] = completion.letter_batches(ctx)
    else:
        found = completion.letters(ctx, kind=kind, state=state, practitioner=practitioner, page=page)
        context |= {"page": found, "next": _address(request, page + 1) if found.more else ""}
    return render(request, "web/letters/list.html", context)


def _address(request: SignedInRequest, page: int) -> str:
    query = request.GET.copy()
    query["page"] = str(page)
    return f"?{query.urlencode()}"


@screen(completion.WRITE_LETTERS)
@require_http_methods(["GET", "POST"])
def make(request: SignedInRequest) -> HttpResponse:
    """Who would get a letter of a kind now; and letting them be made."""
    ctx = request.access
    given = request.POST if request.method == "POST" else request.GET
    kind = _KINDS.get(given.get("kind", ""), completion.LetterKind.REMINDER)
    fault = ""
    if request.method == "POST":
        try:
            batch = completion.ask_for_letters(ctx, kind, mail="mail" in request.POST)
        except completion.LetterError as error:
            fault = str(error)
        else:
            return redirect("letters-batch", batch=batch)
    context = {
        "kind": kind,
        "kinds": list(completion.LetterKind),
        "expected": completion.expected_letters(ctx, kind),
        "had": completion.made_in_period(ctx, kind),
        "rule": _RULES[kind],
        "mail": completion.mail_is_set_up(),
        "fault": fault,
    }
    return render(request, "web/letters/make.html", context, status=422 if fault else 200)


_RULES = {
    completion.LetterKind.REMINDER: "completion.reminder-letter",
    completion.LetterKind.DELINQUENCY: "completion.delinquency-letter",
    completion.LetterKind.SUSPENSION_WARNING: "completion.suspension-warning",
}


def _batch(request: SignedInRequest, batch: UUID) -> completion.BatchLine:
    found = completion.letter_batch(request.access, batch)
    if found is None:
        raise Http404("There is no such batch of letters.")
    return found


def _batch_context(request: SignedInRequest, batch: UUID) -> dict[str, Any]:
    found, page = _batch(request, batch), _page(request)
    shown = completion.letters(request.access, of_batch=batch, page=page)
    job = completion.progress_of_batch(request.access, found)
    return {
        "batch": found,
        "page": shown,
        "next": f"?page={page + 1}" if shown.more else "",
        "job": job,
        "running": job is not None and not job.finished,
        "may_write": may(request.access, completion.WRITE_LETTERS),
    }


@screen(completion.SEE_LETTERS)
@require_safe
def batch(request: SignedInRequest, batch: UUID) -> HttpResponse:
    """A batch: how far it is, and its letters by name."""
    return render(request, "web/letters/batch.html", _batch_context(request, batch))


@screen(completion.SEE_LETTERS, background=True)
@require_safe
def batch_progress(request: SignedInRequest, batch: UUID) -> HttpResponse:
    """The same as a part of the page, asked for by itself while the batch is made."""
    return render(request, "web/letters/batch_part.html", _batch_context(request, batch))


@screen(completion.SEE_LETTERS)
@require_POST
def batch_print(request: SignedInRequest, batch: UUID) -> HttpResponse:
    """The letters of a batch on paper."""
    try:
        return pdf_response(request, print_batch(request.access, batch))
    except PrintError as error:
        raise Http404(str(error)) from None


@screen(completion.SEE_LETTERS)
@require_POST
def batch_csv(request: SignedInRequest, batch: UUID) -> HttpResponse:
    """The letters of a batch as CSV, one row each."""
    found = _batch(request, batch)
    page = completion.letters(request.access, of_batch=found.id, limit=_MOST)
    append_read(
        request.access,
        "completion.export-letters",
        subjects=[Subject("letter-batch", str(found.id))],
        detail={"letters": len(page.lines)},
    )
    columns = ("Practitioner", "Kind", "Made", "Charts", "Delinquent", "Items", "Oldest, days", "Mail")
    return csv_response(
        columns,
        (
            (
                each.who,
                each.kind.title,
                local_day(each.made_at),
                *map(str, (each.charts, each.delinquent, each.deficiencies, each.days)),
                each.words,
            )
            for each in page.lines
        ),
    )


@screen(completion.SEE_LETTERS)
@require_safe
def letter(request: SignedInRequest, letter: UUID) -> HttpResponse:
    """A letter as it was made, what became of it, and what can be done."""
    found = completion.letter(request.access, letter)
    if found is None:
        raise Http404("There is no such letter.")
    append_read(request.access, "completion.letter-read", subjects=[Subject("letter", str(letter))])
    context = {
        "letter": found,
        "line": found.line,
        "paragraphs": completion.paragraphs(found.body),
        "may_write": may(request.access, completion.WRITE_LETTERS),
    }
    return render(request, "web/letters/letter.html", context)


@screen(completion.SEE_LETTERS)
@require_POST
def letter_print(request: SignedInRequest, letter: UUID) -> HttpResponse:
    """A letter on paper."""
    try:
        return pdf_response(request, print_letter(request.access, letter))
    except PrintError as error:
        raise Http404(str(error)) from None


@screen(completion.WRITE_LETTERS)
@require_POST
def settle(request: SignedInRequest, letter: UUID) -> HttpResponse:
    """Settle an uncertain or failed mail: it arrived, it is sent again, it is given up."""
    note = request.POST.get("note", "")
    acts = {
        "arrived": (completion.settle_as_arrived, "Kept: it arrived."),
        "again": (completion.send_again, "It is sent again, under the same message id."),
        "give-up": (completion.give_up, "Kept: it is not sent."),
    }
    act, said = acts.get(request.POST.get("act", ""), (None, ""))
    if act is None:
        raise Http404("There is no such act.")
    try:
        act(request.access, letter, note)
    except completion.LetterError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("letters-one", letter=letter)


@screen(completion.CHANGE_LETTERS)
@require_safe
def texts(request: SignedInRequest) -> HttpResponse:
    """The kinds of letters with the text that holds for each."""
    return render(
        request,
        "web/letters/texts.html",
        {"texts": [(completion.template_of(kind), _RULES[kind]) for kind in completion.LetterKind]},
    )


@screen(completion.CHANGE_LETTERS)
@require_http_methods(["GET", "POST"])
def text(request: SignedInRequest, kind: str) -> HttpResponse:
    """The text of a kind: read it, try it with a practitioner, change it, look at former versions."""
    ctx, of_kind = request.access, _KINDS.get(kind)
    if of_kind is None:
        raise Http404("There is no such kind of letter.")
    versions = completion.template_versions(of_kind)
    shown, fault, faults = versions[0].text, "", {}
    seen = versions[0].version
    if request.method == "POST":
        sent = request.POST
        shown = completion.LetterText(
            **{name: sent.get(name, "")[:_LONGEST_TEXT] for name in ("title", "body", "mail_subject", "mail_text")}
        )
        sent_with = whole(sent.get("seen", ""), SMALL)
        seen = seen if sent_with is None else sent_with
        try:
            if sent.get("act") == "keep":
                completion.change_letter_text(ctx, of_kind, shown, seen)
                messages.success(request, "Kept. It holds from the next letter on; versions before are kept.")
                return redirect("letters-text", kind=kind)
            completion.checked_text(of_kind, shown)
        except completion.TemplateError as error:
            faults = error.faults
        except completion.LetterError as error:
            fault, seen = str(error), versions[0].version
    elif (wanted := request.GET.get("version", "")).isdecimal():
        shown = next((each.text for each in versions if str(each.version) == wanted), shown)
    return _text_page(request, of_kind, versions, shown, seen, fault, faults)


_LONGEST_TEXT = 20_000


def _text_page(
    request: SignedInRequest,
    kind: completion.LetterKind,
    versions: list[completion.TemplateLine],
    shown: completion.LetterText,
    seen: int,
    fault: str,
    faults: dict[str, str],
) -> HttpResponse:
    ctx = request.access
    debtors = completion.could_be_shown(ctx)
    chosen = request.POST.get("practitioner", "")
    chosen = chosen if any(each.who.key == chosen for each in debtors) else debtors[0].who.key if debtors else ""
    made = completion.preview_letter(ctx, kind, shown, chosen) if chosen and not faults else None
    if made is not None:
        append_read(ctx, "completion.preview-letter", detail={"kind": kind.value})
    context = {
        "kind": kind,
        "versions": versions,
        "shown": shown,
        "seen": seen,
        "fault": fault,
        "faults": faults,
        "placeholders": completion.PLACEHOLDERS,
        "mail_placeholders": sorted(completion.MAIL_PLACEHOLDERS),
        "debtors": debtors,
        "chosen": chosen,
        "made": made,
        "paragraphs": completion.paragraphs(made.text.body) if made else (),
        "rule": _RULES[kind],
    }
    return render(request, "web/letters/text.html", context, status=422 if fault or faults else 200)
