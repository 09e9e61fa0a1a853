"""Lists taken along as CSV, for use here: the ledger says of whom."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject, append_read
from charthouse.foundation.work import api as work
from charthouse.identity.api import SEE_QUALITY, Listing
from charthouse.web.printing import local_time

#: Items of one file.
MOST = 2_000
_STATES = {
    work.ItemState.OPEN: "waits for anybody",
    work.ItemState.TAKEN: "taken",
    work.ItemState.HELD: "on hold",
    work.ItemState.FINISHED: "finished",
}


def note_list(ctx: AccessContext, listing: Listing, how: str = "screen") -> None:
    """Write down that a list of the quality board was shown, or taken along. Raises PermissionRefused."""
    require(ctx, SEE_QUALITY)
    persons = sorted({str(row.person) for row in listing.rows if row.person})
    append_read(
        ctx,
        "identity.list-read",
        subjects=[Subject("person", each) for each in persons],
        detail={"list": listing.code, "rows": len(listing.rows), "how": how},
    )


def export_work_list(ctx: AccessContext, queue: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """What waits in a queue, in the order in which it is offered: headings, and a row an item, at most MOST.

    Raises PermissionRefused, UnknownQueue.
    """
    declared = work.queue(queue)
    require(ctx, declared.permission)
    page = work.items(ctx, queue, limit=MOST)
    told = work.describe_all(ctx, queue, page.items)
    columns = [column.read(ctx, page.items) for column in declared.columns]
    zone = ZoneInfo(configuration().time_zone)
    append_read(
        ctx,
        "work.export",
        subjects=[Subject("person", each) for each in sorted({item.person for item in page.items if item.person})],
        detail={"queue": queue, "items": len(page.items)},
    )
    rows = [
        (
            str(item.id),
            told[item.id],
            *(column.get(item.id, "") for column in columns),
            item.reason,
            item.rule or "",
            local_time(item.due, zone) if item.due else "",
            _STATES[item.state],
        )
        for item in page.items
    ]
    titles = [column.title for column in declared.columns]
    return ("Item", declared.subject, *titles, "Reason", "Rule", "Due", "State"), rows
