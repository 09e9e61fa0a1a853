"""The rules charts are analysed by: those that were switched on last, whatever the packs say by now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from django.db import connection

from charthouse.foundation.clock import today
from charthouse.foundation.rulepacks.api import FacilityType, Registry, Rule, UnknownRule

from .domain.rules import Demand, Fit, RuleError, RuleSet, read_demand, rule_set
from .models import AdoptedRules
from .rule_sets import read_pack_file, rules_for, rules_in_force

Told = dict[str, list[dict[str, Any]]]
"""By type of facility its rules, each with code, title, demand, parameters and source as JSON. Versions of old
have no source."""


def told_by_packs() -> Told:
    """The rules of the packs today. Raises RulePackError, RuleError."""
    return checked(
        {
            kind.value: [_told(each) for each in sorted(rules_in_force(kind), key=lambda rule: rule.code)]
            for kind in FacilityType
        }
    )


def told_with_file(path: Path) -> Told:
    """The rules in force with those of a pack in a file in place of theirs or beside them.

    A rule of the file without a demand takes the one of its code out. Raises RulePackError, RuleError, OSError.
    """
    path.stat()
    return laid_over(told_in_force(), read_pack_file(path))


def laid_over(told: Told, pack: Registry) -> Told:
    """Rules with those of a pack in place of theirs or beside them; a rule of the pack without a demand takes the
    one of its code out. Raises RuleError with every problem found."""
    found: Told = {}
    for kind in FacilityType:
        rules = {each["code"]: each for each in told.get(kind.value, ())}
        for code, rule in _holding(pack, kind).items():
            rules.pop(code, None)
            if rule.demand:
                rules[code] = _kept(rule)
        found[kind.value] = [rules[code] for code in sorted(rules)]
    return checked(found)


def checked(told: Told) -> Told:
    """The same rules. Raises RuleError with every problem found in any of them, each once."""
    problems: list[str] = []
    for rules in told.values():
        try:
            read(rules)
        except RuleError as error:
            problems += error.problems
    if problems:
        raise RuleError(list(dict.fromkeys(problems)))
    return told


def _holding(registry: Registry, kind: FacilityType) -> Mapping[str, Rule]:
    found = {}
    for code in registry.versions:
        try:
            found[code] = registry.rule(code, today("UTC"), kind)
        except UnknownRule:
            continue
    return found


def _told(rule: Rule) -> dict[str, Any]:
    told = {
        "code": rule.code,
        "title": rule.title,
        "demand": rule.demand,
        "parameters": {name: [each.value, each.unit] for name, each in rule.parameters.items()},
        "source": source_of(rule),
    }
    as_json: dict[str, Any] = orjson.loads(orjson.dumps(told, default=dict))
    return as_json


def _kept(rule: Rule) -> dict[str, Any]:
    """A rule that somebody wrote. Raises RuleError for what can be written in YAML and kept nowhere."""
    try:
        told = _told(rule)
    except (TypeError, ValueError):
        raise RuleError(
            [f"rule {rule.code}, demand: holds what is neither a word, a number nor a list of them."]
        ) from None
    if b"\\u0000" in orjson.dumps(told):
        raise RuleError([f"rule {rule.code}: holds a sign that cannot be kept (\\0)."])
    return told


def source_of(rule: Rule) -> dict[str, Any]:
    """Where a rule comes from, and what it says, as it is kept with it."""
    return {
        "text": rule.text,
        "authority": rule.authority,
        "citation": rule.citation,
        "force": rule.force.value,
        "unverified": rule.unverified,
        "effective": rule.effective.isoformat(),
        "jurisdiction": rule.jurisdiction,
        "url": rule.url,
    }


def read(rules: Iterable[Mapping[str, Any]]) -> RuleSet:
    """The demands of rules as they are kept. Raises RuleError with every problem found."""
    found, problems = [], []
    for each in rules:
        try:
            found.append(demand_of(each))
        except RuleError as error:
            problems += error.problems
    if problems:
        raise RuleError(problems)
    return rule_set(found)


def sets_of(told: Told) -> Mapping[str, RuleSet]:
    """The demands of rules as they are kept, by type of facility. Raises RuleError."""
    return {kind: read(rules) for kind, rules in told.items()}


def demand_of(told: Mapping[str, Any]) -> Demand:
    """The demand of one rule as it is kept. Raises RuleError."""
    return read_demand(
        told["code"],
        told["title"],
        told["demand"],
        {
            name: (tuple(value) if isinstance(value, list) else value, unit)
            for name, (value, unit) in told["parameters"].items()
        },
    )


def digest_of(told: Told) -> str:
    """The SHA-256 of rules as canonical JSON, hexadecimal."""
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def adopted_version() -> int:
    """The version in force; 0 before any was adopted."""
    found = AdoptedRules.objects.order_by("-version").values_list("version", flat=True).first()
    return found or 0


def content_of(version: int) -> Told:
    """The rules of a version as they are kept; none where there is no such version."""
    found: Told | None = AdoptedRules.objects.filter(pk=version).values_list("content", flat=True).first()
    return found or {}


def rules_before(version: int) -> Told:
    """The rules that a version took the place of."""
    before = AdoptedRules.objects.filter(pk__lt=version).order_by("-version").values_list("version", flat=True)
    return content_of(before.first() or 0)


@lru_cache(maxsize=8)
def _sets(database: str, version: int) -> Mapping[str, RuleSet]:
    """The rules of a version, which never change; another database has another version of that number."""
    content = AdoptedRules.objects.values_list("content", flat=True).get(pk=version)
    return sets_of(content)


def told_in_force() -> Told:
    """The rules in force as they are kept; before any was adopted, those of the packs. Raises RuleError."""
    version = adopted_version()
    return content_of(version) if version else told_by_packs()


def adopted_for(version: int, facility_type: str) -> RuleSet:
    """The rules of a version that hold at facilities of a type; of a type that has none, a hospital's. Version 0,
    before any was adopted, are those of the packs. Raises RuleError."""
    if not version:
        return rules_for(facility_type)
    sets = _sets(str(connection.settings_dict["NAME"]), version)
    return sets.get(facility_type) or sets[FacilityType.HOSPITAL.value]


def judged(rules: RuleSet) -> frozenset[str]:
    """The codes of the rules whose findings a technician judges: how documents fit each other."""
    return frozenset(each.rule for each in rules.demands if isinstance(each.fit, Fit))
