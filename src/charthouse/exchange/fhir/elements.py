"""What a search needs to know of a parameter's elements beyond its index rows: their strings as written, whether
there can be more than one, and which date of a type is its main one."""

from __future__ import annotations

from functools import cache
from typing import Any

from charthouse.exchange.fhir.closures import handlers_by_key
from charthouse.exchange.fhir.compartment import MAIN_DATES
from charthouse.exchange.fhir.definitions import Json, schema_definitions
from charthouse.exchange.fhir.parameters import definitions_of
from charthouse.exchange.fhir.paths import Field, Leaf, Where
from charthouse.exchange.fhir.rows import Maker, Rows
from charthouse.exchange.fhir.sharing import searched


def strings_of(resource: Json, code: str) -> list[str]:
    """The strings that a string parameter searches in ``resource``, as they are written; names and addresses in
    their parts. Raises KeyError for a parameter that the type does not have."""
    found = Rows()
    by_key = _string_plan(resource["resourceType"], code)
    for key, value in resource.items():
        if (make := by_key.get(key)) is not None:
            make(value, found)
    return [text for _, text in found.strings]


@cache
def _string_plan(kind: str, code: str) -> dict[str, Maker]:
    return dict(handlers_by_key([(leaf.steps, _written) for leaf in _leaves(kind, code)]))


def _written(value: Any, rows: Rows) -> None:
    rows.strings.append((0, value))


def values_of(resource: Json, code: str) -> list[Any]:
    """The elements that a parameter searches in ``resource``, as they stand in it. Raises KeyError for a parameter
    that the type does not have."""
    found = Rows()
    for key, value in resource.items():
        if (make := _value_plan(resource["resourceType"], code).get(key)) is not None:
            make(value, found)
    return [value for (value,) in found.composites]


@cache
def _value_plan(kind: str, code: str) -> dict[str, Maker]:
    def keep(value: Any, rows: Rows) -> None:
        rows.composites.append((value,))

    return dict(handlers_by_key([(leaf.steps, keep) for leaf in _leaves(kind, code)]))


@cache
def is_choice(kind: str, name: str) -> bool:
    """Whether an element of a type is a choice of datatypes: ``value`` stands as ``valueQuantity`` and the like."""
    known = schema_definitions()[kind]["properties"]
    return name not in known and any(
        each.startswith(name) and each[len(name) : len(name) + 1].isupper() for each in known
    )


@cache
def element_of(kind: str, name: str) -> tuple[str, bool] | None:
    """The datatype of an element of a type or datatype, and whether it is a list; None where there is no such."""
    found = schema_definitions().get(kind, {}).get("properties", {}).get(name)
    if found is None:
        return None
    is_list = found.get("type") == "array"
    inner = found.get("items", {}) if is_list else found
    return str(inner.get("$ref", "")).rpartition("/")[2], is_list


@cache
def is_single(kind: str, code: str) -> bool:
    """Whether a resource of type ``kind`` can hold at most one value of the parameter: one element, no list on the
    way to it."""
    found = _leaves(kind, code)
    fields = [[step for step in leaf.steps if isinstance(step, Field)] for leaf in found]
    elements = {_without_type(leaf) for leaf in found}
    return len(elements) == 1 and not any(field.many for steps in fields for field in steps)


def _without_type(leaf: Leaf) -> tuple[str, ...]:
    """The element's path: ``effectiveDateTime`` and ``effectivePeriod`` are the one element ``effective``."""
    keys = [step.key if isinstance(step, Field) else f"{step.key}={step.value}" for step in _kept(leaf)]
    suffix = leaf.datatype[:1].upper() + leaf.datatype[1:]
    return (*keys[:-1], keys[-1].removesuffix(suffix) or keys[-1])


def _kept(leaf: Leaf) -> list[Field | Where]:
    return [step for step in leaf.steps if isinstance(step, Field | Where)]


@cache
def main_date_parameter(kind: str) -> str | None:
    """The date parameter that searches the element which :func:`main_date` of a type reads first; ``None`` where no
    parameter does, or where it may have several values."""
    for path in MAIN_DATES.get(kind, ())[:1]:
        keys = tuple(path.split("."))
        for definition in definitions_of(kind):
            code = definition["code"]
            if definition["type"] == "date" and definition["expression"] and is_single(kind, code):
                for leaf in _leaves(kind, code):
                    reached = tuple(step.key for step in leaf.steps if isinstance(step, Field))
                    if keys == reached or (keys[:-1] == reached and keys[-1] in ("start", "event")):
                        return str(code)
    return None


@cache
def _leaves(kind: str, code: str) -> tuple[Leaf, ...]:
    for definition in definitions_of(kind):
        if definition["code"] == code:
            return tuple(searched(definition, kind))
    raise KeyError(code)
