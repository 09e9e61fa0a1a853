"""Rules as data: every rule that decides something, with its source, its numbers and its force.

Packs are YAML files in an app's ``rules`` folder. Code asks for a number by the rule's code and the parameter's
name; no rule's number stands in code.
"""

from __future__ import annotations

from .reading import RulePackError
from .registry import (
    Registry,
    UnknownRule,
    all_packs,
    choices,
    load,
    parameter,
    read_registry,
    read_registry_text,
    rule,
)
from .rules import FacilityType, Force, Pack, Parameter, Rule, Value

__all__ = [
    "FacilityType",
    "Force",
    "Pack",
    "Parameter",
    "Registry",
    "Rule",
    "RulePackError",
    "UnknownRule",
    "Value",
    "all_packs",
    "choices",
    "load",
    "parameter",
    "read_registry",
    "read_registry_text",
    "rule",
]
