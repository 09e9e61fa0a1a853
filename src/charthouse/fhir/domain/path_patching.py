"""FHIRPath Patch (https://hl7.org/fhir/R4/fhirpatch.html): operations in Parameters, on the resource's own bytes.

Paths are those that lead to an element: names, ``[n]``, ``first()``, ``last()``, ``single()`` and
``where(element = 'value')``, with ``and`` between several.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from charthouse.exchange.fhir.api import element_of, is_choice

from .outcomes import FhirProblem, problem
from .patching import DECODER, pruned, written

Json = dict[str, Any]

_STEP = re.compile(
    r"\.?(?:(?P<call>first|last|single)\(\)|where\((?P<where>[^()]*)\)|(?P<name>[A-Za-z]\w*)|\[(?P<index>\d{1,6})\])"
)
_TEST = re.compile(r"\s*([A-Za-z]\w*(?:\.[A-Za-z]\w*)*)\s*=\s*(?:'([^']*)'|(true|false|-?\d+(?:\.\d+)?))\s*")


class _Place:
    """An element where it stands: its holder, the key or index in it, and its datatype."""

    __slots__ = ("holder", "key", "kind")

    def __init__(self, holder: Any, key: str | int, kind: str) -> None:
        self.holder, self.key, self.kind = holder, key, kind

    @property
    def value(self) -> Any:
        return self.holder[self.key]


def apply_path_patch(content: bytes, parameters: bytes) -> bytes:
    """``content`` with the operations of ``parameters`` applied, all of them.

    Raises FhirProblem 400 for what is no FHIRPath Patch, and 422 where an operation cannot be applied.
    """
    try:
        told = DECODER.decode(parameters)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise problem(400, "The patch is not valid JSON.", code="structure") from None
    if not isinstance(told, dict) or told.get("resourceType") != "Parameters":
        raise problem(400, "A FHIRPath Patch is a Parameters resource.", code="structure")
    resource: Json = DECODER.decode(content)
    listed = told.get("parameter")
    for number, operation in enumerate(listed if isinstance(listed, list) else [], start=1):
        _Operation(operation, number).apply(resource)
    return written(pruned(resource))


class _Operation:
    def __init__(self, operation: Any, number: int) -> None:
        self._where = f"operation {number} of the patch"
        parts = operation.get("part") if isinstance(operation, dict) else None
        if not isinstance(parts, list) or operation.get("name") != "operation":
            raise self._malformed("is no parameter 'operation' with parts")
        self._parts = {part["name"]: part for part in parts if isinstance(part, dict) and "name" in part}
        self._path = str(self._told("path") or "")

    def apply(self, resource: Json) -> None:
        """Change ``resource``."""
        acts: dict[str, Callable[[Json], None]] = {
            "add": self._add,
            "insert": self._insert,
            "delete": self._delete,
            "replace": self._replace,
            "move": self._move,
        }
        act = acts.get(str(self._told("type")))
        if act is None:
            raise self._malformed("has no type of add, insert, delete, replace and move")
        act(resource)

    def _told(self, name: str) -> Any:
        """The simple value of a part."""
        return next((each for key, each in self._parts.get(name, {}).items() if key.startswith("value")), None)

    def _add(self, resource: Json) -> None:
        found = self._found(resource)
        name = str(self._told("name") or "")
        if len(found) != 1 or not isinstance(found[0].value, dict):
            raise self._failed(f"its path leads to {len(found)} elements, and one object is needed")
        holder, kind = found[0].value, found[0].kind
        value, key = self._value(kind, name)
        element = element_of(kind, key)
        if element is None:
            raise self._failed(f"the element has no part {key[:64]!r}")
        if element[1]:
            holder.setdefault(key, []).append(value)
        elif key in holder:
            raise self._failed(f"there is a {key[:64]} already, and there can be one; replace it")
        else:
            holder[key] = value

    def _insert(self, resource: Json) -> None:
        listed = self._list(resource)
        index = self._index("index", len(listed))
        listed.insert(index, self._value("", "")[0])

    def _delete(self, resource: Json) -> None:
        found = self._found(resource)
        if len(found) > 1:
            raise self._failed(f"its path leads to {len(found)} elements; name one")
        for place in found:
            del place.holder[place.key]

    def _replace(self, resource: Json) -> None:
        found = self._found(resource)
        if len(found) != 1:
            raise self._failed(f"its path leads to {len(found)} elements; name one")
        place = found[0]
        if isinstance(place.key, str) and (base := self._choice(place)):
            value, key = self._value(base[0], base[1])
            del place.holder[place.key]
            place.holder[key] = value
        else:
            place.holder[place.key] = self._value("", "")[0]

    def _choice(self, place: _Place) -> tuple[str, str] | None:
        """The type and name of the choice that an element is, where the path names it without its datatype."""
        name = self._path.rpartition(".")[2]
        parent = _kind_above(self._path)
        return (parent, name) if parent and name != place.key and is_choice(parent, name) else None

    def _move(self, resource: Json) -> None:
        listed = self._list(resource)
        source, target = self._index("source", len(listed) - 1), self._index("destination", len(listed) - 1)
        listed.insert(target, listed.pop(source))

    def _list(self, resource: Json) -> list[Any]:
        """The list that the path names as a whole."""
        found = self._found(resource)
        holders = {id(place.holder) for place in found}
        if len(holders) != 1 or not isinstance(found[0].holder, list):
            raise self._failed("its path leads to no list")
        listed: list[Any] = found[0].holder
        return listed

    def _index(self, name: str, most: int) -> int:
        value = self._told(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._malformed(f"has no {name}")
        if not 0 <= value <= most:
            raise self._failed(f"its {name} lies outside the list")
        return value

    def _value(self, kind: str, name: str) -> tuple[Any, str]:
        """The value that is given, and the key under which it stands as ``name`` of a type."""
        part = self._parts.get("value")
        if part is None:
            raise self._malformed("has no value")
        return self._read(part, kind, name)

    def _read(self, part: Json, kind: str, name: str) -> tuple[Any, str]:
        for key, value in part.items():
            if key.startswith("value") and key != "value":
                suffix = key.removeprefix("value")
                return value, f"{name}{suffix}" if kind and is_choice(kind, name) else name
        inner = part.get("part")
        if not isinstance(inner, list):
            raise self._malformed("has a value that is neither simple nor made of parts")
        element = element_of(kind, name)
        made: Json = {}
        for each in inner:
            if not isinstance(each, dict):
                raise self._malformed("has a value with a part that is no object")
            inside = element[0] if element else ""
            value, key = self._read(each, inside, str(each.get("name")))
            known = element_of(inside, key) if inside else None
            if known and known[1]:
                made.setdefault(key, []).append(value)
            else:
                made[key] = value
        return made, name

    def _found(self, resource: Json) -> list[_Place]:
        """The elements that the path names."""
        kind = str(resource.get("resourceType"))
        holder = {"": resource}
        places = [_Place(holder, "", kind)]
        at, path = 0, self._path.strip()
        if path == kind or path.startswith((f"{kind}.", f"{kind}[")):
            at = len(kind)
        elif not path:
            raise self._malformed("has no path")
        while at < len(path):
            step = _STEP.match(path, at)
            if step is None:
                raise self._malformed("has a path that this server does not follow")
            at = step.end()
            places = self._step(places, step)
        return places

    def _step(self, places: list[_Place], step: re.Match[str]) -> list[_Place]:
        if step["name"]:
            return [inner for place in places for inner in _children(place, step["name"])]
        if step["index"]:
            return places[int(step["index"]) : int(step["index"]) + 1]
        if step["where"] is not None:
            return [place for place in places if self._holds(place.value, step["where"])]
        if step["call"] == "single" and len(places) > 1:
            raise self._failed("its path says single(), and there are several")
        return places[-1:] if step["call"] == "last" else places[:1]

    def _holds(self, value: Any, condition: str) -> bool:
        for test in re.split(r"\s+and\s+", condition):
            found = _TEST.fullmatch(test)
            if found is None:
                raise self._malformed("has a where() that this server does not follow")
            here = [_Place({"": value}, "", "")]
            for name in found[1].split("."):
                here = [inner for place in here for inner in _children(place, name)]
            wanted = found[2] if found[3] is None else found[3]
            if wanted not in {_plain(place.value) for place in here}:
                return False
        return True

    def _malformed(self, what: str) -> FhirProblem:
        return problem(400, f"In {self._where}: it {what}.", code="structure")

    def _failed(self, what: str) -> FhirProblem:
        return problem(422, f"In {self._where}: {what}. Nothing was changed.", code="processing")


def _children(place: _Place, name: str) -> list[_Place]:
    value = place.value
    if not isinstance(value, dict):
        return []
    key = name
    if key not in value:  # a choice stands under its name and datatype
        key = next((each for each in value if each.startswith(name) and each[len(name) :][:1].isupper()), "")
        if not key or (place.kind and not is_choice(place.kind, name)):
            return []
    element = element_of(place.kind, key) if place.kind else None
    kind = element[0] if element else ""
    inner = value[key]
    if isinstance(inner, list):
        return [_Place(inner, number, kind) for number in range(len(inner))]
    return [_Place(value, key, kind)]


def _kind_above(path: str) -> str:
    """The datatype of what holds the last element of a path of plain names."""
    kind, *names = path.split(".")
    for name in names[:-1]:
        element = element_of(kind, name.partition("[")[0])
        if element is None:
            return ""
        kind = element[0]
    return kind


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(getattr(value, "text", value))
