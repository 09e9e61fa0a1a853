"""Move a document to the encounter it belongs to, in the same chart."""

from __future__ import annotations

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.record.document_errors import DocumentError
from charthouse.record.domain import document_changes as changes
from charthouse.record.domain import documents
from charthouse.record.domain.documents import Kind
from charthouse.record.permissions import MOVE_TO_ENCOUNTER
from charthouse.record.queries import current

from ._corrections import Reason, keep_correction, reason_of, tell_recipients
from ._documents import Patients, Work, require_standing, take, tell


def move_to_encounter(
    ctx: AccessContext, patients: Patients, kind: str, id: str, encounter: str, reason: Reason, *, seen: str
) -> int:
    """Put a document under another encounter (public id) of the chart; returns the version that says so.

    Raises PermissionRefused, ChangedSince, DocumentError.
    """
    require(ctx, MOVE_TO_ENCOUNTER)
    why = reason_of(Kind.WRONG_ENCOUNTER, reason)
    with transaction.atomic(), connection.cursor() as cursor:
        taken = take(cursor, ctx, patients, kind, id, seen)
        require_standing(taken)
        found = (
            current(cursor, ctx, [("Encounter", encounter)]).get(("Encounter", encounter)) if encounter else None
        )
        if found is None or found.patient not in patients:
            raise DocumentError("Choose one of the encounters of this chart.")
        if documents.encounter_of(taken.resource) == encounter:
            raise DocumentError("The document belongs to this encounter already; nothing was changed.")
        work = Work(ctx, cursor)
        work.put(changes.in_encounter(taken.resource, encounter, why.words), source=taken.source)
        work.prove(taken, [taken.key], Kind.WRONG_ENCOUNTER, reason=why.words)
        made = work.done()[(kind, id)].version
        kept = keep_correction(
            ctx, taken, Kind.WRONG_ENCOUNTER, why, done=True, to_encounter=encounter, made_version=made
        )
        tell(
            ctx,
            "record.move-to-encounter",
            "record.document-corrected",
            taken,
            kind="wrong-encounter",
            version=made,
        )
        tell_recipients(ctx, taken, kept, Kind.WRONG_ENCOUNTER)
    return made
