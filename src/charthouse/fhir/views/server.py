"""The addresses of the server itself and of a type: each method to what it asks."""

from __future__ import annotations

from django.http import HttpResponse

from charthouse.fhir.domain.outcomes import problem
from charthouse.fhir.http import FhirRequest, fhir_view, refuse_operation

from .bundles import bundle
from .search import search_all, search_type
from .writes import create, delete, patch, update


@fhir_view("fhir.server")
def of_server(request: FhirRequest) -> HttpResponse:
    """Carry out a Bundle, or search in everything."""
    match request.method:
        case "POST":
            return bundle(request)
        case "GET" | "HEAD":
            return search_all(request)
        case _:
            raise problem(
                405,
                "The server's own address takes a Bundle with POST and a search with GET.",
                headers={"Allow": "GET, HEAD, POST, OPTIONS"},
            )


@fhir_view("fhir.unknown")
def unknown(request: FhirRequest, rest: str) -> HttpResponse:
    """404 for an address that means nothing here."""
    raise problem(404, "This address means nothing here. /fhir/metadata says what there is.", code="not-supported")


@fhir_view("fhir.type")
def of_type(request: FhirRequest, kind: str) -> HttpResponse:
    """Create, search, or update, patch and delete what meets a condition."""
    refuse_operation(kind)
    match request.method:
        case "POST":
            return create(request, kind)
        case "GET" | "HEAD":
            return search_type(request, kind)
        case "PUT":
            return update(request, kind, None)
        case "PATCH":
            return patch(request, kind, None)
        case "DELETE":
            return delete(request, kind, None)
        case _:
            raise problem(405, f"A {request.method} is not understood here.", headers={"Allow": "GET, POST"})
