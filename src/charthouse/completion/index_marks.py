"""What a chart's index says beside what stands in it: which deficiency belongs to which document or place, and of
which piece there are more documents than one chart needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol, TypeVar

from charthouse.foundation.rulepacks.api import FacilityType

from .adopted import adopted_for, adopted_version
from .domain.facts import ProcedureFact
from .domain.rules import Each
from .domain.states import State


class Lack(Protocol):
    """A deficiency as far as an index needs it."""

    @property
    def about(self) -> str: ...

    @property
    def piece(self) -> str: ...

    @property
    def state(self) -> State: ...


T = TypeVar("T", bound=Lack)


def told_apart(
    deficiencies: Iterable[T], documents: Collection[str]
) -> tuple[dict[str, list[T]], list[tuple[str, T]]]:
    """Deficiencies about one of these documents (``Type/id``), by it; and the others that are not settled, each
    with the piece at whose place it is told. What came late is told at its document alone."""
    marks: dict[str, list[T]] = {}
    lines = []
    for each in deficiencies:
        if each.state.settled and each.state is not State.NOTED:
            continue
        if each.about in documents:
            marks.setdefault(each.about, []).append(each)
        elif not each.state.settled:
            lines.append((each.piece, each))
    return marks, lines


def most_of_pieces(facility_type: str, procedures: Iterable[ProcedureFact]) -> Mapping[str, int]:
    """How many documents of a piece a chart needs by the rules in force: one of what is asked of the encounter, and
    as many as operations of what each of them needs for itself. Others are not limited."""
    version = adopted_version()
    if not version:
        return {}
    operations = sum(each.operation and each.done for each in procedures)
    found: dict[str, int] = {}
    for demand in adopted_for(version, facility_type or FacilityType.HOSPITAL.value).demands:
        if demand.accept and demand.each is Each.ENCOUNTER:
            found[demand.piece] = 1
        elif demand.accept and demand.own and demand.each is Each.OPERATION:
            found[demand.piece] = max(operations, 1)
    return found


def doubled(piece: str, count: int, most: Mapping[str, int]) -> int:
    """How many documents there are of a piece where one chart needs fewer; else 0."""
    return count if count > most.get(piece, count) else 0
