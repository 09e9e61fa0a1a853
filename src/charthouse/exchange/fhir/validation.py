"""Checking resources against HL7's R4 JSON schema: structure, datatypes, required codes.

Bindings to large value sets, invariants and what references point at are not the schema's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from charthouse.exchange.fhir.definitions import (
    Json,
    conformance_definitions,
    element_facts,
    resource_types,
    schema_definitions,
)

if TYPE_CHECKING:
    import jsonschema_rs

MOST_PROBLEMS = 100
"""No more are told of one resource."""

_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MOST_OPTIONS = 12
_SHOWN = {
    "base64Binary": "text in base64",
    "boolean": "true or false",
    "canonical": "a canonical URL without white space",
    "code": "a code without leading, trailing or doubled white space",
    "date": "a date (YYYY, YYYY-MM or YYYY-MM-DD)",
    "dateTime": "a date (YYYY, YYYY-MM, YYYY-MM-DD) or a time with seconds and zone (YYYY-MM-DDThh:mm:ss+zz:zz)",
    "decimal": "a number",
    "id": "an id (1 to 64 letters, digits, '-' and '.')",
    "instant": "a time with seconds and zone (YYYY-MM-DDThh:mm:ss+zz:zz)",
    "integer": "a whole number",
    "markdown": "a string that is not empty and has no control characters",
    "oid": "an OID (urn:oid:1.2.3)",
    "positiveInt": "a whole number from 1 up",
    "string": "a string that is not empty and has no control characters",
    "time": "a time of day (hh:mm:ss)",
    "unsignedInt": "a whole number from 0 up",
    "uri": "a URI without white space",
    "url": "a URL without white space",
    "uuid": "a UUID (urn:uuid:…)",
    "xhtml": "XHTML text",
}
_JSON_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at ``path`` (``Patient.name[0].family``). ``message`` never holds a value of the content."""

    path: str
    message: str

    def __str__(self) -> str:
        """Place and message."""
        return f"{self.path}: {self.message}"


def is_valid(resource: Json) -> bool:
    """Whether ``resource``, and every resource within it, keeps to R4's schema. The fast way."""
    kind = resource.get("resourceType")
    if type(kind) is not str or kind not in resource_types():
        return False
    if not _any_validator().is_valid({kind: resource}):
        return False
    if "contained" in resource or kind in _HOLDERS:
        return all(is_valid(inner) for _, inner in _inner(resource, kind))
    return True


def validate(resource: Json) -> list[Problem]:
    """All that is wrong with ``resource``, and with resources within it; empty when it keeps to R4's schema."""
    return [] if is_valid(resource) else list(_problems(resource, None))[:MOST_PROBLEMS]


_EMPTY = re.compile(rb"\[\s*\]|\{\s*\}")


def empty_elements(resource: Json, content: bytes) -> list[Problem]:
    """The lists and objects of ``resource``, whose bytes are ``content``, that hold nothing: R4's JSON has none,
    and its schema does not say so."""
    if not _EMPTY.search(content):
        return []
    found: list[Problem] = []
    waiting: list[tuple[str, Any]] = [(str(resource.get("resourceType", "resource")), resource)]
    while waiting and len(found) < MOST_PROBLEMS:
        path, value = waiting.pop()
        if value == [] or value == {}:
            what = "list" if value == [] else "object"
            found.append(Problem(path, f"The {what} is empty; leave the element out."))
        elif type(value) is dict:
            waiting.extend((f"{path}.{_shown_name(name)}", inner) for name, inner in value.items())
        elif type(value) is list:
            waiting.extend((f"{path}[{number}]", inner) for number, inner in enumerate(value))
    return found


def beyond_schema(resource: Json, content: bytes) -> list[Problem]:
    """What is wrong with the structure of ``resource``, whose bytes are ``content``, that R4's schema lets pass."""
    return [*empty_elements(resource, content), *missing_elements(resource), *misused_elements(resource)]


