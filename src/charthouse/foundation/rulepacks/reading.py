"""Reading rule packs from YAML, strictly: what is not understood is refused, with file, rule and field."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import yaml

from .rules import FacilityType, Force, Pack, Parameter, Rule

_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
#: A rule's demand is some five deep.
_DEEPEST = 30
_JURISDICTION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


class RulePackError(Exception):
    """One or more packs are wrong. ``problems`` are sentences that name file, rule and field."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _ParameterText(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    value: int | float | str | list[int | float | str]
    unit: str = ""


class _RuleText(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    code: str
    title: str
    text: str
    authority: str
    citation: str
    force: Force
    effective: date
    ends: date | None = None
    parameters: dict[str, int | float | str | list[int | float | str] | dict[str, Any]] = {}
    facility_types: list[FacilityType] = []
    jurisdiction: str = "US"
    url: str = ""
    unverified: bool = False
    demand: dict[str, Any] = {}


class _PackText(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    pack: str
    title: str
    rules: list[Any]


class _StrictLoader(yaml.CSafeLoader):
    """Refuses a key that is written twice; YAML itself would keep the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _value in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key is a list", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_pack(path: Path, *, app: str, name: str) -> Pack:
    """The pack in one file. ``app`` owns it: its rules' codes begin with it. ``name`` is what errors call the file.

    Raises RulePackError with every problem found.
    """
    try:
        written = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise RulePackError([f"{name} is not readable YAML: {_one_line(error)}."]) from None
    return _pack(written, app, name, aliases=True)


def read_pack_text(written: str, *, app: str, name: str) -> Pack:
    """The same of a pack's text, whoever wrote it. Raises RulePackError with every problem found."""
    return _pack(written, app, name, aliases=False)


def _pack(written: str, app: str, name: str, *, aliases: bool) -> Pack:
    try:
        _require_plain(written, name, aliases=aliases)
        raw = yaml.load(written, Loader=_StrictLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise RulePackError([f"{name} is not readable YAML: {_one_line(error)}."]) from None
    try:
        text = msgspec.convert(raw, _PackText)
    except msgspec.ValidationError as error:
        raise RulePackError([f"{name}: {_explained(error)}."]) from None
    problems: list[str] = []
    rules: list[Rule] = []
    for index, given in enumerate(text.rules, 1):
        which = f"{name}, rule {_code_of(given) or index}"
        try:
            rule_text = msgspec.convert(given, _RuleText)
            rule = _rule(rule_text, app, text.pack)
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(f"{which}: {_explained(error)}.")
            continue
        problems += (f"{which}: {problem}." for problem in _objections(rule))
        rules.append(rule)
    if not text.pack.startswith(f"{app}.") or not _CODE.fullmatch(text.pack):
        problems.append(f"{name}: pack is {text.pack!r}; it must begin with {app + '.'!r}.")
    if not text.rules:
        problems.append(f"{name}: rules is empty.")
    if problems:
        raise RulePackError(problems)
    return Pack(text.pack, text.title, app, name, tuple(rules))


def _require_plain(written: str, name: str, *, aliases: bool) -> None:
    """Raise RulePackError for what could fill the memory or the stack: lists within lists without end, and, where
    they are not allowed, aliases. Reads events alone, which nothing is built of."""
    depth = 0
    for event in yaml.parse(written, Loader=_StrictLoader):
        where = f"{name}, line {event.start_mark.line + 1}" if event.start_mark else name
        if not aliases and isinstance(event, yaml.AliasEvent):
            raise RulePackError([f"{where}: * refers to another place; write it out."])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise RulePackError([f"{where}: lists stand in each other more than {_DEEPEST} deep."])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _rule(text: _RuleText, app: str, pack: str) -> Rule:
    parameters = {name: _parameter(name, value) for name, value in text.parameters.items()}
    return Rule(
        code=text.code,
        title=text.title.strip(),
        text=" ".join(text.text.split()),
        authority=text.authority.strip(),
        citation=" ".join(text.citation.split()),
        force=text.force,
        effective=text.effective,
        ends=text.ends,
        parameters=MappingProxyType(parameters),
        facility_types=frozenset(text.facility_types),
        jurisdiction=text.jurisdiction,
        url=text.url,
        unverified=text.unverified,
        demand=MappingProxyType(text.demand),
        app=app,
        pack=pack,
    )


def _parameter(name: str, given: Any) -> Parameter:
    if not _NAME.fullmatch(name):
        raise ValueError(f"parameters has {name!r}; a name is lower-case words joined by _")
    try:
        text = msgspec.convert(given if isinstance(given, Mapping) else {"value": given}, _ParameterText)
    except msgspec.ValidationError as error:
        raise ValueError(f"parameters.{name}: {_explained(error)}") from None
    return Parameter(tuple(text.value) if isinstance(text.value, list) else text.value, text.unit)


def _objections(rule: Rule) -> Iterator[str]:
    if not _CODE.fullmatch(rule.code) or not rule.code.startswith(f"{rule.app}."):
        yield f"code is {rule.code!r}; it must be lower-case words beginning with {rule.app + '.'!r}"
    for name in ("title", "text", "authority", "citation"):
        if not getattr(rule, name):
            yield f"{name} is empty"
    if rule.ends is not None and rule.ends <= rule.effective:
        yield f"ends is {rule.ends}, which is not after effective, {rule.effective}"
    if not _JURISDICTION.fullmatch(rule.jurisdiction):
        yield f"jurisdiction is {rule.jurisdiction!r}; an ISO 3166 code such as 'US' or 'US-AL' is needed"
    if rule.url and not rule.url.startswith("https://"):
        yield f"url is {rule.url!r}; it must begin with 'https://'"


def _code_of(given: Any) -> str:
    code = given.get("code") if isinstance(given, dict) else None
    return code if isinstance(code, str) else ""


def _explained(error: Exception) -> str:
    """msgspec's message with the field first: ``Expected `int`, got `str` - at `$.force``` → ``force: …``."""
    message, _, place = str(error).partition(" - at `$.")
    place = place.rstrip("`")
    return f"{place}: {message}" if place else message


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).replace(' in "<unicode string>",', ",")
