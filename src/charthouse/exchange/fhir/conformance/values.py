"""What the checks of R4 itself and of profiles have in common: findings, value sets, constraints, targets."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from charthouse.exchange.fhir.definitions import Json, conformance_definitions, resource_types

from .fhirpath import NotEvaluable, Scope, compiled
from .invariants import BY_HAND

MOST_FINDINGS = 100
"""No more are told of one resource."""


def without_numbers(path: str) -> str:
    """``Observation.component.code`` for ``Observation.component[3].code``."""
    return _NUMBERS.sub("", path)


_NUMBERS = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong at ``path`` (``Observation.component[0].code``).

    ``severity`` is error or warning, ``code`` one of IssueType, ``rule`` names the kind of finding, the same for
    every resource that has it. ``message`` never holds a value of the content.
    """

    severity: str
    code: str
    path: str
    message: str
    rule: str


@dataclass(slots=True)
class Checked:
    """What a check found, and by their place the references (``Type/id``) whose targets should be in the record,
    each with the element's path without numbers."""

    findings: list[Finding] = field(default_factory=list)
    references: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Keep a finding, up to the most that are told."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A value set's codes by system. Only those whose every code is at hand are checked."""

    url: str
    title: str
    codes: dict[str, frozenset[str]]

    def has(self, system: str | None, code: str | None) -> bool:
        """Whether a code of a system is in it."""
        return code in self.codes.get(system or "", ())

    def has_code(self, code: str) -> bool:
        """Whether a code is in it, whatever its system: for elements that are only a code."""
        return any(code in codes for codes in self.codes.values())


@cache
def value_sets(strength: str) -> dict[str, ValueSet]:
    """R4's value sets of bindings of a strength, by URL: of required ones those whose every code is at hand; of
    extensible ones with all codes of their systems, where these are at hand."""
    return {
        url: ValueSet(url, each["title"], {system: frozenset(codes) for system, codes in each["codes"].items()})
        for url, each in conformance_definitions()["valuesets"][strength].items()
    }


@dataclass(frozen=True, slots=True)
class Invariant:
    """A constraint: its key, what it says, and whether an element in a scope keeps it (None where unknown)."""

    key: str
    human: str
    test: Callable[[Any, Scope], bool | None]


def binding_problem(value: Any, valueset: ValueSet, *, required: bool) -> str | None:
    """What is wrong with a code, Coding or CodeableConcept under a binding; None where nothing is.

    A required binding wants one code of the set. An extensible one lets other codes and plain text stand where the
    set has nothing that fits, which only a person can tell: so what is said is only that a code is none of its own
    system.
    """
    title = valueset.title
    if isinstance(value, str):
        if not required or valueset.has_code(value):
            return None
        return f"The code is none of the value set {title}, which is required here."
    if not isinstance(value, dict):
        return None
    is_concept = "coding" in value or "text" in value or not ({"code", "system"} & value.keys())
    codings = [each for each in value.get("coding") or () if isinstance(each, dict)] if is_concept else [value]
    if any(valueset.has(each.get("system"), each.get("code")) for each in codings):
        return None
    if not required:
        strange = any(each.get("system") in valueset.codes and "code" in each for each in codings)
        return f"The code is none of the code system it names (value set {title})." if strange else None
    if not codings:
        if "text" not in value:  # only an extension says why there is none
            return None
        return f"There is only text; one code of the value set {title} is required here."
    return f"No code here is of the value set {title}, from which one is required."


def target_of(reference: Json, root: Json) -> tuple[str | None, str]:
    """The type a reference leads to, None where it is not told; and the id, where it is one of this server's own
    (``Type/id``, with or without a version)."""
    text = reference.get("reference")
    if not isinstance(text, str):
        named = reference.get("type")
        return (named if isinstance(named, str) and named in resource_types() else None), ""
    if text.startswith("#"):
        for inner in root.get("contained") or ():
            if isinstance(inner, dict) and inner.get("id") == text[1:]:
                return inner.get("resourceType"), ""
        return None, ""
    parts = text.split("?")[0].split("/")
    if len(parts) > 2 and parts[-2] == "_history":
        parts = parts[:-2]
    if len(parts) < 2 or parts[-2] not in resource_types():
        return None, ""
    return parts[-2], parts[-1] if len(parts) == 2 and "?" not in text else ""


@cache
def invariant(key: str, human: str, expression: str) -> Invariant | None:
    """A constraint ready to be asked; None for one that cannot be evaluated."""
    if key in BY_HAND:
        return Invariant(key, human, BY_HAND[key])
    try:
        step = compiled(expression)
    except NotEvaluable:
        return None

    def test(value: Any, scope: Scope) -> bool | None:
        try:
            answer = step(Scope(scope.resource, scope.root, value, [value]), [value])
        except (NotEvaluable, TypeError, ValueError, AttributeError, RecursionError):
            # An expression that meets what it was not written for answers nothing.
            return None
        return None if not answer else answer != [False]

    return Invariant(key, human, test)
