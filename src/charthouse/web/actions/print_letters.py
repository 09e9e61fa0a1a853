"""Letters to practitioners on paper: one, or a batch behind its list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from charthouse.completion import api as completion
from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.web.printing import fhir_date, local_day

from .printed import Draft, NothingToPrint, Printed, set_print, write_down

#: Letters of one print.
MOST = 200
_TEMPLATE = "completion/letter"


def print_letter(ctx: AccessContext, letter: UUID) -> Printed:
    """One letter as it was made. Raises NothingToPrint, PermissionRefused."""
    require(ctx, completion.SEE_LETTERS)
    found = completion.letter(ctx, letter)
    if found is None:
        raise NothingToPrint("There is no such letter.")
    draft = Draft(_TEMPLATE, found.title, {"cover": None, "letters": [_set(found)]}, file_title="Letter")
    return _printed(ctx, draft, [found], "completion.print-letter")


def print_batch(ctx: AccessContext, batch: UUID) -> Printed:
    """The letters of a batch, at most MOST, behind their list. Raises NothingToPrint, PermissionRefused."""
    require(ctx, completion.SEE_LETTERS)
    line = completion.letter_batch(ctx, batch)
    page = completion.letters(ctx, of_batch=batch, limit=MOST)
    if line is None or not page.lines:
        raise NothingToPrint("There is no such batch, or no letter in it yet.")
    found = completion.full_letters(ctx, [each.id for each in page.lines])
    columns = (("Practitioner", 5), ("Charts", 2), ("Delinquent", 2), ("Mail", 3))
    rows = [
        {"cells": (each.who, str(each.charts), str(each.delinquent), each.words.capitalize())}
        for each in page.lines
    ]
    cover = {
        "about": f"{line.letters} letters, asked for by {line.name} on {local_day(line.at)}.",
        "left_out": [f"the letters after the first {MOST}; print them one by one."] if page.more else [],
        "table": {"columns": columns, "rows": rows},
    }
    title = f"{line.kind.title}, period from {fhir_date(line.period.isoformat())}"
    draft = Draft(
        _TEMPLATE, title, {"cover": cover, "letters": [_set(each) for each in found]}, file_title="Letters"
    )
    return _printed(ctx, draft, found, "completion.print-letters")


def _printed(ctx: AccessContext, draft: Draft, letters: Sequence[completion.FullLetter], action: str) -> Printed:
    made = set_print(ctx, draft, None)
    with transaction.atomic():
        completion.note_printed(ctx, [each.line.id for each in letters])
        return write_down(
            ctx,
            action,
            made,
            subjects=[Subject("letter", str(each.line.id)) for each in letters],
            detail={"letters": len(letters)},
        )


def _set(letter: completion.FullLetter) -> dict[str, Any]:
    made = letter.line.made_at.astimezone(ZoneInfo(configuration().time_zone))
    widths = {"What is owed": 5}
    return {
        "to": letter.line.who,
        "date": fhir_date(made.date().isoformat()),
        "title": letter.title,
        "paragraphs": completion.paragraphs(letter.body),
        "table": {
            "columns": [(title, widths.get(title, 2)) for title in letter.columns],
            "rows": [{"cells": [cell.replace("\n", "; ") for cell in row.cells]} for row in letter.rows],
        },
    }
