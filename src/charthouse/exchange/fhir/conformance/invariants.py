"""R4's most frequent invariants, by hand: what a FHIRPath engine would say of them, many times faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from charthouse.exchange.fhir.dates import instant_range

from .fhirpath import Scope, compiled


def _extension(value: Any, scope: Scope) -> bool:
    """Must have either extensions or a value, not both."""
    has_value = any(key.startswith(("value", "_value")) for key in value)
    return ("extension" in value) is not has_value


def _reference(value: Any, scope: Scope) -> bool:
    """A local reference leads to a contained resource."""
    text = value.get("reference")
    if not isinstance(text, str) or not text.startswith("#") or text == "#":
        return True
    return any(isinstance(each, dict) and each.get("id") == text[1:] for each in scope.root.get("contained") or ())


def _period(value: Any, scope: Scope) -> bool | None:
    start, end = value.get("start"), value.get("end")
    if not isinstance(start, str) or not isinstance(end, str):
        return True
    if len(start) == len(end) and start[10:11] == end[10:11] and start[19:] == end[19:] and start <= end:
        return True
    if instant_range(start) is None or instant_range(end) is None:
        return None
    answer = _STARTS_FIRST(Scope(scope.resource, scope.root, value), [value])
    return None if not answer else answer != [False]


_STARTS_FIRST = compiled("start <= end")


def _contained(resource: Any) -> list[dict[str, Any]]:
    return [each for each in resource.get("contained") or () if isinstance(each, dict)]


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _referred_to(value: Any, scope: Scope) -> bool:
    """What is contained is referred to from elsewhere in the resource, or refers to it."""
    contained = _contained(value)
    if not contained:
        return True
    named = set(_strings(value))
    return all(f"#{each.get('id')}" in named or "#" in set(_strings(each)) for each in contained)


def _no_value_and_components(value: Any, scope: Scope) -> bool:
    if "component" not in value or not any(key.startswith("value") for key in value):
        return True
    mine = _codings(value.get("code"))
    return not any(mine & _codings(each.get("code")) for each in value["component"] if isinstance(each, dict))


def _codings(concept: Any) -> set[tuple[Any, ...]]:
    if not isinstance(concept, dict):
        return set()
    return {
        (each.get("system"), each.get("version"), each.get("code"), each.get("display"))
        for each in concept.get("coding") or ()
        if isinstance(each, dict)
    }


BY_HAND: dict[str, Callable[[Any, Scope], bool | None]] = {
    "ext-1": _extension,
    "ref-1": _reference,
    "per-1": _period,
    "qty-3": lambda value, scope: "code" not in value or "system" in value,
    "att-1": lambda value, scope: "data" not in value or "contentType" in value,
    "cpt-2": lambda value, scope: "value" not in value or "system" in value,
    "dom-2": lambda value, scope: not any("contained" in each for each in _contained(value)),
    "dom-3": _referred_to,
    "dom-4": lambda value, scope: (
        not any(
            {"versionId", "lastUpdated"} & each["meta"].keys()
            for each in _contained(value)
            if isinstance(each.get("meta"), dict)
        )
    ),
    "dom-5": lambda value, scope: (
        not any("security" in each["meta"] for each in _contained(value) if isinstance(each.get("meta"), dict))
    ),
    "obs-6": lambda value, scope: (
        "dataAbsentReason" not in value or not any(key.startswith("value") for key in value)
    ),
    "obs-7": _no_value_and_components,
}
