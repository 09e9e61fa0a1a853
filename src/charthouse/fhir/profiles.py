"""The profiles and value sets that were loaded, ready to be checked against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db.models import Count, Max, Q

from charthouse.exchange.fhir.conformance.api import Library
from charthouse.foundation.access.api import AccessContext, require
from charthouse.record.api import decompress

from .models import Conformance
from .permissions import CHECK

PROFILE, VALUE_SET = "StructureDefinition", "ValueSet"
_kept: tuple[Any, Library] | None = None


def loaded() -> Library:
    """The library of what is loaded now; compiled anew when something was loaded or removed."""
    global _kept
    stamp = Conformance.objects.aggregate(
        many=Count("url"), newest=Max("loaded_at"), for_all=Count("url", filter=Q(for_all=True))
    )
    if _kept is None or _kept[0] != stamp:
        rows = list(Conformance.objects.all())
        _kept = (
            stamp,
            Library(
                [_read(row) for row in rows if row.kind == PROFILE],
                [_read(row) for row in rows if row.kind == VALUE_SET],
                [row.url for row in rows if row.for_all],
            ),
        )
    return _kept[1]


def _read(row: Conformance) -> Any:
    return orjson.loads(decompress(bytes(row.content)))


@dataclass(frozen=True, slots=True)
class LoadedRow:
    """A profile or value set that is loaded."""

    url: str
    kind: str
    version: str
    title: str
    type: str
    package: str
    for_all: bool
    loaded_at: datetime


def loaded_rows(ctx: AccessContext) -> list[LoadedRow]:
    """What is loaded, profiles first."""
    require(ctx, CHECK)
    return [
        LoadedRow(*values)
        for values in Conformance.objects.order_by("kind", "url").values_list(
            "url", "kind", "version", "title", "type", "package", "for_all", "loaded_at"
        )
    ]
