"""Printing a list of the index quality board, for use here."""

from __future__ import annotations

from collections.abc import Sequence

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.identity.api import SEE_QUALITY, Listing
from charthouse.web.printing_parts import Cell

from .printed import Draft, Printed, set_print, write_down


def print_list(ctx: AccessContext, listing: Listing, rows: Sequence[Sequence[str]]) -> Printed:
    """A list as a table; ``rows`` are its cells as they are to be read. Raises PermissionRefused."""
    require(ctx, SEE_QUALITY)
    cells: list[tuple[Cell, ...]] = [tuple(row) for row in rows]
    columns = tuple((title, 4) for title in listing.columns)
    parts = (
        [{"kind": "listing", "columns": columns, "rows": [{"cells": each} for each in cells]}]
        if cells
        else [{"kind": "empty", "text": "Nothing is counted here."}]
    )
    left_out = [f"more than the first {len(cells)} are counted; the others are not listed."] if listing.more else []
    about = f"{listing.method} {len(cells)} listed."
    draft = Draft("web/work_list", listing.title, {"about": about, "parts": parts, "left_out": left_out})
    persons = sorted({str(row.person) for row in listing.rows if row.person})
    return write_down(
        ctx,
        "identity.print-list",
        set_print(ctx, draft, None),
        subjects=[Subject("person", each) for each in persons],
        detail={"list": listing.code, "rows": len(cells)},
    )
