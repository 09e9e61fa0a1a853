"""SMART scopes of systems, versions 1 (``system/Patient.read``) and 2 (``system/Patient.rs``).

What a token may do is a set of grants; every scope is at last the letters of version 2: create, read, update,
delete, search. One that reads may be narrowed by a search (``system/Observation.rs?category=laboratory``).
Source: SMART App Launch 2.2, section "Scopes and Launch Context".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode

ACTIONS = "cruds"
ANY = "*"
_V1 = {"read": "rs", "write": "cud", "*": ACTIONS}
_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]+)\.(read|write|\*|c?r?u?d?s?)")
_MOST_PAIRS = 10

Narrowing = tuple[tuple[str, str], ...]
"""The names and values of the search that a scope is narrowed by; empty for all of a type."""


class ScopeError(Exception):
    """A scope that cannot be granted; the sentence says which and why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Some actions on a resource type, ``*`` for every type; on those of its resources that ``narrowing`` finds."""

    type: str
    actions: str
    narrowing: Narrowing = ()

    def __str__(self) -> str:
        # Blanks part scopes from each other, so that a value keeps none.
        narrowed = f"?{urlencode(self.narrowing, safe='|,:/')}" if self.narrowing else ""
        return f"system/{self.type}.{self.actions}{narrowed}"


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a client or a token may do."""

    granted: tuple[Scope, ...]

    def may(self, action: str, resource_type: str) -> bool:
        """Whether an action (one of c, r, u, d, s) on a resource type is granted."""
        return any(action in each.actions and each.type in (ANY, resource_type) for each in self.granted)

    def narrowed(self, action: str, resource_type: str) -> frozenset[Narrowing]:
        """The searches of which one has to find a resource of a type for an action; none where all are granted."""
        found = frozenset(
            each.narrowing for each in self.granted if action in each.actions and each.type in (ANY, resource_type)
        )
        return frozenset() if () in found else found

    def all_of(self, actions: str, resource_type: str) -> bool:
        """Whether every one of these actions on a resource type is granted."""
        return all(self.may(action, resource_type) for action in actions)

    def both(self, others: Scopes) -> Scopes:
        """What is granted by these and by the others."""
        found = []
        for one in self.granted:
            for other in others.granted:
                if ANY in (one.type, other.type) or one.type == other.type:
                    kind = other.type if one.type == ANY else one.type
                    if shared := set(one.actions) & set(other.actions):
                        narrowing = tuple(dict.fromkeys((*one.narrowing, *other.narrowing)))
                        found.append(Scope(kind, _ordered(shared), narrowing))
        return _joined(found)

    def __str__(self) -> str:
        return " ".join(map(str, self.granted))


def _anything(kind: str, narrowing: Narrowing) -> None:
    """Take a narrowing as it was kept."""


def read_scope(
    text: str, known: Callable[[str], bool], check: Callable[[str, Narrowing], None] = _anything
) -> Scope:
    """One scope as written. ``known`` says whether there is such a resource type; ``check`` raises ScopeError for a
    search that a scope cannot be narrowed by.

    Raises ScopeError. Scopes of persons (``patient/``, ``user/``, ``launch``, ``openid``) belong to App Launch.
    """
    plain, asked, query = text.partition("?")
    found = _SCOPE.fullmatch(plain)
    if not found or not found.group(2):
        raise ScopeError(
            f"{text}: no scope of a system. They look like system/Patient.read, system/Observation.rs or "
            "system/*.cruds."
        )
    kind, written = found.groups()
    if kind != ANY and not known(kind):
        raise ScopeError(f"{text}: R4 has no resource type {kind}.")
    actions = _V1.get(written, written)
    if not asked:
        return Scope(kind, actions)
    try:
        narrowing = tuple(parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PAIRS))
    except ValueError:
        raise ScopeError(f"{text}: more than {_MOST_PAIRS} conditions. Ask for several scopes.") from None
    if not narrowing:
        raise ScopeError(f"{text}: there is nothing behind its question mark. Leave it out, or write name=value.")
    if kind == ANY:
        raise ScopeError(f"{text}: a scope of every type has no search. Name the type.")
    if set(actions) - set("rs"):
        raise ScopeError(f"{text}: only reading and searching are narrowed. Ask for system/{kind}.rs?{query}.")
    check(kind, narrowing)
    return Scope(kind, actions, narrowing)


def read_scopes(
    text: str, known: Callable[[str], bool], check: Callable[[str, Narrowing], None] = _anything
) -> Scopes:
    """Scopes separated by blanks. Raises ScopeError for one that cannot be granted, and for none."""
    granted = _joined(read_scope(each, known, check) for each in text.split())
    if not granted.granted:
        raise ScopeError("Say at least one scope, e.g. system/*.read.")
    return granted


@lru_cache(maxsize=512)
def kept_scopes(text: str) -> Scopes:
    """Scopes as they were kept, checked when they were granted."""
    return _joined(read_scope(each, lambda _: True) for each in text.split())


def _joined(scopes: Iterable[Scope]) -> Scopes:
    found: dict[tuple[str, Narrowing], set[str]] = {}
    for each in scopes:
        found.setdefault((each.type, each.narrowing), set()).update(each.actions)
    return Scopes(tuple(Scope(kind, _ordered(actions), narrowing) for (kind, narrowing), actions in found.items()))


def _ordered(actions: Iterable[str]) -> str:
    return "".join(sorted(actions, key=ACTIONS.index))