def missing_elements(resource: Json) -> list[Problem]:
    """The elements that R4 asks for at least once and that are wanting in ``resource`` or in one it contains.

    HL7's schema asks for no element of a primitive type, since extensions may stand in its place
    (json.html#primitive): here its twin with an underscore is enough, too.
    """
    kind = str(resource.get("resourceType", "resource"))
    found = [
        Problem(f"{kind}{place}", f"The element '{name}' is required and missing.")
        for path in element_facts(kind).get("mandatory", ())
        for place, name in _wanting(resource, path.split("."), "")
    ]
    for number, inner in enumerate(_list(resource.get("contained"))):
        if isinstance(inner, dict):
            at = f"{kind}.contained[{number}]"
            own = str(inner.get("resourceType", ""))
            found += [Problem(at + each.path.removeprefix(own), each.message) for each in missing_elements(inner)]
    return found[:MOST_PROBLEMS]


def _wanting(value: Json, steps: list[str], at: str) -> Iterator[tuple[str, str]]:
    """Where the last of ``steps`` is wanting in the elements that the steps before it lead to."""
    name, *rest = steps
    if not rest:
        if name.endswith("[x]"):
            name = name.removesuffix("[x]")
            if not any(key.lstrip("_").startswith(name) for key in value):
                yield at, f"{name}[x]"
        elif name not in value and f"_{name}" not in value:
            yield at, name
        return
    held = value.get(name)
    for number, inner in enumerate(held if isinstance(held, list) else [held]):
        if isinstance(inner, dict):
            yield from _wanting(inner, rest, f"{at}.{name}" + (f"[{number}]" if isinstance(held, list) else ""))


def misused_elements(resource: Json) -> list[Problem]:
    """Where ``resource`` says one choice of datatypes twice (``valueString`` beside ``valueQuantity``), and its
    extensions without a ``url``. R4 has neither; its schema does not say so."""
    choices = _choices()
    found: list[Problem] = []
    waiting: list[tuple[str, Any]] = [(str(resource.get("resourceType", "resource")), resource)]
    while waiting and len(found) < MOST_PROBLEMS:
        path, value = waiting.pop()
        said: dict[str, str] = {}
        for name, inner in value.items():
            if (choice := choices.get(name)) is not None and said.setdefault(choice, name) != name:
                found.append(Problem(path, f"'{said[choice]}' and '{name}' are of one choice; keep one of them."))
            if type(inner) is dict:
                waiting.append((f"{path}.{_shown_name(name)}", inner))
            elif type(inner) is list and inner and type(inner[0]) is dict:
                each = [(f"{path}.{_shown_name(name)}[{at}]", one) for at, one in enumerate(inner)]
                if name == "extension" or name == "modifierExtension":
                    found += [Problem(at, "An extension needs a 'url'.") for at, one in each if "url" not in one]
                waiting += [pair for pair in each if type(pair[1]) is dict]
    return found[:MOST_PROBLEMS]


@cache
def _choices() -> dict[str, str]:
    """The elements that are one datatype of a choice (``valueQuantity``), each with the choice (``value``)."""
    return {
        f"{path.rpartition('.')[2][:-3]}{datatype[0].upper()}{datatype[1:]}": path.rpartition(".")[2][:-3]
        for elements in conformance_definitions()["types"].values()
        for path, facts in elements.items()
        if path.endswith("[x]")
        for datatype in facts.get("t", ())
    }


def _problems(resource: Json, at: str | None) -> Iterator[Problem]:
    kind = resource.get("resourceType")
    if type(kind) is not str:
        yield Problem(at or "resource", "The resource does not name its type: 'resourceType' is missing.")
        return
    if kind not in resource_types():
        name = f"'{kind}'" if _ELEMENT.fullmatch(kind) else "This"
        yield Problem(at or "resource", f"{name} is not a resource type of FHIR R4.")
        return
    root = at or kind
    for error in _validator(kind).iter_errors(resource):
        path = root + "".join(
            f"[{step}]" if isinstance(step, int) else "." + _shown_name(step) for step in error.instance_path
        )
        for message in _messages(error, resource):
            yield Problem(path, message)
    for place, inner in _inner(resource, kind):
        named = inner.get("resourceType")  # where it names no type, the schema of what holds it has said so
        if isinstance(named, str) and named in resource_types() and not is_valid(inner):
            yield from _problems(inner, f"{root}.{place}")


@cache
def _any_validator() -> jsonschema_rs.Draft6Validator:
    """The compiled schema of ``{type: resource}`` of any type. Compiled as one, the types share what they are made
    of, which stays in the processor's cache from resource to resource."""
    import jsonschema_rs

    return jsonschema_rs.Draft6Validator(
        {
            "properties": {kind: {"$ref": f"#/definitions/{kind}"} for kind in sorted(resource_types())},
            "definitions": dict(schema_definitions()),
        },
        pattern_options=jsonschema_rs.RegexOptions(),
    )


