"""The certificate of a destruction: what was destroyed, by whom, under which rule, and the hash of each thing."""

from __future__ import annotations

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.rulepacks.api import rule
from charthouse.record import api as record
from charthouse.web.printing_parts import Cell

from .printed import Draft, NothingToPrint, Printed, set_print, write_down

MOST = 2_000


def print_certificate(ctx: AccessContext, number: int) -> Printed:
    """A destruction as a certificate, with its tombstones up to MOST. Raises NothingToPrint, PermissionRefused."""
    require(ctx, record.READ_RETENTION)
    found = record.destruction(ctx, number)
    if found is None or not found.done or found.decided_at is None:
        raise NothingToPrint("There is no such destruction, or it was not done.")
    stones, count = record.stones(ctx, number, MOST)
    why = rule(found.rule)
    pairs = [
        ("Destroyed", f"{found.decided_at:%Y-%m-%d %H:%M} UTC"),
        ("Rule", f"{why.citation}: {why.title}"),
        ("Kept until", f"{found.due:%Y-%m-%d}"),
        ("Destroyed were", "documents of a chart" if found.documents else "a chart"),
        ("Items", f"{found.items} in {found.versions} versions; {count} tombstones"),
        ("Asked for by", f"{found.name}, {found.at:%Y-%m-%d}: {found.reason}"),
        ("Confirmed by", found.decider),
        ("Method", record.METHOD_OF_DESTRUCTION),
    ]
    cells: list[tuple[Cell, ...]] = [(each.what, each.sha256, str(each.size)) for each in stones]
    columns = (("What", 6), ("SHA-256 of its bytes", 7), ("Bytes", 2))
    parts = [
        {"kind": "facts", "columns": 1, "pairs": pairs},
        {"kind": "listing", "columns": columns, "rows": [{"cells": each} for each in cells]},
    ]
    left_out = [f"the tombstones after the first {MOST}."] if count > len(stones) else []
    draft = Draft(
        "web/work_list",
        f"Certificate of destruction {number}",
        {
            "about": "What is named here was destroyed and cannot be read again.",
            "parts": parts,
            "left_out": left_out,
        },
    )
    return write_down(
        ctx,
        "record.print-certificate",
        set_print(ctx, draft, None),
        subjects=[Subject("destruction", str(number))],
        detail={"tombstones": count},
    )
