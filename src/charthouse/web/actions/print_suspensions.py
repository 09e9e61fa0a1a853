"""The suspension list on paper, for use here."""

from __future__ import annotations

from collections.abc import Sequence

from charthouse.completion import api as completion
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.web.printing import local_day
from charthouse.web.printing_parts import Cell

from .printed import Draft, Printed, set_print, write_down


def print_suspensions(ctx: AccessContext, title: str, lines: Sequence[completion.SuspensionLine]) -> Printed:
    """A list of suspensions as a table. Raises PermissionRefused."""
    require(ctx, completion.SEE_LETTERS)
    columns = (("Practitioner", 4), ("State", 2), ("By what", 6), ("Proposed", 2), ("Suspended", 2))
    cells: list[tuple[Cell, ...]] = [
        (
            each.who,
            each.words,
            each.reached,
            local_day(each.proposed_at),
            local_day(each.suspended_at) if each.suspended_at else {"text": "–"},
        )
        for each in lines
    ]
    parts = (
        [{"kind": "listing", "columns": columns, "rows": [{"cells": each} for each in cells]}]
        if cells
        else [{"kind": "empty", "text": "Nobody is on the list."}]
    )
    about = f"{len(lines)} listed. A suspension ends by itself when nothing delinquent is left."
    draft = Draft("web/work_list", title, {"about": about, "parts": parts, "left_out": []})
    return write_down(
        ctx,
        "completion.print-suspensions",
        set_print(ctx, draft, None),
        subjects=[Subject("suspension", str(each.number)) for each in lines],
        detail={"rows": len(lines)},
    )