@cache
def _validator(kind: str) -> jsonschema_rs.Draft6Validator:
    """The compiled schema of one resource type, with only the definitions that it needs, to say what is wrong."""
    import jsonschema_rs

    definitions = schema_definitions()
    kept: Json = {}
    waiting = [kind]
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept[name] = definitions[name]
            waiting.extend(_references(definitions[name]))
    return jsonschema_rs.Draft6Validator({"$ref": f"#/definitions/{kind}", "definitions": kept})


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rpartition("/")[2]
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


# Types that hold whole resources elsewhere than in ``contained``.
_HOLDERS = frozenset({"Bundle", "Parameters"})


def _inner(resource: Json, kind: str) -> Iterator[tuple[str, Json]]:
    """The resources directly within ``resource``, each with its path from there; what is no object is left out."""
    for number, inner in enumerate(_list(resource.get("contained"))):
        if isinstance(inner, dict):
            yield f"contained[{number}]", inner
    if kind == "Bundle":
        for number, entry in enumerate(_list(resource.get("entry"))):
            if not isinstance(entry, dict):
                continue
            if isinstance(inner := entry.get("resource"), dict):
                yield f"entry[{number}].resource", inner
            response = entry.get("response")
            if isinstance(response, dict) and isinstance(inner := response.get("outcome"), dict):
                yield f"entry[{number}].response.outcome", inner
    elif kind == "Parameters":
        yield from _parameter_resources(resource.get("parameter"), "parameter")


def _parameter_resources(parameters: object, path: str) -> Iterator[tuple[str, Json]]:
    for number, parameter in enumerate(_list(parameters)):
        if isinstance(parameter, dict):
            if isinstance(inner := parameter.get("resource"), dict):
                yield f"{path}[{number}].resource", inner
            yield from _parameter_resources(parameter.get("part"), f"{path}[{number}].part")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _messages(error: jsonschema_rs.ValidationError, resource: Json) -> Iterator[str]:
    """``error`` in plain words."""
    match error.kind.name:
        case "additionalProperties":
            for name in error.kind.value:
                yield f"The element '{_shown_name(name)}' is not part of R4 here; remove it or correct its name."
        case "required":
            yield f"The element '{error.kind.value}' is required and missing."
        case "type":
            yield f"Expected {_expected(error)}, found {_found(resource, error.instance_path)}."
        case "pattern" | "minimum" | "format":
            yield f"Expected {_expected(error)}; what is there has another form."
        case "enum":
            yield f"Expected {_options(error.kind.value)}, found something else."
        case "const":
            yield f"Expected '{error.kind.value}', found something else."
        case other:
            yield f"The element does not keep to R4's schema ({other})."


def _expected(error: jsonschema_rs.ValidationError) -> str:
    """What the schema asks for where ``error`` was found: the datatype when it has a name, else the JSON type."""
    path = error.schema_path
    if len(path) == 3 and path[0] == "definitions":
        name = str(path[1]).removesuffix("OrNull")
        if name == "ResourceList":
            return "a resource"
        return _SHOWN.get(name) or f"an object ({name.replace('_', '.')})"
    if error.kind.name == "type":
        return " or ".join(_JSON_TYPES.get(name, name) for name in error.kind.value)
    return "another value"


def _options(options: list[Any]) -> str:
    texts = [f"'{option}'" for option in options if isinstance(option, str)]
    if len(texts) == 1:
        return texts[0]
    if len(texts) > _MOST_OPTIONS:
        return f"one of {len(texts)} codes that R4 allows here"
    return f"one of {', '.join(texts[:-1])} or {texts[-1]}"


def _found(resource: Json, path: list[str | int]) -> str:
    """The JSON type of what is at ``path``; never its value."""
    value: Any = resource
    for step in path:
        value = value[step]
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return "a string"
        case int():
            return "a whole number"
        case _:
            return "a number with a fraction"


def _shown_name(name: str) -> str:
    """``name`` of an element where it can be one; a sender's own text is not repeated."""
    return name if _ELEMENT.fullmatch(name) else "…"
