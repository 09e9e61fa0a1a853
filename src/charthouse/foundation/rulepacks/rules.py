"""A rule as data: what it says, who made it, whether it binds, since when, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

#: What a parameter can hold. A list becomes a tuple.
Value = int | float | str | tuple[int | float | str, ...]


class Force(StrEnum):
    """How far a rule binds: law or condition; an authority's guidance; a convention the site may change."""

    BINDING = "binding"
    GUIDANCE = "guidance"
    CONVENTION = "convention"


class FacilityType(StrEnum):
    """The kinds of facility rules differ by."""

    HOSPITAL = "hospital"
    CRITICAL_ACCESS = "critical-access-hospital"
    CLINIC = "clinic"
    AMBULATORY_SURGERY = "ambulatory-surgery-center"
    LONG_TERM_CARE = "long-term-care"
    LABORATORY = "laboratory"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A rule's number or list, with its unit (``minutes``, ``years``, ``bits`` …; empty for a bare count)."""

    value: Value
    unit: str = ""

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.value)) if isinstance(self.value, tuple) else str(self.value)
        return f"{shown} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as it holds from ``effective`` until before ``ends``.

    ``facility_types`` is empty for all. ``jurisdiction`` is ISO 3166 (``US``, ``US-AL``). ``unverified`` says that
    the text was not read. ``app`` and ``pack`` tell where the rule is kept. ``demand`` is what the rule asks for
    in a language of that app, which reads and checks it; empty for most.
    """

    code: str
    title: str
    text: str
    authority: str
    citation: str
    force: Force
    effective: date
    ends: date | None
    parameters: Mapping[str, Parameter]
    facility_types: frozenset[FacilityType]
    jurisdiction: str
    url: str
    unverified: bool
    app: str
    pack: str
    demand: Mapping[str, Any] = field(default_factory=dict)

    def holds_on(self, day: date) -> bool:
        return self.effective <= day and (self.ends is None or day < self.ends)

    def overlaps(self, other: Rule) -> bool:
        """Whether both claim to hold on one day for the same facility types; a rule for some types only may
        stand beside one for all."""
        days = (self.ends is None or other.effective < self.ends) and (
            other.ends is None or self.effective < other.ends
        )
        both_for_all = not self.facility_types and not other.facility_types
        return days and (both_for_all or bool(self.facility_types & other.facility_types))


@dataclass(frozen=True, slots=True)
class Pack:
    """The rules of one file. ``file`` is relative to the package."""

    code: str
    title: str
    app: str
    file: str
    rules: tuple[Rule, ...]
