"""What this server does: the root of the API and ``/fhir/metadata``."""

from __future__ import annotations

import orjson
from django.http import HttpResponse

from charthouse.fhir.capability import capability_statement
from charthouse.fhir.domain.outcomes import problem
from charthouse.fhir.http import FhirRequest, answered, fhir_view


@fhir_view("fhir.metadata", open_to_all=True)
def metadata(request: FhirRequest) -> HttpResponse:
    """The CapabilityStatement."""
    if request.method not in ("GET", "HEAD"):
        raise problem(405, "The CapabilityStatement is only read.", headers={"Allow": "GET, HEAD, OPTIONS"})
    if dict(request.pairs).get("mode", "full") == "terminology":
        raise problem(
            404,
            "This server has no terminology service, and so no TerminologyCapabilities. "
            "Ask for /fhir/metadata without mode.",
            code="not-supported",
        )
    return answered(orjson.dumps(capability_statement(request.base)))
