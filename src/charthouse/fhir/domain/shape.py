"""The part of a resource that a search asks for: ``_summary`` and ``_elements``, cut so that numbers stay as
written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from charthouse.exchange.fhir.api import element_facts, is_choice
from charthouse.record.preparing import editable

Json = dict[str, Any]
Tree = Mapping[str, Any]

_ALWAYS = ("resourceType", "id", "meta")
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
SUMMARIES = ("true", "text", "data", "count", "false")


@dataclass(frozen=True, slots=True)
class Shape:
    """How resources are given: ``summary`` one of :data:`SUMMARIES` or empty, ``elements`` by type (the empty type
    is every one)."""

    summary: str = ""
    elements: Mapping[str, frozenset[str]] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether resources are given as they are."""
        return self.elements is None and self.summary in ("", "false")

    def cut(self, kind: str, content: bytes) -> bytes:
        """``content`` of a resource of type ``kind`` in this shape, marked as a part where it is one.

        What must be there stays (R4, search, 3.1.1.5.10).
        """
        if self.is_whole:
            return content
        resource = editable(content)
        if self.elements is not None:
            wanted = self.elements.get(kind, frozenset()) | self.elements.get("", frozenset())
            if not wanted:
                return content
            named = (f"{name}[x]" if is_choice(kind, name) else name for name in wanted)
            kept = _pruned(resource, {name: {} for name in (*_ALWAYS, *named, *_mandatory(kind))})
        elif self.summary == "data":
            kept = {name: value for name, value in resource.items() if name != "text"}
        elif self.summary == "text":
            kept = _pruned(resource, {name: {} for name in (*_ALWAYS, "text", *_mandatory(kind))})
        else:
            kept = _pruned(resource, summary_of(kind))
        meta = dict(kept.get("meta") or {})
        tags = [tag for tag in meta.get("tag", ()) if tag.get("code") != "SUBSETTED"]
        kept["meta"] = {**meta, "tag": [*tags, _SUBSETTED]}
        return orjson.dumps(kept)


@cache
def _mandatory(kind: str) -> tuple[str, ...]:
    return tuple(path for path in element_facts(kind).get("mandatory", ()) if "." not in path)


@cache
def summary_of(kind: str) -> Tree:
    """The elements of a summary as a tree by name; an element without branches is kept whole."""
    facts = element_facts(kind)
    tree: dict[str, Any] = {name: {} for name in _ALWAYS}
    for path in facts.get("summary", ()):
        _plant(tree, path.split("."))
    for path in facts.get("mandatory", ()):
        steps = path.split(".")
        if len(steps) == 1 or _has_branches(tree, steps[:-1]):
            _plant(tree, steps)
    return tree


def _plant(tree: dict[str, Any], steps: list[str]) -> None:
    """Put a path into the tree where the elements above it are there."""
    for step in steps[:-1]:
        if step not in tree:
            return
        tree = tree[step]
    tree.setdefault(steps[-1], {})


def _has_branches(tree: Tree, steps: list[str]) -> bool:
    for step in steps:
        tree = tree.get(step, {})
    return bool(tree)


def _pruned(value: Json, tree: Tree) -> Json:
    """``value`` with the elements in ``tree`` only; extensions of a primitive stay with it."""
    kept: Json = {}
    for name, inner in value.items():
        branch = _branch(tree, name.removeprefix("_"))
        if branch is None:
            continue
        if not branch:
            kept[name] = inner
        elif isinstance(inner, dict):
            kept[name] = _pruned(inner, branch)
        elif isinstance(inner, list):
            kept[name] = [_pruned(each, branch) if isinstance(each, dict) else each for each in inner]
    return kept


def _branch(tree: Tree, name: str) -> Tree | None:
    found: Tree | None = tree.get(name)
    if found is not None:
        return found
    for known, branch in tree.items():
        if known.endswith("[x]") and name.startswith(known[:-3]) and name[len(known) - 3 :][:1].isupper():
            chosen: Tree = branch
            return chosen
    return None
