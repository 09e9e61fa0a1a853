"""A stored resource as the builders take it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from charthouse.foundation.access.api import Label
from charthouse.record.chart import Mark
from charthouse.record.domain.filing import State

from .elements import exact, mark_of

if TYPE_CHECKING:
    from charthouse.record.queries import Stored


@dataclass
class Item:
    """One resource: where it stands and what it says. Parsed when first asked.

    ``stands`` is False for one that its sender deleted.
    """

    type: str
    id: str
    version: int
    labels: int
    content: bytes
    stands: bool = True

    @cached_property
    def resource(self) -> dict[str, Any]:
        return exact(self.content)

    def row(self) -> dict[str, Any]:
        """The fields every row of a chart has, but for its title and time."""
        return {
            "type": self.type,
            "id": self.id,
            "version": self.version,
            "labels": Label(self.labels),
            "mark": mark_of(self.resource) if self.stands else Mark.RETRACTED,
        }


def item_of(stored: Stored) -> Item:
    """A resource as the record has it."""
    stands = stored.state is not State.DELETED
    return Item(stored.type, stored.public_id, stored.version, stored.labels, stored.content, stands)
