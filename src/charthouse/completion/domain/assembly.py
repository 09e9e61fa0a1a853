"""A chart put in order: what of an encounter stands where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from .pieces import title_of

#: The section of what nobody has said the kind of.
UNCLASSIFIED = ""
_LATEST = datetime.max.replace(tzinfo=UTC)


class Leaf(Protocol):
    """What stands in a chart: ``Type/id``, and the moment that sorts it, None where it does not say."""

    @property
    def key(self) -> str: ...

    @property
    def at(self) -> datetime | None: ...


L = TypeVar("L", bound=Leaf)
D = TypeVar("D")
M = TypeVar("M")
#: The part of what is asked for and would stand in no part of the chart.
NO_PART = "no-part"


@dataclass(frozen=True, slots=True)
class Section(Generic[L]):
    """A piece of the chart with what is filed under it, oldest first."""

    piece: str
    leaves: tuple[L, ...]

    @property
    def title(self) -> str:
        return title_of(self.piece)


def assembled(
    leaves: Iterable[L], pieces: Mapping[str, str | None], order: Sequence[str]
) -> tuple[Section[L], ...]:
    """The leaves in the order of a chart, each once: by piece, and within one by time, those without a time last.

    ``pieces`` says by key what each is. What no piece is known of stands last; a section with nothing in it is left
    out. Raises ValueError where two leaves have one key.
    """
    filed: dict[str, list[L]] = {}
    seen: set[str] = set()
    for each in leaves:
        if each.key in seen:
            raise ValueError(f"{each.key} stands twice.")
        seen.add(each.key)
        filed.setdefault(pieces.get(each.key) or UNCLASSIFIED, []).append(each)
    places = [*order, *sorted(piece for piece in filed if piece not in order and piece), UNCLASSIFIED]
    return tuple(
        Section(piece, tuple(sorted(filed[piece], key=lambda leaf: (leaf.at or _LATEST, leaf.key))))
        for piece in places
        if piece in filed
    )


@dataclass(frozen=True, slots=True)
class IndexPart(Generic[D, M]):
    """A piece in a chart's index: what is filed under it, and what of it is lacking."""

    piece: str
    leaves: tuple[D, ...]
    lacks: tuple[M, ...] = ()

    @property
    def title(self) -> str:
        return "Asked for besides" if self.piece == NO_PART else title_of(self.piece)


def index_of(
    sections: Iterable[tuple[str, tuple[D, ...]]], lacks: Iterable[tuple[str, M]], order: Sequence[str]
) -> tuple[IndexPart[D, M], ...]:
    """A chart's index with what is lacking at the place where it would stand.

    ``sections`` are pieces with what is filed under them, in the chart's order; ``lacks`` tells of each thing its
    piece. What is lacking and is no piece of the order stands last.
    """
    filed = dict(sections)
    wanted: dict[str, list[M]] = {}
    for piece, each in lacks:
        wanted.setdefault(piece if piece in order or (piece and piece in filed) else NO_PART, []).append(each)
    places = [*order, *(piece for piece in filed if piece not in order), NO_PART]
    return tuple(
        IndexPart(piece, filed.get(piece, ()), tuple(wanted.get(piece, ())))
        for piece in places
        if piece in filed or piece in wanted
    )
