"""Words of the record: found in one chart, and across charts.

What was typed travels by POST and waits in the session, so that no word of a record ever stands in an address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from charthouse.foundation.access.api import AccessContext
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.web import permissions
from charthouse.web.numbers import page_of
from charthouse.web.printing import day_of
from charthouse.web.reading import note_words
from charthouse.web.security.api import SignedInRequest, screen
from charthouse.web.word_search import asked_everywhere, keep_for_all, keep_for_chart, words_of

from .chart import open_chart

_LONGEST = 200
SECTIONS = {section.name.lower(): section for section in record.TextSection}


def _typed(request: SignedInRequest, name: str) -> str:
    return " ".join(request.POST.get(name, "")[:_LONGEST].replace("\0", "").split())


def _page(request: SignedInRequest) -> int:
    return page_of(request.GET.get("page", ""))


@screen(permissions.READ_CHART)
@require_http_methods(["GET", "POST"])
def in_chart(request: SignedInRequest, person: UUID) -> HttpResponse:
    """Everything in one chart in which all words stand, newest first."""
    opened = open_chart(request.access, person)
    if request.method == "POST":
        keep_for_chart(request, person, _typed(request, "text"))
        return redirect("chart-words", person)
    text = words_of(request, person)
    found = record.search_chart(request.access, opened.patients, text, page=_page(request))
    if text:
        note_words(request.access, text, "chart", found.count, [person])
    context = opened.context(request.access, "overview") | {
        "words": True,
        "text": text,
        "found": found,
        "lag": record.text_lag(),
        "hits": [(hit, person, None) for hit in found.hits],
    }
    return render(request, "web/words/chart.html", context)


@screen(record.SEARCH_RECORD)
@require_http_methods(["GET", "POST"])
def everywhere(request: SignedInRequest) -> HttpResponse:
    """Everything in all charts in which all words stand, newest first, as far as this reader may see it."""
    if request.method == "POST":
        names = ("text", "section", "service", "since", "until")
        keep_for_all(request, {name: _typed(request, name) for name in names})
        return redirect("words")
    asked = asked_everywhere(request)
    text = asked.get("text", "")
    found, wrong = _found(lambda: record.search_all(request.access, text, _within(asked), _page(request)))
    hits = _with_persons(request.access, found.hits)
    if text:
        note_words(request.access, text, "all", found.count, [person for _, person, _ in hits])
    context = {
        "text": text,
        "asked": asked,
        "sections": [(name, section.title) for name, section in SECTIONS.items()],
        "services": record.text_services(),
        "filtered": any(value for name, value in asked.items() if name != "text"),
        "found": found,
        "wrong": wrong,
        "lag": record.text_lag(),
        "hits": hits,
    }
    return render(request, "web/words/everywhere.html", context)


def _found(search: Callable[[], record.TextFound]) -> tuple[record.TextFound, str]:
    try:
        return search(), ""
    except record.TooWide as error:
        return record.TextFound(), str(error)


def _within(asked: Mapping[str, str]) -> record.TextFilter:
    section = SECTIONS.get(asked.get("section", ""))
    return record.TextFilter(
        sections=frozenset([section]) if section is not None else frozenset(),
        service=asked.get("service", ""),
        since=day_of(asked.get("since", "")),
        until=day_of(asked.get("until", "")),
    )


def _with_persons(
    ctx: AccessContext, hits: Sequence[record.TextHit]
) -> list[tuple[record.TextHit, UUID, identity.SourcePatient]]:
    """The hits, each with its person and the patient as their sender names them."""
    sources = identity.sources_named(ctx, {hit.patient for hit in hits})
    return [(hit, source.person, source) for hit in hits if (source := sources.get(hit.patient))]
