"""Printing a list of incomplete charts, for use here."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from charthouse.completion.api import READ_CHARTS
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.web.printing_parts import Cell

from .printed import Draft, Printed, set_print, write_down


def print_incomplete(
    ctx: AccessContext,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    persons: Sequence[UUID],
    *,
    more: bool,
) -> Printed:
    """The list as a table; ``more`` where it goes on behind these rows. Raises PermissionRefused."""
    require(ctx, READ_CHARTS)
    cells: list[tuple[Cell, ...]] = [tuple(row) for row in rows]
    headings = tuple((title, 4) for title in columns)
    parts = (
        [{"kind": "listing", "columns": headings, "rows": [{"cells": each} for each in cells]}]
        if cells
        else [{"kind": "empty", "text": "No chart is in this list."}]
    )
    left_out = [f"more than the first {len(cells)} are in the list; the others are not printed."] if more else []
    about = f"{len(cells)} charts, those that become delinquent first at the top."
    draft = Draft("web/work_list", "Incomplete charts", {"about": about, "parts": parts, "left_out": left_out})
    return write_down(
        ctx,
        "completion.print-charts",
        set_print(ctx, draft, None),
        subjects=[Subject("person", str(each)) for each in sorted(set(persons))],
        detail={"rows": len(cells)},
    )
