"""The part of FHIRPath that R4's search parameters use, resolved against R4's schema.

An expression is parsed once; each of its alternatives becomes a :class:`Leaf`: the JSON keys that lead to values,
the filters between them, and the datatype that is found there. Nothing here runs per resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from charthouse.exchange.fhir.definitions import Json, schema_definitions


class UnsupportedExpression(ValueError):
    """The expression uses what this subset does not know. The text says what."""


@dataclass(frozen=True, slots=True)
class Name:
    """Step into an element, by its FHIRPath name (``value`` for ``valueQuantity``)."""

    name: str


@dataclass(frozen=True, slots=True)
class As:
    """Only values of a type."""

    type: str


@dataclass(frozen=True, slots=True)
class Field:
    """Step into a JSON key; ``many`` where it holds a list."""

    key: str
    many: bool


@dataclass(frozen=True, slots=True)
class Where:
    """Only objects whose ``key`` equals ``value``."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Target:
    """Only references to resources of a type."""

    type: str


Step = Name | As | Field | Where | Target


@dataclass(frozen=True, slots=True)
class Leaf:
    """One way from a resource to values: its steps (no :class:`Name`, no :class:`As` left) and their datatype.

    ``target`` is the type that a reference must lead to, where the expression asks so.
    """

    steps: tuple[Step, ...]
    datatype: str
    target: str | None = None


_STEP = re.compile(
    r"\.?(?:"
    r"where\((?P<key>\w+)\s*=\s*'(?P<value>[^']*)'\)"
    r"|where\(resolve\(\) is (?P<target>\w+)\)"
    r"|(?:as|ofType)\((?P<as>\w+)\)"
    r"|extension\('(?P<url>[^']+)'\)"
    r"|(?P<name>[A-Za-z]\w*)(?!\()"
    r")"
)


def alternatives(expression: str) -> list[str]:
    """The members of a union, split at ``|`` outside of brackets and quotes."""
    parts = [""]
    depth = 0
    quoted = False
    for character in expression:
        if character == "'":
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
        if character == "|" and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def parse_path(path: str) -> list[Step]:
    """One member of a union as steps; raises :class:`UnsupportedExpression`."""
    path = path.strip()
    if path.startswith("("):  # (X as T), (X as T).rest, (X)
        end = _closing(path)
        inner, mark, kind = path[1:end].rpartition(" as ")
        steps = parse_path(inner if mark else path[1:end])
        if mark:
            steps.append(As(kind.strip()))
        return steps + (_rest(path[end + 1 :]) if path[end + 1 :] else [])
    head, mark, kind = path.rpartition(" as ")
    if mark:
        return [*parse_path(head), As(kind.strip())]
    return _rest(path)


def _closing(path: str) -> int:
    depth = 0
    for at, character in enumerate(path):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return at
    raise UnsupportedExpression(f"a bracket without its end: {path}")


def _rest(path: str) -> list[Step]:
    steps: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or match.end() == at:
            raise UnsupportedExpression(f"not in the subset: {path[at:]}")
        at = match.end()
        if match["key"]:
            steps.append(Where(match["key"], match["value"]))
        elif match["target"]:
            steps.append(Target(match["target"]))
        elif match["as"]:
            steps.append(As(match["as"]))
        elif match["url"]:
            steps += [Name("extension"), Where("url", match["url"])]
        else:
            steps.append(Name(match["name"]))
    return steps


@cache
def leaves(expression: str, kind: str) -> tuple[Leaf, ...]:
    """All ways that ``expression`` opens in a resource of type ``kind``; members for other types are passed over.

    An element that ``kind`` does not have gives none. Raises :class:`UnsupportedExpression`.
    """
    found: dict[Leaf, None] = {}
    for member in alternatives(expression):
        steps = parse_path(member)
        if not steps or not isinstance(root := steps[0], Name):
            raise UnsupportedExpression(f"no element to begin with: {member}")
        if root.name in (kind, "Resource", "DomainResource"):
            found.update(dict.fromkeys(resolve(tuple(steps[1:]), kind)))
        elif root.name[0].islower():
            found.update(dict.fromkeys(resolve(tuple(steps), kind)))
    return tuple(found)


def resolve(steps: tuple[Step, ...], datatype: str, taken: tuple[Step, ...] = ()) -> Iterator[Leaf]:
    """Follow ``steps`` from a value of ``datatype``, named as in the schema, through R4's elements."""
    if not steps:
        yield Leaf(taken, datatype)
        return
    step, rest = steps[0], steps[1:]
    match step:
        case Name(name):
            wanted = rest[0].type if rest and isinstance(rest[0], As) else None
            for key, inner, many in _elements(datatype, name):
                if wanted is None or inner.lower() == wanted.lower():
                    yield from resolve(rest[1:] if wanted else rest, inner, (*taken, Field(key, many)))
        case As(kind):
            if kind.lower() == datatype.lower():
                yield from resolve(rest, datatype, taken)
        case Target(kind):
            if rest:
                raise UnsupportedExpression("a step after resolve()")
            yield Leaf(taken, datatype, kind)
        case _:
            yield from resolve(rest, datatype, (*taken, step))


def _elements(datatype: str, name: str) -> Iterator[tuple[str, str, bool]]:
    """The JSON keys of element ``name`` in ``datatype``, each with its datatype and whether it is a list."""
    properties: Json = schema_definitions().get(datatype, {}).get("properties", {})
    if (schema := properties.get(name)) is not None:
        yield (name, *_datatype(schema))
        return
    for key, schema in properties.items():
        suffix = key[len(name) :]
        if key.startswith(name) and suffix[:1].isupper():
            inner, many = _datatype(schema)
            if inner.lower() == suffix.lower():
                yield key, inner, many


def _datatype(schema: Json) -> tuple[str, bool]:
    if schema.get("type") == "array":
        return _datatype(schema["items"])[0], True
    if "enum" in schema or "const" in schema:
        return "code", False
    return str(schema["$ref"]).rpartition("/")[2].removesuffix("OrNull"), False
