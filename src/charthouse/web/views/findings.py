"""What was found wrong in what a sender sends: one kind of finding, with the resources that have it."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from charthouse.fhir import api as fhir
from charthouse.foundation.ledger import api as ledger
from charthouse.identity import api as identity
from charthouse.web.numbers import whole
from charthouse.web.security.api import SignedInRequest, screen

_PAGE = 50


@screen(fhir.SEE_FINDINGS)
@require_safe
def findings(request: SignedInRequest, kind: int) -> HttpResponse:
    """The resources that have a kind of finding, in the order they were found."""
    found = fhir.finding_kind(request.access, kind)
    if found is None:
        raise Http404("There is no such kind of finding.")
    rows = fhir.found_in(request.access, kind, whole(request.GET.get("after", "")) or 0, _PAGE + 1)
    shown = rows[:_PAGE]
    sources = identity.sources_named(request.access, {each.patient_row for _, each in shown if each.patient_row})
    ledger.append_read(
        request.access,
        "fhir.findings-read",
        subjects=[ledger.Subject("resource", f"{each.type}/{each.public_id}") for _, each in shown],
        detail={"shown": len(shown)},
    )
    context = {
        "queue": fhir.FINDINGS,
        "kind": found,
        "rows": [(each, sources.get(each.patient_row or 0)) for _, each in shown],
        "next": f"?after={shown[-1][0]}" if len(rows) > _PAGE else "",
    }
    return render(request, "web/findings/kind.html", context)
