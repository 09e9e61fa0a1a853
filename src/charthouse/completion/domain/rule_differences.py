"""What differs between two versions of the rules, in words: rules new, changed and gone, numbers before → after.

Rules are as they are kept: by type of facility a list, each with code, title, demand, parameters and its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .rule_words import number_in_words

Told = Mapping[str, Sequence[Mapping[str, Any]]]
#: What of a rule decides something; the rest tells where it comes from.
DECIDES = ("title", "demand", "parameters")


class Turn(StrEnum):
    """What became of a rule. TOLD: nothing that decides, but its source."""

    NEW = "new"
    CHANGED = "changed"
    TOLD = "told anew"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs in one rule. ``places`` are the types of facility it is so at, empty for all; ``lines`` are
    sentences and numbers before → after."""

    code: str
    title: str
    turn: Turn
    places: tuple[str, ...]
    lines: tuple[str, ...]


def differences(before: Told, after: Told) -> tuple[Difference, ...]:
    """The rules that differ, by code; one that differs otherwise elsewhere stands once for each way."""
    found: dict[tuple[str, str, Turn, tuple[str, ...]], list[str]] = {}
    kinds = sorted({*before, *after})
    for kind in kinds:
        old = {each["code"]: each for each in before.get(kind, ())}
        new = {each["code"]: each for each in after.get(kind, ())}
        for code in sorted(old.keys() | new.keys()):
            one = _of_rule(old.get(code), new.get(code))
            if one is not None:
                turn, lines = one
                title = (new.get(code) or old[code])["title"]
                found.setdefault((code, title, turn, lines), []).append(kind)
    return tuple(
        Difference(code, title, turn, () if len(places) == len(kinds) else tuple(places), lines)
        for (code, title, turn, lines), places in sorted(found.items(), key=lambda each: (each[0][0], each[1]))
    )


def codes_that_differ(before: Told, after: Told) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The codes of rules that are new, changed and gone, at any type of facility."""
    listed = differences(before, after)
    new, changed, gone = (
        tuple(sorted({each.code for each in listed if each.turn is turn}))
        for turn in (Turn.NEW, Turn.CHANGED, Turn.GONE)
    )
    return new, changed, gone


def decides_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rules find the same in every chart."""
    return all(one[name] == other[name] for name in DECIDES)


def _of_rule(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> tuple[Turn, tuple[str, ...]] | None:
    if old is None or new is None:
        return (Turn.NEW, ()) if old is None else (Turn.GONE, ())
    lines = []
    if old["title"] != new["title"]:
        lines.append(f"Title: “{old['title']}” → “{new['title']}”")
    lines += _numbers(old["parameters"], new["parameters"])
    lines += _deep("", old["demand"], new["demand"])
    source = list(_sources(old.get("source"), new.get("source")))
    if lines:
        return Turn.CHANGED, (*lines, *source)
    return (Turn.TOLD, tuple(source)) if source else None


def _numbers(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        words = name.replace("_", " ").capitalize()
        before, after = (number_in_words(*each[name]) if name in each else "" for each in (old, new))
        if before != after:
            yield f"{words}: {before or 'not there'} → {after or 'not there'}"


def _deep(place: str, old: Any, new: Any) -> Iterator[str]:
    """What differs in a demand, with its place: ``accept 1, until: end + soon → end + later``."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            inner = f"{place}, {name}" if place else name
            yield from _deep(inner, old.get(name), new.get(name))
    elif _lists_rules(old) and _lists_rules(new):
        for number in range(max(len(old), len(new))):
            before, after = (each[number] if number < len(each) else None for each in (old, new))
            yield from _deep(f"{place} {number + 1}", before, after)
    else:
        yield f"Demand, {place}: {_plain(old)} → {_plain(new)}"


def _lists_rules(told: Any) -> bool:
    return isinstance(told, list) and any(isinstance(each, Mapping) for each in told)


def _plain(told: Any) -> str:
    if told is None:
        return "not there"
    if isinstance(told, bool):
        return "yes" if told else "no"
    if isinstance(told, Mapping):
        return "; ".join(f"{name} {_plain(value)}" for name, value in told.items())
    if isinstance(told, list):
        return ", ".join(_plain(each) for each in told)
    return str(told)


def _sources(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Iterator[str]:
    if old is None or new is None:
        # The first versions kept no sources with their rules.
        return
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if name == "text":
            yield "Its text is told anew"
        else:
            yield f"{name.replace('_', ' ').capitalize()}: {_plain(before) or '–'} → {_plain(after) or '–'}"
