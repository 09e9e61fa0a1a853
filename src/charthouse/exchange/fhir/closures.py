"""Paths and makers joined into closures that follow the keys a resource has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

from charthouse.exchange.fhir.definitions import Json
from charthouse.exchange.fhir.parameters import definition_by_url
from charthouse.exchange.fhir.paths import (
    Field,
    Leaf,
    Step,
    UnsupportedExpression,
    Where,
    alternatives,
    leaves,
    parse_path,
    resolve,
)
from charthouse.exchange.fhir.rows import Maker, Rows, maker


def handlers_by_key(branches: Iterable[tuple[tuple[Step, ...], Maker]]) -> list[tuple[str, Maker]]:
    """Handlers by JSON key for branches whose first step is a field; each takes the key's value."""
    inner: dict[tuple[str, bool], list[tuple[tuple[Step, ...], Maker]]] = defaultdict(list)
    for steps, make in branches:
        first = steps[0]
        if not isinstance(first, Field):
            raise UnsupportedExpression("a filter without an element before it")
        inner[first.key, first.many].append((steps[1:], make))
    return [(key, _each(_node(rest)) if many else _node(rest)) for (key, many), rest in inner.items()]


def _each(handler: Maker) -> Maker:
    def visit(values: Any, rows: Rows) -> None:
        for value in values:
            if value is not None:
                handler(value, rows)

    return visit


def _node(branches: list[tuple[tuple[Step, ...], Maker]]) -> Maker:
    """The handler of a value from which ``branches`` go on."""
    handlers: list[Maker] = [make for steps, make in branches if not steps]
    filtered: dict[Where, list[tuple[tuple[Step, ...], Maker]]] = defaultdict(list)
    onward: list[tuple[tuple[Step, ...], Maker]] = []
    for steps, make in branches:
        if steps and isinstance(first := steps[0], Where):
            filtered[first].append((steps[1:], make))
        elif steps:
            onward.append((steps, make))
    handlers += [_where(test, _node(rest)) for test, rest in filtered.items()]
    handlers += [_get(key, handler) for key, handler in handlers_by_key(onward)]
    return handlers[0] if len(handlers) == 1 else _all(tuple(handlers))


def _all(handlers: tuple[Maker, ...]) -> Maker:
    def visit(value: Any, rows: Rows) -> None:
        for handler in handlers:
            handler(value, rows)

    return visit


def _get(key: str, handler: Maker) -> Maker:
    def visit(value: Any, rows: Rows) -> None:
        if (found := value.get(key)) is not None:
            handler(found, rows)

    return visit


def _where(test: Where, handler: Maker) -> Maker:
    key, wanted = test.key, test.value

    def visit(value: Any, rows: Rows) -> None:
        if value.get(key) == wanted:
            handler(value, rows)

    return visit


def is_not_false(id: int, found: list[Leaf]) -> Maker:
    """``X.exists() and X != false``, which has a value for every resource."""
    keys = [leaf.steps[0].key for leaf in found if isinstance(leaf.steps[0], Field)]

    def make(resource: Any, rows: Rows) -> None:
        there = any(resource.get(key, False) is not False for key in keys)
        rows.tokens.append((id, None, "true" if there else "false", None))

    return make


def composites(kind: str, definition: Json, id: int) -> list[Maker]:
    """Makers of a composite's rows: at every value of its expression, each value of one part with each of the next.

    Raises :class:`UnsupportedExpression` where a part searches nothing.
    """
    components = definition["component"]
    kinds = [definition_by_url()[component["definition"]]["type"] for component in components]
    makers = []
    for base in leaves(definition["expression"], kind):
        parts = [_part(kind, base.datatype, component["expression"], kinds) for component in components]
        makers.append(_node([(base.steps, _product(id, parts))]))
    return makers


Part = Callable[[Any, Any], list[tuple[Any, ...]]]


def _part(kind: str, datatype: str, expression: str, kinds: list[str]) -> Part:
    """The rows, without ids, of one part of a composite, from the value at its base and the resource.

    The datatype found decides which of the parts' kinds it is, since R4 has some of them in the wrong order
    (DocumentReference's relationship).
    """
    here: list[tuple[tuple[Step, ...], Maker]] = []
    root: list[tuple[tuple[Step, ...], Maker]] = []
    for member in alternatives(expression):
        of_resource = member.startswith("%resource.")
        steps = tuple(parse_path(member.removeprefix("%resource.")))
        for leaf in resolve(steps, kind if of_resource else datatype):
            makers = (maker(search_kind, leaf.datatype, 0) for search_kind in kinds)
            if (make := next(filter(None, makers), None)) is not None:
                (root if of_resource else here).append((leaf.steps, make))
    if not here and not root:
        raise UnsupportedExpression(f"a part that searches nothing: {expression}")
    from_here, from_root = _node(here), _node(root)

    def values(value: Any, resource: Any) -> list[tuple[Any, ...]]:
        rows = Rows()
        from_here(value, rows)
        from_root(resource, rows)
        return [row[1:] for row in rows]

    return values


def _product(id: int, parts: list[Part]) -> Maker:
    def make(value: Any, rows: Rows) -> None:
        found = [part(value, rows.root) for part in parts]
        if all(found):
            rows.composites += [(id, *combination) for combination in product(*found)]

    return make
