"""Say of one document what part of a chart it is; or of every document of its code from its sender."""

from __future__ import annotations

from django.db import connection, transaction

from charthouse.completion.assembly_models import DocumentPiece
from charthouse.completion.classification import pieces_of
from charthouse.completion.domain.pieces import DOCUMENT_TYPES, codings_of, pieces
from charthouse.completion.errors import ChangedMeanwhile, CompletionError
from charthouse.completion.permissions import CLASSIFY
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.ledger.api import Subject, append
from charthouse.record import api as record

from ._classifying import known, tell
from .keep_facts import set_behind
from .map_code import Mapped, map_code


def classify_document(
    ctx: AccessContext, type: str, id: str, piece: str, *, seen: str = "", always: bool = False
) -> Mapped:
    """Say what a document is. With ``always`` its code means that from now on, for this sender's documents.

    ``seen`` is what the screen showed (``Document.seen``), empty for none. Raises PermissionRefused;
    CompletionError where the document may not be seen, has no code for ``always``, or changed since it was shown.
    """
    require(ctx, CLASSIFY)
    if piece not in pieces():
        raise CompletionError("Choose one of the pieces of a chart.")
    with transaction.atomic():
        with connection.cursor() as cursor:
            stored = record.current(cursor, ctx, [(type, id)]).get((type, id)) if type in DOCUMENT_TYPES else None
            sources = record.sources_of_rows(cursor, type, [stored.row]) if stored else {}
        if stored is None:
            raise CompletionError("There is no such document, or it is not open to you.")
        if seen and seen != record.seen_of(stored):
            raise ChangedMeanwhile(
                "The document was changed since it was shown. Look at it again; nothing was said."
            )
        source = sources[stored.row]
        if always:
            return _always(ctx, stored, source, piece)
        place, key = (type, stored.row), f"{type}/{id}"
        before = pieces_of([(place, source, stored.resource)])[place]
        DocumentPiece.objects.update_or_create(
            type=record.TYPE_ID[type],
            resource=stored.row,
            defaults={"piece": piece, "said_at": now(), "said_by": ctx.actor, "name": ctx.name or ctx.actor},
        )
        known([key], f"It is: {pieces()[piece].title}.", ctx.actor)
        if before != piece:
            tell([key])
            set_behind([key])
        append(
            ctx,
            "completion.document-classified",
            subjects=[Subject("resource", key)],
            detail={"piece": piece, "before": before or ""},
        )
    return Mapped(1, int(before != piece))


def _always(ctx: AccessContext, stored: record.Stored, source: int, piece: str) -> Mapped:
    codings = codings_of(stored.resource)
    if not codings:
        raise CompletionError("This document has no code, so nothing can be said of its code. Say it for it alone.")
    with connection.cursor() as cursor:
        sender = record.source_rows(cursor, [source])[source].name
    system, code = codings[0]
    done = map_code(ctx, system, code, piece, sender=sender)
    known([f"{stored.type}/{stored.public_id}"], f"It is: {pieces()[piece].title}.", ctx.actor)
    return done
