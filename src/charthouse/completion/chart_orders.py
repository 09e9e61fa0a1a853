"""The orders of charts as they stand at this site, and as they were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .assembly_models import ChartOrder
from .domain.chart_orders import default_orders, known
from .domain.facts import EncounterKind


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order of a kind's charts. ``version`` 0 is the one before any change, which nobody made."""

    kind: EncounterKind
    version: int
    pieces: tuple[str, ...]
    made_at: datetime | None = None
    name: str = ""
    restored: bool = False

    @property
    def is_default(self) -> bool:
        return self.pieces == default_orders()[self.kind]


def chart_order(kind: EncounterKind) -> OrderLine:
    """The order in force. Not sensitive."""
    row = ChartOrder.objects.filter(kind=kind.value).order_by("-version").first()
    return _line(row) if row else OrderLine(kind, 0, default_orders()[kind])


def chart_order_versions(kind: EncounterKind) -> list[OrderLine]:
    """Every version of a kind's order that somebody made, newest first."""
    return [_line(row) for row in ChartOrder.objects.filter(kind=kind.value).order_by("-version")]


def _line(row: ChartOrder) -> OrderLine:
    return OrderLine(EncounterKind(row.kind), row.version, known(row.pieces), row.made_at, row.name, row.restored)
