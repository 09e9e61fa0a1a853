"""Which charts an asker may see: those whose encounter's labels allow it."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.people.api import facilities
from charthouse.record.api import TYPE_ID

#: The condition of a statement over charts ``c``; takes the number of encounters' type, and what may not be seen.
#: It is asked of each row in the order of an index, for a page is far less than all.
SEEN = "(SELECT s.labels & %s = 0 FROM record_resource s WHERE s.type = %s AND s.id = c.encounter)"


def seen_by(ctx: AccessContext) -> list[int]:
    """The values of :data:`SEEN` for an asker."""
    return [~int(ctx.clearance), TYPE_ID["Encounter"]]


def facilities_reached(ctx: AccessContext) -> list[int] | None:
    """The facilities whose charts the asker sees, beside those of none; None where that is every facility."""
    if not ctx.facilities or {each.id for each in facilities()} <= ctx.facilities:
        return None
    return sorted(ctx.facilities)


def visible(ctx: AccessContext, encounters: Iterable[int]) -> set[int]:
    """Those of these rows of encounters that the asker may see."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM record_resource WHERE type = %s AND id = ANY(%s) AND labels & %s = 0",
            [TYPE_ID["Encounter"], list(encounters), ~int(ctx.clearance)],
        )
        return {row for (row,) in cursor.fetchall()}
