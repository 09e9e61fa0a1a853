"""``$validate``: whether a resource could be written, without writing it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from django.http import HttpResponse

from charthouse.exchange.fhir.api import beyond_schema, parse, validate
from charthouse.exchange.fhir.conformance.api import check
from charthouse.fhir.domain.asks import ID, check_type
from charthouse.fhir.domain.outcomes import Issue, outcome, problem
from charthouse.fhir.finding_queries import missing_targets
from charthouse.fhir.http import LIMITS, FhirRequest, answered, fhir_view
from charthouse.fhir.profiles import loaded
from charthouse.record.api import as_it_stands, whole


@fhir_view("fhir.validate")
def validate_type(request: FhirRequest, kind: str) -> HttpResponse:
    """Validate a resource of this type: itself as the body, or as the parameter ``resource`` of Parameters."""
    return _validated(request, kind, None)


@fhir_view("fhir.validate")
def validate_instance(request: FhirRequest, kind: str, id: str) -> HttpResponse:
    """Validate what is to stand under this id, or, without a body, what stands there."""
    return _validated(request, kind, id)


def _validated(request: FhirRequest, kind: str, id: str | None) -> HttpResponse:
    check_type(kind)
    if request.method not in ("POST", "GET", "HEAD"):
        raise problem(405, "$validate is asked with POST.", headers={"Allow": "GET, POST, OPTIONS"})
    asked = dict(request.pairs)
    resource: dict[str, Any] | None = None
    if request.method == "POST":
        sent = parse(request.resource(), LIMITS)
        if sent["resourceType"] == "Parameters":
            resource, told = _parameters(sent)
            asked |= told
        else:
            resource = sent
    mode = asked.get("mode", "")
    if mode not in ("", "create", "update", "delete", "profile"):
        raise problem(400, "The mode is none of create, update, delete and profile.", code="value")
    return answered(outcome(_issues(request, kind, id, mode, resource, asked.get("profile", ""))))


def _parameters(sent: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, str]]:
    resource, told = None, {}
    for each in sent.get("parameter") or ():
        if not isinstance(each, dict):
            continue
        if each.get("name") == "resource" and isinstance(each.get("resource"), dict):
            resource = each["resource"]
        for value in ("valueCode", "valueUri", "valueString", "valueCanonical"):
            if isinstance(each.get(value), str):
                told[str(each.get("name"))] = each[value]
    return resource, told


def _issues(
    request: FhirRequest, kind: str, id: str | None, mode: str, resource: dict[str, Any] | None, profile: str
) -> list[Issue]:
    issues = []
    kept = None
    if id is not None:
        kept = as_it_stands(request.ctx, kind, id) if ID.fullmatch(id) and request.client.may("r", kind) else None
        if kept is not None and not request.sees(kept):
            kept = None
        if kept is None and (resource is None or mode in ("update", "delete")):
            raise problem(404, f"There is no {kind} with this id.")
    if mode == "delete":
        if kept is not None and kept.is_deleted:
            issues.append(Issue("deleted", f"The {kind} was deleted already.", severity="warning"))
        return issues
    if resource is None:
        if kept is None:
            raise problem(400, "There is nothing to validate: send it, or name one that stands.", code="required")
        request.shows(kept)
        resource = orjson.loads(whole(kept))
    if resource.get("resourceType") != kind:
        issues.append(Issue("invalid", f"The resource is no {kind}, whose address this is.", "resourceType"))
    else:
        issues.extend(
            Issue("structure", wrong.message, wrong.path)
            for wrong in validate(resource) or beyond_schema(resource, orjson.dumps(resource))
        )
    given = resource.get("id")
    if mode == "update" and id is not None and given != id:
        issues.append(Issue("value", "The resource's id is another than that of the address.", f"{kind}.id"))
    if not issues:
        issues.extend(_second_tier(request, resource, profile))
    return issues


def _second_tier(request: FhirRequest, resource: dict[str, Any], profile: str) -> Iterator[Issue]:
    """What is filed all the same, and found afterwards: bindings, targets, invariants, profiles."""
    library = loaded()
    asked = profile.partition("|")[0]
    if asked and asked not in library.profiles:
        yield Issue(
            "not-supported",
            "The profile was not checked, for it is not loaded here; R4 itself was.",
            severity="warning",
        )
    elif asked and library.profiles[asked].type != resource["resourceType"]:
        yield Issue("invalid", f"The profile is of {library.profiles[asked].type}.", "resourceType")
    checked = check(resource, library, [asked] if asked else [])
    for found in (*checked.findings, *missing_targets(checked)):
        yield Issue(found.code, found.message, found.path, found.severity)
