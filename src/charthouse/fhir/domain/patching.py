"""JSON Patch (RFC 6902) on a resource's own bytes: every number stays as it was written."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import orjson

from .outcomes import FhirProblem, problem


class _Exact:
    """A decimal as it is written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


DECODER = msgspec.json.Decoder(float_hook=_Exact)


def written(value: Any) -> bytes:
    """A value as JSON, each decimal as it was written."""
    return orjson.dumps(value, default=lambda exact: orjson.Fragment(exact.text.encode()))


def apply_patch(content: bytes, patch: bytes) -> bytes:
    """``content`` with the operations of ``patch`` applied, all of them.

    Raises FhirProblem 400 for what is no JSON Patch, and 422 where an operation cannot be applied or a test fails.
    """
    try:
        operations = DECODER.decode(patch)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise problem(400, "The patch is not valid JSON.", code="structure") from None
    if not isinstance(operations, list):
        raise problem(400, "A JSON Patch is a list of operations.", code="structure")
    resource: Any = DECODER.decode(content)
    for number, operation in enumerate(operations):
        resource = _Operation(operation, number).apply(resource)
    if not isinstance(resource, dict):
        raise problem(422, "The patch leaves no resource.")
    # FHIR knows no empty lists and objects: what was emptied goes.
    return written(pruned(resource))


def pruned(value: Any) -> Any:
    """A value without what is empty in it."""
    if isinstance(value, dict):
        kept = {name: pruned(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in ({}, [])}
    if isinstance(value, list):
        return [inner for inner in map(pruned, value) if inner not in ({}, [])]
    return value


class _Operation:
    def __init__(self, operation: Any, number: int) -> None:
        self._place = f"operation {number + 1} of the patch"
        if not isinstance(operation, dict):
            raise self._malformed("is not an object")
        self._operation = operation
        name = operation.get("op")
        if name not in ("add", "remove", "replace", "move", "copy", "test"):
            raise self._malformed("has no op of add, remove, replace, move, copy or test")
        self._name = str(name)
        self._path = self._pointer("path")
        if self._name in ("add", "replace", "test") and "value" not in operation:
            raise self._malformed("has no value")

    def apply(self, resource: Any) -> Any:
        """The resource after the operation."""
        operation = self._operation
        match self._name:
            case "test":
                if not _equal(self._get(resource, self._path), operation["value"]):
                    raise self._failed("its test does not hold: the value there is another")
                return resource
            case "add":
                return self._add(resource, self._path, operation["value"])
            case "remove":
                return self._remove(resource, self._path)
            case "replace":
                self._get(resource, self._path)
                if not self._path:
                    return operation["value"]
                return self._replace(resource, self._path, operation["value"])
            case _:
                source = self._pointer("from")
                value = self._get(resource, source)
                if self._name == "move":
                    if self._path[: len(source)] == source and self._path != source:
                        raise self._failed("nothing can be moved into itself")
                    resource = self._remove(resource, source)
                else:
                    value = DECODER.decode(written(value))
                return self._add(resource, self._path, value)

    def _pointer(self, name: str) -> list[str]:
        text = self._operation.get(name)
        if not isinstance(text, str) or (text and not text.startswith("/")):
            raise self._malformed(f"has no {name}, or one that is no JSON Pointer (/name/0)")
        return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]

    def _get(self, value: Any, path: list[str]) -> Any:
        for part in path:
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list):
                value = value[self._index(part, len(value) - 1)]
            else:
                raise self._failed("its path leads to nothing")
        return value

    def _index(self, part: str, most: int) -> int:
        if not part.isascii() or not part.isdigit() or (len(part) > 1 and part[0] == "0"):
            raise self._failed("its path has a name where a list's number is needed")
        if int(part) > most:
            raise self._failed("its path leads beyond the end of a list")
        return int(part)

    def _add(self, resource: Any, path: list[str], value: Any) -> Any:
        if not path:
            return value
        holder = self._get(resource, path[:-1])
        if isinstance(holder, dict):
            holder[path[-1]] = value
        elif isinstance(holder, list):
            holder.insert(len(holder) if path[-1] == "-" else self._index(path[-1], len(holder)), value)
        else:
            raise self._failed("its path leads into a simple value")
        return resource

    def _replace(self, resource: Any, path: list[str], value: Any) -> Any:
        holder = self._get(resource, path[:-1])
        holder[path[-1] if isinstance(holder, dict) else int(path[-1])] = value
        return resource

    def _remove(self, resource: Any, path: list[str]) -> Any:
        if not path:
            raise self._failed("the whole resource cannot be removed by a patch; delete it")
        self._get(resource, path)
        holder = self._get(resource, path[:-1])
        del holder[path[-1] if isinstance(holder, dict) else int(path[-1])]
        return resource

    def _malformed(self, what: str) -> FhirProblem:
        return problem(400, f"In {self._place}: it {what}.", code="structure")

    def _failed(self, what: str) -> FhirProblem:
        return problem(422, f"In {self._place}: {what}. Nothing was changed.", code="processing")


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are equal as RFC 6902 has it: numbers by their value."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, str) or isinstance(other, str):
        return type(one) is type(other) and one == other
    numbers = [_number(each) for each in (one, other)]
    return numbers[0] is not None and numbers[0] == numbers[1]


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(value.text if isinstance(value, _Exact) else value)
    except (InvalidOperation, TypeError, ValueError):
        return None
