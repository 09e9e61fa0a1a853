"""Rules that are to be tried, made as somebody asked for them, and where a pack's text goes wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import yaml

from charthouse.foundation.rulepacks.api import FacilityType, RulePackError, read_registry_text

from .adopted import Told, checked, content_of, laid_over, told_by_packs
from .domain.rule_recipes import NumberError, Way, with_numbers, with_rule, without
from .domain.rules import RuleError
from .models import AdoptedRules
from .rule_sets import APP

#: Letters of a pack that is pasted; the shipped one has some 20,000.
LONGEST_PACK = 200_000
#: What errors call a pack that somebody pasted.
_NAME = "the pack"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How rules that are tried come about.

    A PACK has a ``text``, and lies over the rules as they are ``shipped``, or over those in force. The other ways
    name a rule (``code``) and types of facility (``kinds``); ``numbers`` are texts by parameter. A VERSION names
    its number, 0 for the rules as they are shipped.
    """

    way: Way
    text: str = ""
    shipped: bool = False
    code: str = ""
    kinds: tuple[str, ...] = ()
    numbers: Mapping[str, str] = field(default_factory=dict)
    version: int = 0

    def kept(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "way": self.way.value,
            "text": self.text,
            "shipped": self.shipped,
            "code": self.code,
            "kinds": list(self.kinds),
            "numbers": dict(self.numbers),
            "version": self.version,
        }


def recipe_of(kept: Mapping[str, Any]) -> Recipe:
    """A recipe from JSON."""
    return Recipe(**{**kept, "way": Way(kept["way"]), "kinds": tuple(kept["kinds"])})


def made(recipe: Recipe, base: int) -> Told:
    """The rules of a recipe over those of a version. Raises RuleError with every problem found."""
    if recipe.way is Way.PACK:
        return _with_pack(recipe, told_by_packs() if recipe.shipped else content_of(base))
    if recipe.way is Way.VERSION:
        told = content_of(recipe.version) if recipe.version else told_by_packs()
        if not told:
            raise RuleError([f"There is no version {recipe.version} of the rules."])
        return checked(told)
    told, kinds = content_of(base), _kinds(recipe.kinds)
    if recipe.way is Way.NUMBERS:
        return checked(with_numbers(told, recipe.code, kinds, recipe.numbers))
    if recipe.way is Way.OFF:
        return without(told, recipe.code, kinds)
    off = switched_off(told).get(recipe.code, {})
    return checked(with_rule(told, {kind: off[kind] for kind in off if kind in kinds}, recipe.code))


def _kinds(asked: Sequence[str]) -> tuple[str, ...]:
    return tuple(each.value for each in FacilityType if each.value in asked)


def _with_pack(recipe: Recipe, told: Told) -> Told:
    text = recipe.text
    if not text.strip():
        raise RuleError(["Nothing is written. Paste a pack, or choose its file."])
    if len(text) > LONGEST_PACK:
        raise RuleError([f"This pack has {len(text):,} letters; {LONGEST_PACK:,} are the most."])
    try:
        return laid_over(told, read_registry_text(text, app=APP, name=_NAME))
    except RulePackError as error:
        raise RuleError([_capital(each) for each in error.problems]) from None


def switched_off(told: Told) -> dict[str, dict[str, dict[str, Any]]]:
    """The rules that are shipped or once were in force, and are not: by code, as they stood at each type of
    facility."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    versions = AdoptedRules.objects.order_by("-version").values_list("content", flat=True)
    there = {(kind, each["code"]) for kind, rules in told.items() for each in rules}
    for former in (*versions[:_BACK], told_by_packs()):
        for kind, rules in former.items():
            for each in rules:
                if (kind, each["code"]) not in there:
                    found.setdefault(each["code"], {}).setdefault(kind, each)
    return found


#: Versions that are looked through for rules that were switched off.
_BACK = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a pack's text; ``line`` is where it is, counted from 1, 0 where that is not known."""

    says: str
    line: int = 0


_LINE = re.compile(r"\bline (\d+)")
_RULE = re.compile(r"\brule ([a-z][a-z0-9.-]*[a-z0-9])")


def placed(problems: Sequence[str], text: str) -> tuple[Problem, ...]:
    """Problems with their line in a pack's text: what they name themselves, or that of the rule they name."""
    found = []
    for each in problems:
        line = 0
        if told := _LINE.search(each):
            line = int(told.group(1))
        elif named := _RULE.search(each):
            code = re.compile(
                rf"""^[ \t-]*code:[ \t]*["']?{re.escape(named.group(1))}["']?[ \t]*\r?$""", re.MULTILINE
            )
            if match := code.search(text):
                line = text.count("\n", 0, match.start()) + 1
        found.append(Problem(_capital(each), line))
    return tuple(found)


def as_yaml(rules: Mapping[str, Mapping[str, Any]], everywhere: bool) -> str:
    """One rule as a pack has it, to be read and pasted: by type of facility, each way it stands once."""
    ways: list[tuple[Mapping[str, Any], list[str]]] = []
    for kind, each in rules.items():
        same = next((kinds for told, kinds in ways if told == each), None)
        if same is None:
            ways.append((each, [kind]))
        else:
            same.append(kind)
    listed = [_as_rule(told, () if everywhere and len(ways) == 1 else kinds) for told, kinds in ways]
    pack = {"pack": "completion.site", "title": "Rules of this site", "rules": listed}
    return yaml.safe_dump(pack, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def _as_rule(told: Mapping[str, Any], kinds: Sequence[str]) -> dict[str, Any]:
    source = told.get("source") or _UNKNOWN
    rule: dict[str, Any] = {
        "code": told["code"],
        "title": told["title"],
        "text": source["text"],
        "authority": source["authority"],
        "citation": source["citation"],
        "force": source["force"],
    }
    rule |= {name: source[name] for name in ("unverified", "url") if source.get(name)}
    if source.get("jurisdiction", "US") != "US":
        rule["jurisdiction"] = source["jurisdiction"]
    rule["effective"] = date.fromisoformat(str(source["effective"]))
    if kinds:
        rule["facility_types"] = list(kinds)
    if told["parameters"]:
        rule["parameters"] = {
            name: {"value": value, "unit": unit} if unit else value
            for name, (value, unit) in told["parameters"].items()
        }
    return rule | {"demand": {name: told["demand"][name] for name in _ordered(told["demand"])}}


#: In which order the words of a demand stand.
_ORDER = (
    "kind", "piece", "for", "when", "each", "own", "pieces", "accept", "evidence", "fit", "may_sign",
    "may_not_sign", "missing", "due", "owed_by",
)  # fmt: skip
_UNKNOWN = {
    "text": "Kept without its text.",
    "authority": "not kept",
    "citation": "not kept",
    "force": "convention",
    "unverified": True,
    "effective": "2007-01-26",
}


def _ordered(demand: Mapping[str, Any]) -> list[str]:
    return [each for each in _ORDER if each in demand]


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


__all__ = [
    "LONGEST_PACK",
    "NumberError",
    "Problem",
    "Recipe",
    "Way",
    "as_yaml",
    "made",
    "placed",
    "recipe_of",
    "switched_off",
]
