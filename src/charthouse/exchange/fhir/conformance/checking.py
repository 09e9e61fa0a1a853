"""The second tier: what the schema does not say of a resource. Bindings, targets of references, invariants.

Compiled once a type to a tree of the elements that have anything to check; most elements of a resource are passed
over with one look into a dict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from charthouse.exchange.fhir.definitions import Json, conformance_definitions, resource_types

from .fhirpath import Scope
from .profiles import Library
from .values import (
    Checked,
    Finding,
    Invariant,
    ValueSet,
    binding_problem,
    invariant,
    target_of,
    value_sets,
    without_numbers,
)

_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class _Binding:
    required: bool
    valueset: ValueSet


@dataclass(slots=True)
class _Node:
    """An element, or the content of a datatype."""

    invariants: tuple[Invariant, ...] = ()
    binding: _Binding | None = None
    targets: frozenset[str] | None = None
    is_reference: bool = False
    is_resource: bool = False
    children: dict[str, _Node] = field(default_factory=dict)
    content: _Node | None = None


def check(resource: Json, library: Library | None = None, profiles: Iterable[str] = ()) -> Checked:
    """Check a parsed resource that keeps to R4's schema; also against the profiles of the library that it claims,
    that all of its type are held to, and those asked for (URLs)."""
    found = Checked()
    _check_resource(resource, resource["resourceType"], resource, found, 0)
    if library is not None:
        for profile in library.of(resource, profiles):
            library.check(resource, profile, found)
    return found


def _check_resource(resource: Json, path: str, root: Json, found: Checked, depth: int) -> None:
    kind = resource.get("resourceType")
    if isinstance(kind, str) and kind in resource_types() and depth < _DEEPEST:
        _walk(resource, _type(kind), path, Scope(resource, root, resource), found, depth)


def _walk(value: Any, node: _Node, path: str, scope: Scope, found: Checked, depth: int) -> None:
    if isinstance(value, list):
        for number, each in enumerate(value):
            if each is not None:
                _walk(each, node, f"{path}[{number}]", scope, found, depth)
        return
    if depth > _DEEPEST:
        return
    if node.is_resource:
        if isinstance(value, dict):
            inside = path.rpartition(".")[2].startswith("contained")
            _check_resource(value, path, scope.root if inside else value, found, depth + 1)
        return
    if node.binding is not None:
        _check_binding(value, node, node.binding, path, found)
    if node.is_reference and isinstance(value, dict):
        _check_target(value, node, path, scope, found)
    content = node.content
    while True:
        for rule in node.invariants:
            if rule.test(value, scope) is False:
                found.add(
                    Finding(
                        "error", "invariant", path, f"{rule.key}: {rule.human}",
                        f"invariant:{rule.key}:{without_numbers(path)}",
                    )
                )  # fmt: skip
        if isinstance(value, dict):
            children = node.children
            for key, inner in value.items():
                child = children.get(key)
                if child is not None:
                    _walk(inner, child, f"{path}.{key}", scope, found, depth + 1)
        if content is None:
            return
        node, content = content, content.content


def _check_binding(value: Any, node: _Node, binding: _Binding, path: str, found: Checked) -> None:
    said = binding_problem(value, binding.valueset, required=binding.required)
    if said:
        severity = "error" if binding.required else "warning"
        found.add(Finding(severity, "code-invalid", path, said, f"binding:{without_numbers(path)}"))


def _check_target(value: Json, node: _Node, path: str, scope: Scope, found: Checked) -> None:
    kind, id = target_of(value, scope.root)
    if kind is None:
        return
    if id:
        found.references[f"{path}.reference"] = (f"{kind}/{id}", without_numbers(path))
    if node.targets is not None and kind not in node.targets:
        allowed = ", ".join(sorted(node.targets))
        found.add(
            Finding(
                "error", "value", path, f"The reference is to a {kind}; here it may be to: {allowed}.",
                f"target:{without_numbers(path)}",
            )
        )  # fmt: skip


# Compiling


@cache
def _type(name: str) -> _Node:
    """The checks of a resource type or datatype."""
    return _Compiler(name).node("")


class _Compiler:
    def __init__(self, name: str) -> None:
        self._name = name
        self._elements: dict[str, Any] = conformance_definitions()["types"][name]
        self._made: dict[str, _Node] = {}
        self._under: dict[str, list[str]] = {}
        for path in self._elements:
            if path:
                self._under.setdefault(path.rpartition(".")[0], []).append(path)

    def node(self, path: str) -> _Node:
        if path in self._made:
            return self._made[path]
        row = self._elements[path]
        node = _Node()
        self._made[path] = node
        node.invariants = tuple(_invariants(row.get("c", ())))
        for below in self._under.get(row.get("l", path), ()):
            for key, child in self._choices(below):
                if worth(child):
                    node.children[key] = child
        return node

    def _choices(self, path: str) -> Iterator[tuple[str, _Node]]:
        row = self._elements[path]
        name = path.rpartition(".")[2]
        if "l" in row or not row.get("t"):
            yield name, self.node(path)
            return
        for kind in row["t"]:
            yield name.replace("[x]", kind[0].upper() + kind[1:]), self._typed(path, kind, row)

    def _typed(self, path: str, kind: str, row: dict[str, Any]) -> _Node:
        if kind in ("BackboneElement", "Element"):
            return self.node(path)
        node = _Node(tuple(_invariants(row.get("c", ()))))
        if kind == "Resource":
            node.is_resource = True
            return node
        valueset = value_sets(row["b"][0]).get(row["b"][1]) if "b" in row else None
        if valueset is not None and kind in ("code", "string", "uri", "Coding", "CodeableConcept"):
            node.binding = _Binding(row["b"][0] == "required", valueset)
        if kind == "Reference":
            node.is_reference = True
            node.targets = frozenset(row["r"]) if "r" in row else None
        if kind in conformance_definitions()["types"]:
            node.content = _datatype(kind)
        return node


def _datatype(kind: str) -> _Node | None:
    """The content of a datatype; one that is being compiled already (an Extension within an Extension) is filled in
    when it is done."""
    if kind not in _DATATYPES:
        node = _DATATYPES[kind] = _Node()
        made = _Compiler(kind).node("")
        node.invariants, node.children = made.invariants, made.children
    return _DATATYPES[kind]


_DATATYPES: dict[str, _Node] = {}


def worth(node: _Node) -> bool:
    """Whether there is anything to check at an element or beneath it."""
    return bool(
        node.binding
        or node.is_reference
        or node.is_resource
        or node.invariants
        or node.children
        or node.content is not None
    )


def _invariants(keys: list[str]) -> Iterator[Invariant]:
    known = conformance_definitions()["invariants"]
    for key in keys:
        each = known[key]
        made = invariant(key.partition(" ")[0], each["human"], each["expression"])
        if made is not None:
            yield made


def all_invariants() -> dict[str, Invariant | None]:
    """Every invariant of R4 that is an error by its key; None for one that cannot be asked here."""
    known = conformance_definitions()["invariants"]
    return {key: invariant(key.partition(" ")[0], each["human"], each["expression"]) for key, each in known.items()}
