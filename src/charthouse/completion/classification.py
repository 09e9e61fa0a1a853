"""What part of a chart each document is: by a person's word, by the site's maps, else by its codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.prepared import planned_anew
from charthouse.record.api import TYPE_ID, source_rows

from .assembly_models import PieceMapping
from .domain.pieces import Coding, classified, title_of
from .permissions import CLASSIFY

#: A document in the record: its type and row.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class SiteMaps:
    """The codes a site maps, by sender; 0 stands for every sender."""

    by_source: Mapping[int, Mapping[Coding, str]]
    _joined: dict[int, Mapping[Coding, str]] = field(default_factory=dict, compare=False, repr=False)

    def of(self, source: int) -> Mapping[Coding, str]:
        """What holds for a sender's documents: its own mappings before those of all senders."""
        if source not in self._joined:
            self._joined[source] = {**self.by_source.get(0, {}), **self.by_source.get(source, {})}
        return self._joined[source]


def site_maps() -> SiteMaps:
    """The mappings in force."""
    found: dict[int, dict[Coding, str]] = {}
    rows = PieceMapping.objects.filter(ended_at=None).values_list("source", "system", "code", "piece")
    for source, system, code, piece in rows:
        found.setdefault(source, {})[system, code] = piece
    return SiteMaps(found)


def said(places: Iterable[Place]) -> dict[Place, str]:
    """What persons said that documents are, of those of whom somebody said it."""
    by_type: dict[str, list[int]] = {}
    for kind, row in places:
        by_type.setdefault(kind, []).append(row)
    found: dict[Place, str] = {}
    for kind, rows in by_type.items():
        told = planned_anew(
            "SELECT resource, piece FROM completion_document_piece WHERE type = %s AND resource = ANY(%s)",
            [TYPE_ID[kind], rows],
        )
        found |= {(kind, row): piece for row, piece in told}
    return found


def pieces_of(
    documents: Sequence[tuple[Place, int, Mapping[str, Any]]], maps: SiteMaps | None = None
) -> dict[Place, str | None]:
    """The pieces of documents, given as (place, number of the sender, resource)."""
    maps = maps or site_maps()
    by_person = said(place for place, _, _ in documents)
    return {
        place: by_person.get(place) or classified(resource, maps.of(source))
        for place, source, resource in documents
    }


@dataclass(frozen=True, slots=True)
class MappingLine:
    """A mapping as a person reads it. ``sender`` is empty for all senders; ``changed`` counts the documents it
    moved when it was made."""

    id: int
    sender: str
    system: str
    code: str
    piece: str
    title: str
    made_at: datetime
    name: str
    changed: int
    ended_at: datetime | None


def mappings(ctx: AccessContext, *, ended: bool = False) -> list[MappingLine]:
    """The site's mappings in force, or those that were, newest first. Raises PermissionRefused."""
    require(ctx, CLASSIFY)
    rows = list(PieceMapping.objects.filter(ended_at__isnull=not ended).order_by("-made_at", "-id")[:500])
    with connection.cursor() as cursor:
        names = source_rows(cursor, {row.source for row in rows})
    return [
        MappingLine(
            row.pk,
            names[row.source].name if row.source in names else "",
            row.system,
            row.code,
            row.piece,
            title_of(row.piece),
            row.made_at,
            row.name,
            row.changed,
            row.ended_at,
        )
        for row in rows
    ]
