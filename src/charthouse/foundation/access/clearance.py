"""Which labels a role may see: the matrix in the rule pack ``access.labels``, read as data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from charthouse.foundation import clock
from charthouse.foundation.rulepacks.api import RulePackError, all_packs, load

from .api import Label, Role

_PACK = "access.labels"


def clearance_for(roles: Iterable[Role]) -> Label:
    """The labels that a person with these roles may see, by the rules of today (the wall clock's: access is not
    part of a teaching scenario). Raises RulePackError for a pack that names unknown labels or roles."""
    return _clearance(frozenset(roles), clock.wall().date())


@lru_cache(maxsize=256)
def _clearance(roles: frozenset[Role], on: date) -> Label:
    seen = Label.NONE
    for label, allowed in matrix(on).items():
        if not allowed.isdisjoint(roles):
            seen |= label
    return seen


@lru_cache(maxsize=4)
def matrix(on: date) -> dict[Label, frozenset[Role]]:
    """Each label with the roles that may see it on a day. Raises RulePackError, also for a label without a rule."""
    found: dict[Label, frozenset[Role]] = {}
    problems: list[str] = []
    pack = next(pack for pack in all_packs() if pack.code == _PACK)
    for code in dict.fromkeys(rule.code for rule in pack.rules):
        rule = load().rule(code, on)
        where = f"{pack.file}, rule {code}"
        try:
            label = Label[str(rule.parameters["label"].value)]
            given = rule.parameters["roles"].value
            roles = frozenset(Role(str(role)) for role in (given if isinstance(given, tuple) else (given,)))
        except (KeyError, ValueError) as error:
            problems.append(f"{where}: {error}. A label and roles that Charthouse knows are needed.")
            continue
        if label in found:
            problems.append(f"{where}: the label {label.name} has a rule already.")
        found[label] = roles
    if wanting := [str(label.name) for label in Label if label and label not in found]:
        problems.append(f"{pack.file}: no rule says who may see {', '.join(wanting)}.")
    if problems:
        raise RulePackError(problems)
    return found
