"""References within a resource."""

from __future__ import annotations

from typing import Any


def renamed(value: Any, before: str, after: str) -> Any:
    """A resource, or a part of one, with every reference to ``before`` (``Type/id``) leading to ``after``."""
    if isinstance(value, dict):
        return {
            name: after if name == "reference" and each == before else renamed(each, before, after)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [renamed(each, before, after) for each in value]
    return value
