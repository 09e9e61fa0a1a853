"""``$meta``, ``$meta-add`` and ``$meta-delete`` of one resource."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse

from charthouse.fhir.actions.write import Done, write
from charthouse.fhir.domain.asks import ID, Ask, check_type
from charthouse.fhir.domain.content import with_meta
from charthouse.fhir.domain.labelling import add_meta, meta_parameters, remove_meta
from charthouse.fhir.domain.negotiation import etag, http_date, if_match
from charthouse.fhir.domain.outcomes import problem
from charthouse.fhir.http import FhirRequest, answered, fhir_view
from charthouse.record.api import Kept, as_it_stands

from .reads import headers_of


@fhir_view("fhir.meta")
def meta_of_one(request: FhirRequest, kind: str, id: str) -> HttpResponse:
    """The ``meta`` of a resource."""
    check_type(kind)
    request.may("r", kind)
    kept = as_it_stands(request.ctx, kind, id) if ID.fullmatch(id) else None
    if kept is None or not request.sees(kept):
        raise problem(404, f"There is no {kind} with this id.")
    if kept.is_deleted:
        raise problem(410, f"The {kind} was deleted.", headers=headers_of(kept))
    request.shows(kept)
    return answered(_parameters(kept), headers=headers_of(kept))


@fhir_view("fhir.meta")
def add_to_meta(request: FhirRequest, kind: str, id: str) -> HttpResponse:
    """Add tags, security labels and profiles, as a new version."""
    return _changed(request, kind, id, add_meta)


@fhir_view("fhir.meta")
def remove_from_meta(request: FhirRequest, kind: str, id: str) -> HttpResponse:
    """Take tags, security labels and profiles away, as a new version."""
    return _changed(request, kind, id, remove_meta)


def _changed(request: FhirRequest, kind: str, id: str, change: Callable[[bytes, bytes], bytes]) -> HttpResponse:
    check_type(kind)
    if request.method != "POST":
        raise problem(405, "The operation is asked with POST.", headers={"Allow": "POST, OPTIONS"})
    request.action = "fhir.patch"
    request.may("u", kind)
    request.may("r", kind)
    body = request.resource()
    ask = Ask("PATCH", kind, id, resource=body, original=body, patched=change)
    ask.expected = if_match(request.header("If-Match"))

    def then(done: list[Done]) -> tuple[Done, Kept | None]:
        kept = as_it_stands(request.ctx, kind, id)
        return done[0], kept if kept is not None and request.sees(kept) else None

    done, kept = write(request.client, [ask], base=request.base, action=request.action, then=then)
    request.logged = True
    if kept is not None:
        return answered(_parameters(kept), headers=headers_of(kept))
    headers = {"ETag": etag(done.version)} | ({"Last-Modified": http_date(done.at)} if done.at else {})
    return HttpResponse(status=200, headers=headers, content_type="application/fhir+json; charset=utf-8")


def _parameters(kept: Kept) -> bytes:
    return meta_parameters(with_meta(kept.content, kept.version, kept.at))
