"""``$meta``, ``$meta-add`` and ``$meta-delete``: tags, security labels and profiles of a resource apart from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from charthouse.exchange.fhir.api import parse

from .content import meta_of
from .outcomes import problem

Json = dict[str, Any]
#: The members of ``meta`` that the operations add to and take from.
_LISTS = ("profile", "security", "tag")
_PLACE = "Parameters.parameter"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def meta_parameters(content: bytes) -> bytes:
    """What ``$meta`` answers of a resource: its ``meta``, as the parameter ``return``."""
    meta = orjson.Fragment(meta_of(content) or b"{}")
    return orjson.dumps(
        {"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": meta}]},
    )


def add_meta(content: bytes, parameters: bytes) -> bytes:
    """``content`` with what the parameter ``meta`` holds, each once. Raises FhirProblem 400."""
    return _changed(content, parameters, lambda held, given: [*held, *(each for each in given if each not in held)])


def remove_meta(content: bytes, parameters: bytes) -> bytes:
    """``content`` without what the parameter ``meta`` holds; what is not there is passed over. Raises FhirProblem
    400."""
    return _changed(content, parameters, lambda held, given: [each for each in held if each not in given])


class _Label:
    """A coding or a profile, the same as another of its system and code."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._key = (value.get("system"), value.get("code")) if isinstance(value, dict) else value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Label) and self._key == other._key

    __hash__ = None  # type: ignore[assignment]


def _changed(
    content: bytes, parameters: bytes, change: Callable[[list[_Label], list[_Label]], list[_Label]]
) -> bytes:
    given = _given(parameters)
    members = _members.decode(content)
    meta: Json = orjson.loads(bytes(members["meta"])) if "meta" in members else {}
    for name in _LISTS:
        if name in given:
            left = change(_labels(meta.get(name)), _labels(given[name]))
            meta[name] = [each.value for each in left]
    meta = {name: value for name, value in meta.items() if value != []}
    kept = {name: value for name, value in members.items() if name != "meta"}
    head = {name: kept.pop(name) for name in ("resourceType", "id") if name in kept}
    return msgspec.json.encode({**head, **({"meta": meta} if meta else {}), **kept})


def _labels(values: Any) -> list[_Label]:
    return [_Label(each) for each in values] if isinstance(values, list) else []


def _given(parameters: bytes) -> Json:
    sent = parse(parameters)
    if sent.get("resourceType") != "Parameters":
        raise problem(400, "The body must be a Parameters resource.", code="structure", expression="resourceType")
    for each in sent.get("parameter") or ():
        if isinstance(each, dict) and each.get("name") == "meta" and isinstance(each.get("valueMeta"), dict):
            meta: Json = each["valueMeta"]
            if any(not isinstance(meta.get(name, []), list) for name in _LISTS):
                raise problem(400, "profile, security and tag of a Meta are lists.", expression=_PLACE)
            return meta
    raise problem(400, "The parameter 'meta' is missing, as valueMeta.", code="required", expression=_PLACE)
