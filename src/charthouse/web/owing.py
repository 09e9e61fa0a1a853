"""What one owes, as the screens that settle it need it."""

from __future__ import annotations

from functools import cache

from django.http import Http404

from charthouse.completion import api as completion
from charthouse.completion.api import DeficiencyLine, Owed
from charthouse.foundation.access.api import AccessContext, may
from charthouse.frontdesk import api as frontdesk
from charthouse.web.numbers import whole

__all__ = ["asked_own", "note_for", "note_kind", "own", "own_or_none"]


def own(ctx: AccessContext, number: int) -> tuple[Owed, DeficiencyLine]:
    """One of what the asker owes. Raises Http404."""
    if found := own_or_none(ctx, number):
        return found
    raise Http404("You owe nothing of the kind; it was done, or is asked of somebody else now.")


def own_or_none(ctx: AccessContext, number: int) -> tuple[Owed, DeficiencyLine] | None:
    """The same, None where it is not the asker's any more."""
    if not may(ctx, completion.OWE):
        return None
    for each in completion.owed(ctx):
        for one in each.deficiencies:
            if one.id == number:
                return each, one
    return None


def asked_own(ctx: AccessContext, text: str) -> tuple[Owed, DeficiencyLine] | None:
    """The same of a number as it was sent; None for what is no such number."""
    number = whole(text)
    return own_or_none(ctx, number) if number is not None else None


def note_kind(deficiency: DeficiencyLine) -> str:
    """The kind of note that would be what is lacking; empty where no note is."""
    return _notes().get(deficiency.piece, "")


@cache
def _notes() -> dict[str, str]:
    """The first kind of note that is each piece of a chart."""
    found: dict[str, str] = {}
    for code, title in frontdesk.document_types("note").items():
        note = {"resourceType": "DocumentReference", "type": frontdesk.type_of(code, title)}
        if piece := completion.piece_of(completion.codings_of(note)):
            found.setdefault(piece, code)
    return found


def note_for(owed: Owed, deficiency: DeficiencyLine) -> dict[str, str]:
    """The fields of a note that is to be what is lacking: of that kind, in that encounter, signed at once."""
    return {
        "owed": str(deficiency.id),
        "type": note_kind(deficiency),
        "encounter": owed.chart.encounter,
        "sign": "yes",
    }
