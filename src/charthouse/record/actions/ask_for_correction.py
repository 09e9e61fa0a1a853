"""Ask for a document to be taken back, or to be taken into another patient's chart."""

from __future__ import annotations

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.record.document_errors import DocumentError
from charthouse.record.domain import documents
from charthouse.record.domain.documents import Kind
from charthouse.record.permissions import ASK_TO_RETRACT
from charthouse.record.queries import current
from charthouse.record.signature_queries import corrections_of

from ._corrections import Reason, ask_second_person, keep_correction, needs_second_person, reason_of
from ._documents import Patients, Taken, patient_id, require_standing, take, tell
from .decide_correction import apply_correction


def ask_to_retract(ctx: AccessContext, patients: Patients, kind: str, id: str, reason: Reason, *, seen: str) -> int:
    """Ask for a document to be taken back; returns the correction's number.

    It is done when somebody else confirms it, or at once where the rule asks for no second person. Raises
    PermissionRefused, ChangedSince, DocumentError.
    """
    return _ask(ctx, patients, kind, id, Kind.RETRACTION, reason, seen, None)


def ask_to_move(
    ctx: AccessContext, patients: Patients, kind: str, id: str, reason: Reason, *, seen: str, to_patient: int
) -> int:
    """Ask for a document to be taken into the chart of another patient (by row); see :func:`ask_to_retract`."""
    return _ask(ctx, patients, kind, id, Kind.WRONG_PATIENT, reason, seen, to_patient)


def _ask(
    ctx: AccessContext,
    patients: Patients,
    kind: str,
    id: str,
    what: Kind,
    reason: Reason,
    seen: str,
    to_patient: int | None,
) -> int:
    require(ctx, ASK_TO_RETRACT)
    why = reason_of(what, reason)
    with transaction.atomic(), connection.cursor() as cursor:
        taken = take(cursor, ctx, patients, kind, id, seen)
        require_standing(taken)
        if any(each.waits for each in corrections_of(cursor, kind, taken.stored.row)):
            raise DocumentError("A correction of this document was asked for already and waits to be confirmed.")
        if to_patient is not None:
            _require_movable(ctx, cursor, taken, patients, to_patient)
        second = needs_second_person(what)
        kept = keep_correction(ctx, taken, what, why, done=False, to_patient=to_patient)
        tell(
            ctx,
            "record.ask-for-correction",
            "record.correction-asked-for",
            taken,
            kind=what.value,
            correction=kept.pk,
        )
        if second:
            ask_second_person(ctx, taken, kept, what)
        else:
            apply_correction(ctx, cursor, kept, taken)
    return int(kept.pk)


def _require_movable(ctx: AccessContext, cursor: object, taken: Taken, patients: Patients, to_patient: int) -> None:
    if taken.stored.type not in documents.MOVED_TYPES:
        raise DocumentError(
            "A report goes with its results. Ask its sender to send it for the right patient, and retract this one."
        )
    if to_patient in patients:
        raise DocumentError("That is this same person. Choose whose document it is.")
    key = ("Patient", patient_id(cursor, to_patient))
    if key not in current(cursor, ctx, [key]):
        raise DocumentError("There is no such patient, or the chart is not open to you.")
