"""The completion rules of the packs that hold at a facility."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path

from charthouse.foundation.clock import today
from charthouse.foundation.rulepacks.api import (
    FacilityType,
    Registry,
    Rule,
    UnknownRule,
    load,
    read_registry,
)

from .domain.rules import Demand, Number, RuleError, RuleSet, read_demand, rule_set

APP = "completion"


def rules_for(facility_type: str = FacilityType.HOSPITAL, on: date | None = None) -> RuleSet:
    """The rules in force at facilities of a type, on a day (the business clock's today, UTC). Raises RuleError."""
    return _held(facility_type, on or today("UTC"))


@lru_cache(maxsize=32)
def _held(facility_type: str, on: date) -> RuleSet:
    return rule_set(_demands(load(), facility_type, on))


def read_pack_file(path: Path) -> Registry:
    """One pack of completion rules from anywhere. Raises RulePackError."""
    return read_registry({}, {path: APP})


def rules_in_force(facility_type: str = FacilityType.HOSPITAL, on: date | None = None) -> tuple[Rule, ...]:
    """The rules that demand something, with their sources, as they hold at facilities of a type."""
    return tuple(_rules(load(), facility_type, on or today("UTC")))


def _rules(registry: Registry, facility_type: str, on: date) -> Iterable[Rule]:
    for code, versions in registry.versions.items():
        if versions[0].app != APP:
            continue
        try:
            rule = registry.rule(code, on, _type(facility_type))
        except UnknownRule:
            continue
        if rule.demand:
            yield rule


def _demands(registry: Registry, facility_type: str, on: date) -> list[Demand]:
    found, problems = [], []
    for rule in _rules(registry, facility_type, on):
        numbers: dict[str, Number] = {name: (each.value, each.unit) for name, each in rule.parameters.items()}
        try:
            found.append(read_demand(rule.code, rule.title, rule.demand, numbers))
        except RuleError as error:
            problems += error.problems
    if problems:
        raise RuleError(problems)
    return found


def _type(facility_type: str) -> FacilityType | None:
    return FacilityType(facility_type) if facility_type in set(FacilityType) else None
