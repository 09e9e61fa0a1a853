"""The CapabilityStatement, made from what is really there: types, search parameters, addresses of operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver

from charthouse import __version__
from charthouse.configuration import configuration
from charthouse.exchange.fhir.api import default_extractor, definitions_of
from charthouse.foundation.clock import wall

from .domain.asks import resource_types
from .domain.negotiation import FHIR_JSON, PATCH_JSON, instant
from .profiles import loaded

Json = dict[str, Any]

_STARTED = instant(wall())
_INTERACTIONS = (
    "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type",
)  # fmt: skip
#: Answered by the index of words.
_BY_WORDS = ("_content", "_text")
_OF_SERVER = ("transaction", "batch", "history-system", "search-system")
_BULK_GUIDE = "http://hl7.org/fhir/uv/bulkdata/"
_BULK = f"{_BULK_GUIDE}OperationDefinition/"
_DEFINITIONS = {
    (None, "$export"): f"{_BULK}export",
    ("Patient", "$export"): f"{_BULK}patient-export",
    ("Group", "$export"): f"{_BULK}group-export",
    (None, "$validate"): "http://hl7.org/fhir/OperationDefinition/Resource-validate",
}


def capability_statement(base: str) -> Json:
    """What this server does at ``base``."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _STARTED,
        "publisher": "Charthouse",
        "kind": "instance",
        "instantiates": [f"{_BULK_GUIDE}CapabilityStatement/bulk-data"],
        "software": {"name": "Charthouse", "version": __version__},
        "implementation": {"description": "The legal health record of a health-records department", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "patchFormat": [PATCH_JSON, FHIR_JSON],
        "rest": [_rest(base)],
    }


def _rest(base: str) -> Json:
    operations = _operations()
    profiles = _profiles()
    told: Json = {
        "mode": "server",
        "documentation": "What is read and written stands in the ledger; what a client may not see is not there.",
        "security": _security(base),
        "resource": [
            {
                **_resource(kind),
                **profiles.get(kind, {}),
                **_with("operation", operations.get(kind, {}), operations.get("*", {})),
            }
            for kind in resource_types()
        ],
        "interaction": [{"code": code} for code in _OF_SERVER],
        "searchParam": _searched(_shared_parameters()),
    }
    return told | _with("operation", operations.get("", {}))


def _profiles() -> dict[str, Json]:
    """By type the profiles that were loaded, which what is filed is checked against."""
    found: dict[str, list[str]] = {}
    for url, profile in sorted(loaded().profiles.items()):
        found.setdefault(profile.type, []).append(url)
    return {kind: {"supportedProfile": urls} for kind, urls in found.items()}


def _security(base: str) -> Json:
    told: Json = {
        "cors": bool(configuration().extra.get("fhir_origins")),
        "description": "A bearer token with each request: from an administrator, or by SMART Backend Services.",
    }
    if any(path == "/auth/token" for path in _paths()):
        told["service"] = [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ],
                "text": "OAuth2 by SMART Backend Services",
            }
        ]
        told["extension"] = [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": "token", "valueUri": f"{base}/auth/token"}],
            }
        ]
    return told


@cache
def _resource(kind: str) -> Json:
    many = bool(configuration().extra.get("fhir_delete_many", False))
    told: Json = {
        "type": kind,
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "multiple" if many else "single",
        "referencePolicy": ["literal", "logical", "local"],
    }
    included = [f"{kind}:{each.code}" for each in default_extractor().parameters(kind).values() if each.targets]
    if included:
        told["searchInclude"] = ["*", *sorted(included)]
    if by_others := _led_here().get(kind):
        told["searchRevInclude"] = ["*", *by_others]
    told["searchParam"] = _searched(
        (each.code, each.kind, _urls(kind).get(each.code, ""))
        for each in default_extractor().parameters(kind).values()
        if each.answers or each.components or each.code in _BY_WORDS
    )
    return told


def _searched(parameters: Iterable[tuple[str, str, str]]) -> list[Json]:
    return [
        {"name": code, **({"definition": url} if url else {}), "type": kind}
        for code, kind, url in sorted(parameters)
    ]


def _shared_parameters() -> Iterator[tuple[str, str, str]]:
    """The parameters that every type has."""
    for each in default_extractor().parameters("Basic").values():
        if each.code.startswith("_") and each.answers:
            yield each.code, each.kind, _urls("Basic").get(each.code, "")


@cache
def _urls(kind: str) -> dict[str, str]:
    return {definition["code"]: definition["url"] for definition in definitions_of(kind)}


@cache
def _led_here() -> dict[str, list[str]]:
    """For each type the parameters of others that lead to it."""
    found: dict[str, list[str]] = {}
    for kind in resource_types():
        for each in default_extractor().parameters(kind).values():
            if each.answers:
                for target in each.targets:
                    found.setdefault(target, []).append(f"{kind}:{each.code}")
    return {kind: sorted(names) for kind, names in found.items()}


_OPERATION = re.compile(r"(?:/(<str:kind>|[A-Z]\w+))?(?:/<str:(?:id|group)>)?/(\$[a-z-]+)")


@cache
def _operations() -> dict[str, dict[str, str]]:
    """The operations there are: "" (the server), a type, or "*" (every type) -> name -> definition."""
    found: dict[str, dict[str, str]] = {}
    for path in _paths():
        if match := _OPERATION.fullmatch(path):
            kind, name = match.groups()
            named = None if kind in (None, "<str:kind>") else kind
            url = _DEFINITIONS.get((named, name)) or (
                f"http://hl7.org/fhir/OperationDefinition/{named or 'Resource'}-{name[1:]}"
            )
            found.setdefault("" if kind is None else named or "*", {})[name[1:]] = url
    return found


@cache
def _paths() -> tuple[str, ...]:
    from .urls import urlpatterns

    return tuple(_written(urlpatterns, ""))


def _written(patterns: Sequence[URLPattern | URLResolver], before: str) -> Iterator[str]:
    for each in patterns:
        here = f"{before}{each.pattern}"
        if isinstance(each, URLResolver):
            yield from _written(each.url_patterns, here)
        else:
            yield here


def _with(name: str, *operations: dict[str, str]) -> Json:
    told = {code: url for each in operations for code, url in each.items()}
    return {name: [{"name": code, "definition": url} for code, url in sorted(told.items())]} if told else {}
