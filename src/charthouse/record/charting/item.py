"""A stored resource as the builders take it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from charthouse.record.chart import Mark

from .elements import exact, labels, mark_of


@dataclass
class Item:
    """One resource: where it stands and what it says. Parsed when first asked."""

    type: str
    id: str
    version: int
    labels: int
    content: bytes

    @cached_property
    def resource(self) -> dict[str, Any]:
        return exact(self.content)

    def row(self) -> dict[str, Any]:
        """The fields every row of a chart has, but for its title and time."""
        mark: Mark = mark_of(self.resource)
        return {
            "type": self.type,
            "id": self.id,
            "version": self.version,
            "labels": labels(self.labels),
            "mark": mark,
        }
