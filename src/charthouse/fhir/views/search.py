"""Searches and the operations that read: thin views over :mod:`charthouse.fhir.searching`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.http import HttpResponse

from charthouse.exchange.fhir.api import compartments, parse
from charthouse.fhir.domain.asks import ID, check_type
from charthouse.fhir.domain.negotiation import FORM, answer_type, body_type
from charthouse.fhir.domain.outcomes import problem
from charthouse.fhir.http import NOT_SEARCHED, FhirRequest, answered, fhir_view, refuse_operation
from charthouse.fhir.narrowing import terms_of
from charthouse.fhir.searching.answer import Answered, answer
from charthouse.fhir.searching.asker import Asker
from charthouse.fhir.searching.everything import everything, lastn
from charthouse.fhir.searching.matching import match
from charthouse.fhir.searching.several import answer_several
from charthouse.foundation.ledger.api import Subject
from charthouse.record.api import as_it_stands

Pairs = list[tuple[str, str]]


def search_type(request: FhirRequest, kind: str) -> HttpResponse:
    """Search resources of a type."""
    request.action = "fhir.search"
    check_type(kind)
    request.may("s", kind)
    return _shown(request, answer(_asker(request), kind, _pairs(request)), kind)


def search_all(request: FhirRequest) -> HttpResponse:
    """Search in everything, or in the types that ``_type`` names."""
    request.action = "fhir.search"
    return _shown(request, answer_several(_asker(request), _pairs(request)), "*")


@fhir_view("fhir.search")
def search_type_by_form(request: FhirRequest, kind: str) -> HttpResponse:
    """``Type/_search``: by POST, and by GET as some clients ask."""
    _is_search(request)
    return search_type(request, kind)


@fhir_view("fhir.search")
def search_all_by_form(request: FhirRequest) -> HttpResponse:
    """``_search``."""
    _is_search(request)
    return search_all(request)


@fhir_view("fhir.search")
def search_compartment(request: FhirRequest, owner: str, id: str, kind: str) -> HttpResponse:
    """``GET Patient/x/Condition``, and ``Patient/x/*`` for every type."""
    refuse_operation(kind)
    request.is_read()
    return _compartment(request, owner, id, kind)


@fhir_view("fhir.search")
def search_compartment_by_form(request: FhirRequest, owner: str, id: str, kind: str) -> HttpResponse:
    """``Patient/x/Condition/_search``."""
    _is_search(request)
    return _compartment(request, owner, id, kind)


def _compartment(request: FhirRequest, owner: str, id: str, kind: str) -> HttpResponse:
    if owner not in compartments():
        raise problem(404, f"There is no compartment of this type; there are {', '.join(sorted(compartments()))}.")
    _there(request, owner, id)
    path = f"{owner}/{id}/{kind}"
    if kind == "*":
        return _shown(
            request, answer_several(_asker(request), _pairs(request), path=path, within=(owner, id)), kind
        )
    check_type(kind)
    request.may("s", kind)
    found = answer(_asker(request), kind, _pairs(request), path=path, within=(owner, id))
    return _shown(request, found, kind)


@fhir_view("fhir.everything")
def everything_of(request: FhirRequest, kind: str, id: str) -> HttpResponse:
    """``Patient/x/$everything`` and ``Encounter/x/$everything``."""
    request.may("r", kind)
    _there(request, kind, id)
    pairs = _asked(request)
    return _shown(request, everything(_asker(request), kind, id, pairs), kind)


@fhir_view("fhir.everything")
def everything_of_all(request: FhirRequest) -> HttpResponse:
    """``Patient/$everything``: of every patient that may be seen."""
    request.may("s", "Patient")
    pairs = _asked(request)
    return _shown(request, everything(_asker(request), "Patient", None, pairs), "Patient")


@fhir_view("fhir.lastn")
def lastn_of(request: FhirRequest) -> HttpResponse:
    """``Observation/$lastn``."""
    request.may("s", "Observation")
    return _shown(request, lastn(_asker(request), _asked(request)), "Observation")


@fhir_view("fhir.match")
def match_patient(request: FhirRequest) -> HttpResponse:
    """``POST Patient/$match``."""
    if request.method != "POST":
        raise problem(405, "$match is asked by POST.", headers={"Allow": "POST, OPTIONS"})
    request.may("s", "Patient")
    return _shown(request, match(_asker(request), _resource(request)), "Patient")


def _asker(request: FhirRequest) -> Asker:
    client = request.client
    return Asker(
        request.ctx,
        f"{request.base}/",
        strict=request.prefer.strict,
        readable=lambda kind: bool(client.may("r", kind) or client.may("s", kind)),
        narrowed=lambda kind: terms_of(client, "s" if client.may("s", kind) else "r", kind),
    )


def _is_search(request: FhirRequest) -> None:
    if request.method not in ("GET", "HEAD", "POST"):
        raise problem(405, "_search takes a form by POST.", headers={"Allow": "GET, HEAD, POST, OPTIONS"})


def _pairs(request: FhirRequest) -> Pairs:
    """The parameters of a search: those of the query, then those of the form."""
    if request.method != "POST":
        return request.pairs
    body = request.body()
    form = body_type(request.header("Content-Type") or "")
    if body and form != FORM:
        raise problem(415, f"A search by POST brings its parameters as a form. Send it as {FORM}.")
    try:
        text = body.decode("utf-8")
        found = parse_qsl(text, keep_blank_values=True, max_num_fields=1_000)
    except ValueError:
        raise problem(400, "The form cannot be read: it must be UTF-8 with at most 1,000 parameters.") from None
    for form in (value for name, value in found if name == "_format"):
        request.answers = answer_type("", form)
    return [*request.pairs, *(pair for pair in found if pair[0] not in NOT_SEARCHED)]


def _asked(request: FhirRequest) -> Pairs:
    """The parameters of an operation, by query, form or Parameters."""
    if request.method in ("GET", "HEAD"):
        return request.pairs
    if request.method != "POST":
        raise problem(405, "The operation is asked by GET or POST.", headers={"Allow": "GET, POST, OPTIONS"})
    if body_type(request.header("Content-Type") or "") == FORM or not request.body().strip():
        return _pairs(request)
    found = list(request.pairs)
    for each in _resource(request).get("parameter") or ():
        value = next((inner for name, inner in each.items() if name.startswith("value")), None)
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise problem(
                400, "A parameter of the operation has no plain value.", expression="Parameters.parameter"
            )
        found.append((str(each.get("name")), str(value)))
    return found


def _resource(request: FhirRequest) -> dict[str, Any]:
    parsed: dict[str, Any] = parse(request.resource())
    return parsed


def _there(request: FhirRequest, kind: str, id: str) -> None:
    """Raise FhirProblem 404 unless the owner of a compartment is there and may be seen, 410 for a deleted one."""
    kept = as_it_stands(request.ctx, kind, id) if ID.fullmatch(id) else None
    request.subjects.append(Subject("resource", f"{kind}/{id[:64]}"))
    if kept is None or not request.sees(kept):
        raise problem(404, f"There is no {kind} with this id.")
    if kept.is_deleted:
        raise problem(410, f"The {kind} was deleted.")


def _shown(request: FhirRequest, found: Answered, kind: str) -> HttpResponse:
    """The Bundle as a response, each resource in it noted as leaving the house."""
    for stored, patient in found.given:
        request.shows_item(stored.type, stored.public_id, patient)
    request.detail = {**request.detail, "type": kind, "found": len(found.given)}
    return answered(orjson.dumps(found.bundle))
