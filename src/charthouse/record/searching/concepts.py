"""Codes that a stored ValueSet holds, and those above or below a code in a stored CodeSystem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .errors import SearchError
from .terms import Relation, TokenValue

Json = dict[str, Any]
Fetch = Callable[[str, str], Json | None]
"""The newest resource of a type by its canonical URL or ``Type/id``, as the asker may see it."""

#: Codes that one value set may stand for in a search, and value sets that may be nested.
MOST_CODES, _DEEPEST = 2_000, 8
_IS_A = frozenset({"is-a", "descendent-of"})


def related(name: str, relation: Relation, value: str, fetch: Fetch) -> tuple[TokenValue, ...]:
    """The codes that stand in ``relation`` to ``value``. Raises SearchError where what would tell is not held
    here."""
    asked = _Asked(name, fetch)
    if relation in (Relation.IN, Relation.NOT_IN):
        found = asked.of_value_set(value, 0)
    else:
        found = asked.near(value, relation)
    codes = dict.fromkeys(found)
    if len(codes) > MOST_CODES:
        raise asked.wrong(f"it stands for more than {MOST_CODES} codes", "Name a smaller one")
    return tuple(TokenValue(system, code) for system, code in codes)


Code = tuple[str, str | None]


class _Asked:
    """One use of a parameter; ``name`` is as it was given."""

    def __init__(self, name: str, fetch: Fetch) -> None:
        self._name = name
        self._fetch = fetch

    def wrong(self, what: str, remedy: str) -> SearchError:
        return SearchError(self._name, "value", what, remedy)

    def of_value_set(self, url: str, depth: int) -> list[Code]:
        """The codes of a value set: its expansion where it has one, else what it is composed of."""
        if depth > _DEEPEST:
            raise self.wrong("its value sets lead into each other too deeply", "Name the codes")
        resource = self._fetch("ValueSet", url)
        if resource is None:
            raise self.wrong(
                "no ValueSet of that address is held here", "Store it first, or give the codes with commas between"
            )
        if contains := (resource.get("expansion") or {}).get("contains"):
            return list(_expanded(contains))
        compose = resource.get("compose") or {}
        found = dict.fromkeys(code for part in compose.get("include", ()) for code in self._included(part, depth))
        for part in compose.get("exclude", ()):
            for code in self._included(part, depth):
                if code not in found and (code[1] is None or (code[0], None) in found):
                    raise self.wrong("it excludes codes of a system that is included whole", "Store its expansion")
                found.pop(code, None)
        return list(found)

    def _included(self, part: Json, depth: int) -> list[Code]:
        """The codes of one include: those of its system that are in every value set it names."""
        named = [self.of_value_set(url, depth + 1) for url in part.get("valueSet", ())]
        system: str = part.get("system", "")
        own: list[Code] | None = None
        if "concept" in part:
            own = [(system, concept["code"]) for concept in part["concept"]]
        elif "filter" in part:
            own = self._filtered(system, part["filter"])
        elif system:
            own = [(system, None)]
        lists = ([own] if own is not None else []) + named
        if not lists:
            return []
        found, *others = lists
        for other in others:
            found = _in_both(found, other)
        return found

    def _filtered(self, system: str, filters: Iterable[Json]) -> list[Code]:
        kept: list[Code] | None = None
        for each in filters:
            if each.get("property") != "concept" or each.get("op") not in _IS_A:
                raise self.wrong("it has a filter that is not worked out here", "Store its expansion")
            found = self._below(system, each["value"], itself=each["op"] == "is-a")
            kept = found if kept is None else _in_both(kept, found)
        return kept or []

    def near(self, value: str, relation: Relation) -> list[Code]:
        """A code and those above or below it."""
        system, bar, code = value.partition("|")
        if not bar or not system or not code:
            raise self.wrong("it does not name a code with its system", "Give system|code")
        if relation is Relation.BELOW:
            return self._below(system, code, itself=True)
        parents = self._parents(system)
        found, waiting = [code], [code]
        while waiting:
            for parent in parents.get(waiting.pop(), ()):
                if parent not in found:
                    found.append(parent)
                    waiting.append(parent)
        return [(system, each) for each in found]

    def _below(self, system: str, code: str, *, itself: bool) -> list[Code]:
        children: dict[str, list[str]] = {}
        for child, parents in self._parents(system).items():
            for parent in parents:
                children.setdefault(parent, []).append(child)
        found, waiting = {code: None}, [code]
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child not in found:
                    found[child] = None
                    waiting.append(child)
        return [(system, each) for each in found if itself or each != code]

    def _parents(self, system: str) -> dict[str, list[str]]:
        """Each code of a stored code system, with those right above it."""
        resource = self._fetch("CodeSystem", system)
        if resource is None:
            raise self.wrong(
                "no CodeSystem of that address is held here",
                "Store it first, or give the codes with commas between",
            )
        found: dict[str, list[str]] = {}
        waiting: list[tuple[Json, str | None]] = [(each, None) for each in resource.get("concept", ())]
        while waiting:
            concept, parent = waiting.pop()
            code = concept["code"]
            above = found.setdefault(code, [])
            if parent is not None:
                above.append(parent)
            for each in concept.get("property", ()):
                if each.get("code") == "parent" and (named := each.get("valueCode")):
                    above.append(named)
                elif each.get("code") == "child" and (named := each.get("valueCode")):
                    found.setdefault(named, []).append(code)
            waiting += [(inner, code) for inner in concept.get("concept", ())]
        return found


def _expanded(contains: Iterable[Json]) -> Iterator[Code]:
    for each in contains:
        if "code" in each and not each.get("abstract"):
            yield each.get("system", ""), each["code"]
        yield from _expanded(each.get("contains", ()))


def _in_both(one: list[Code], other: list[Code]) -> list[Code]:
    """The codes of both, where a system without a code is all of its codes."""
    in_one, in_other = set(one), set(other)
    return [code for code in one if code in in_other or (code[0], None) in in_other] + [
        code for code in other if code not in in_one and (code[0], None) in in_one
    ]
