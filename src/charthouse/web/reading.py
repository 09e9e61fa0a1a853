"""What a screen showed, noted in the ledger before the page is sent."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from uuid import UUID

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.ledger import api as ledger


def note_chart(ctx: AccessContext, person: UUID, part: str, *, resource: tuple[str, str] | None = None) -> None:
    """A part of one person's chart was shown; ``resource`` is the (type, id) of a single item."""
    subjects = [ledger.Subject("person", str(person))]
    if resource:
        subjects.append(ledger.Subject("resource", "/".join(resource)))
    ledger.append_read(ctx, "chart.read", subjects=subjects, detail={"part": part})


def note_words(ctx: AccessContext, text: str, where: str, count: int, persons: Iterable[UUID]) -> None:
    """Words were looked for in the charts of ``persons`` (``where`` is "chart"), or in all and shown of those
    (``where`` is "all"); the words themselves are kept only as a keyed hash. ``count`` is how many were found."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    ledger.append_read(
        ctx,
        "record.search",
        subjects=[ledger.Subject("person", str(person)) for person in dict.fromkeys(persons)],
        detail={
            "text": ledger.search_fingerprint(folded),
            "length": len(folded),
            "within": where,
            "found": count,
        },
    )


def note_search(ctx: AccessContext, text: str, persons: Iterable[UUID]) -> None:
    """A search for a patient was answered; the words themselves are kept only as a keyed hash."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    subjects = [ledger.Subject("person", str(person)) for person in persons]
    ledger.append_read(
        ctx,
        "patient.search",
        subjects=subjects,
        detail={"text": ledger.search_fingerprint(folded), "length": len(folded), "shown": len(subjects)},
    )
