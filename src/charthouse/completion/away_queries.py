"""Reads of who is away or gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from charthouse.foundation.access.api import AccessContext, require

from .models import PractitionerAway
from .naming import named
from .permissions import READ_CHARTS


@dataclass(frozen=True, slots=True)
class Away:
    """An absence: ``stand_in`` is the name of who stands in, empty for nobody; ``ended`` when it is over."""

    id: int
    gone: bool
    since: datetime
    until: datetime | None
    stand_in: str
    reason: str
    by: str
    at: datetime
    ended: datetime | None


def away(ctx: AccessContext, keys: Sequence[str]) -> tuple[Away, ...]:
    """The absences of one practitioner, by every name of theirs, the newest first. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    rows = list(PractitionerAway.objects.filter(practitioner__in=list(keys)).order_by("-id"))
    known = named(row.stand_in for row in rows)
    return tuple(
        Away(
            row.pk,
            row.gone,
            row.since,
            row.until,
            known[row.stand_in].shown if row.stand_in in known else "",
            row.reason,
            row.name,
            row.at,
            row.ended_at,
        )
        for row in rows
    )
