"""How rules that are tried come about from those in force: a pack laid over them, numbers changed, one switched off
or on again, a version of before. Pure; the same recipe over other rules gives what it says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from .rule_words import number_in_words
from .rules import RuleError

Told = dict[str, list[dict[str, Any]]]
_LONGEST_LIST = 200


class Way(StrEnum):
    """How the rules that are tried are made."""

    PACK = "pack"
    NUMBERS = "numbers"
    OFF = "off"
    ON = "on"
    VERSION = "version"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Way.PACK: "A pack",
    Way.NUMBERS: "Numbers changed",
    Way.OFF: "Switched off",
    Way.ON: "Switched on",
    Way.VERSION: "Back to a version",
}


class NumberError(RuleError):
    """Numbers that a rule cannot have; ``faults`` are sentences by the parameter's name."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(list(faults.values()))
        self.faults = dict(faults)


def with_numbers(told: Told, code: str, kinds: Sequence[str], typed: Mapping[str, str]) -> Told:
    """The rules with other numbers in one of them, at facilities of these types. ``typed`` are texts by parameter.

    Raises NumberError for what is no such number, RuleError where there is no such rule or nothing would change.
    """
    changed = False
    found: Told = {}
    for kind, rules in told.items():
        found[kind] = []
        for each in rules:
            if each["code"] == code and kind in kinds:
                numbers = _typed(each["parameters"], typed)
                changed = changed or numbers != each["parameters"]
                found[kind].append(each | {"parameters": numbers})
            else:
                found[kind].append(each)
    if not any(each["code"] == code for kind in kinds for each in told.get(kind, ())):
        raise RuleError([f"The rule {code} is not in force there any more."])
    if not changed:
        raise RuleError(["Nothing was changed: these are the numbers in force."])
    return found


def _typed(parameters: Mapping[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    faults: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, (value, unit) in parameters.items():
        try:
            found[name] = [_value(value, typed[name]) if name in typed else value, unit]
        except ValueError as error:
            faults[name] = str(error)
    if faults:
        raise NumberError(faults)
    return found


def _value(before: Any, text: str) -> Any:
    """What was typed, as the parameter holds it. Raises ValueError in words."""
    plain = text.strip()
    if isinstance(before, list):
        listed = [each.strip() for each in plain.replace("\n", ",").split(",") if each.strip()]
        if not listed or len(listed) > _LONGEST_LIST:
            raise ValueError(f"Write one to {_LONGEST_LIST}, with commas between them.")
        return list(dict.fromkeys(listed))
    if isinstance(before, int):
        if not (plain.isascii() and plain.isdecimal() and len(plain) <= 6):
            raise ValueError(f"“{plain}” is no whole number. Write digits alone, such as {before}.")
        return int(plain)
    if before in ("yes", "no"):
        if plain not in ("yes", "no"):
            raise ValueError("Choose yes or no.")
        return plain
    if not plain:
        raise ValueError(f"Nothing is written; it is {number_in_words(before, '')} now.")
    return plain


def without(told: Told, code: str, kinds: Sequence[str]) -> Told:
    """The rules without one of them at facilities of these types. Raises RuleError where it is not there."""
    if not any(each["code"] == code for kind in kinds for each in told.get(kind, ())):
        raise RuleError([f"The rule {code} is switched off there already."])
    return {
        kind: [each for each in rules if each["code"] != code or kind not in kinds] for kind, rules in told.items()
    }


def with_rule(told: Told, rules: Mapping[str, Mapping[str, Any]], code: str) -> Told:
    """The rules with one more at each type of facility that ``rules`` names, where it is not there already. Raises
    RuleError where it is there everywhere."""
    found: Told = {}
    for kind, listed in told.items():
        there = any(each["code"] == code for each in listed)
        more = [] if there or kind not in rules else [dict(rules[kind])]
        found[kind] = sorted([*listed, *more], key=lambda each: each["code"])
    if found == told:
        raise RuleError([f"The rule {code} is switched on already."])
    return found
