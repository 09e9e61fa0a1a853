"""Creating, updating, patching and deleting: each parses what is asked and calls the action."""

from __future__ import annotations

import orjson
from django.http import HttpResponse

from charthouse.fhir.actions.write import Done, done_in_words, write
from charthouse.fhir.domain.asks import Ask, check_id, check_type, criteria_of, head_of, unless_of
from charthouse.fhir.domain.content import with_meta
from charthouse.fhir.domain.negotiation import (
    FHIR_JSON,
    PATCH_JSON,
    body_type,
    check_resource_type,
    etag,
    http_date,
    if_match,
    is_fhir,
)
from charthouse.fhir.domain.outcomes import Issue, problem
from charthouse.fhir.domain.patching import apply_patch
from charthouse.fhir.domain.path_patching import apply_path_patch
from charthouse.fhir.http import FhirRequest, answered, fhir_view, refuse_operation
from charthouse.foundation.base64 import as_base64
from charthouse.record.api import Kept, as_it_stands, whole

from .reads import read


@fhir_view("fhir.instance", reads=True)
def of_instance(request: FhirRequest, kind: str, id: str) -> HttpResponse:
    """Read, update, patch or delete one resource."""
    refuse_operation(id)
    match request.method:
        case "GET" | "HEAD":
            return read(request, kind, id)
        case "PUT":
            return update(request, kind, id)
        case "PATCH":
            return patch(request, kind, id)
        case "DELETE":
            return delete(request, kind, id)
        case _:
            raise problem(
                405,
                f"A {request.method} is not for one resource. Create with POST to /fhir/{kind}.",
                headers={"Allow": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"},
            )


def create(request: FhirRequest, kind: str) -> HttpResponse:
    """201 with the new resource; with If-None-Exist 200 where one meets it, 412 where several do."""
    request.action = "fhir.create"
    check_type(kind)
    request.may("c", kind)
    body, resource = _sent(request, kind)
    unless = request.header("If-None-Exist")
    ask = Ask("POST", kind, resource=resource, original=body)
    if unless is not None:
        ask.unless = unless_of(unless, kind, request.base)
    return _done(request, ask)


def update(request: FhirRequest, kind: str, id: str | None) -> HttpResponse:
    """200 with the new version, 201 where there was none; without an id, of the resource that meets the query."""
    request.action = "fhir.update"
    check_type(kind)
    if id is not None:
        check_id(id)
    request.may("u", kind)
    body, resource = _sent(request, kind, id)
    ask = Ask("PUT", kind, id, resource=resource, original=body)
    ask.criteria = _criteria(request) if id is None else None
    ask.expected = if_match(request.header("If-Match"))
    ask.absent = (request.header("If-None-Match") or "").strip() == "*"
    return _done(request, ask)


def patch(request: FhirRequest, kind: str, id: str | None) -> HttpResponse:
    """200 with the new version after a JSON Patch or a FHIRPath Patch."""
    request.action = "fhir.patch"
    check_type(kind)
    request.may("u", kind)
    form = body_type(request.header("Content-Type") or "")
    if form != PATCH_JSON and not (form and is_fhir(form)):
        raise problem(415, f"A patch is sent as {PATCH_JSON}, or as Parameters in {FHIR_JSON}.")
    if form != PATCH_JSON:
        check_resource_type(request.header("Content-Type") or "")
    body = request.body()
    ask = Ask("PATCH", kind, id, resource=body, original=body)
    ask.patched = apply_patch if form == PATCH_JSON else apply_path_patch
    ask.criteria = _criteria(request) if id is None else None
    ask.expected = if_match(request.header("If-Match"))
    return _done(request, ask)


def delete(request: FhirRequest, kind: str, id: str | None) -> HttpResponse:
    """204, also where there is nothing to delete; 200 with an OperationOutcome where Prefer asks for one."""
    request.action = "fhir.delete"
    check_type(kind)
    request.may("d", kind)
    ask = Ask("DELETE", kind, id)
    ask.criteria = _criteria(request) if id is None else None
    ask.expected = if_match(request.header("If-Match"))
    return _done(request, ask)


def _criteria(request: FhirRequest) -> list[tuple[str, str]]:
    if not request.pairs:
        raise problem(400, f"Without an id a {request.method} needs a condition, such as ?identifier=system|value.")
    return criteria_of(str(request.raw.META.get("QUERY_STRING", "")))


def _sent(request: FhirRequest, kind: str, id: str | None = None) -> tuple[bytes, bytes]:
    """The body as it came, and the resource it is. Raises FhirProblem where it is of another type."""
    form = body_type(request.header("Content-Type") or "")
    if kind == "Binary" and form and not is_fhir(form):
        return b"", _binary(request, form, id)
    body = request.resource()
    head = head_of(body)
    if head.resourceType != kind:
        raise problem(
            400,
            f"The resource is a {head.resourceType[:60]}, and the address is that of {kind}.",
            expression="resourceType",
        )
    return body, body


def _binary(request: FhirRequest, form: str, id: str | None) -> bytes:
    """A file sent as it is, made the resource that holds it."""
    made: dict[str, object] = {"resourceType": "Binary", "contentType": form}
    if id is not None:
        made["id"] = id
    if context := request.header("X-Security-Context"):
        made["securityContext"] = {"reference": context}
    made["data"] = as_base64(request.body())
    return orjson.dumps(made)


def _done(request: FhirRequest, ask: Ask) -> HttpResponse:
    """Write, and answer as Prefer asks: with the resource unless it says otherwise."""

    def then(done: list[Done]) -> tuple[Done, Kept | None]:
        (one,) = done
        if ask.method == "PUT" and one.status == 201:
            request.may("c", ask.type)
        wanted = request.prefer.returned in ("", "representation") and request.client.may("r", ask.type)
        kept = as_it_stands(request.ctx, one.type, one.id) if wanted and one.status != 204 else None
        return one, kept if kept is not None and request.sees(kept) else None

    one, kept = write(request.client, [ask], base=request.base, action=request.action, then=then)
    request.logged = one.version > 0 and not one.met
    headers = {}
    if one.version and one.at:
        headers = {"ETag": etag(one.version), "Last-Modified": http_date(one.at)}
    if one.status == 204:
        if request.prefer.returned == "OperationOutcome":
            return answered(b"", issues=[_said(one)], headers=headers)
        return HttpResponse(status=204, headers=headers)
    headers["Location"] = f"{request.base}/{one.type}/{one.id}/_history/{one.version}"
    if kept is not None:
        if one.met:
            request.shows(kept)
        return answered(with_meta(whole(kept), kept.version, kept.at), one.status, headers=headers)
    if request.prefer.returned == "OperationOutcome":
        return answered(b"", one.status, issues=[_said(one)], headers=headers)
    return HttpResponse(status=one.status, headers=headers, content_type="application/fhir+json; charset=utf-8")


def _said(done: Done) -> Issue:
    return Issue("informational", done_in_words(done), severity="information")
