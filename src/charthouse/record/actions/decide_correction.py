"""Confirm, refuse or withdraw a correction that a second person has to see."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ids import named_text
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.work.api import finish_by_dedupe
from charthouse.record.document_errors import DocumentError
from charthouse.record.domain import document_changes as changes
from charthouse.record.domain import documents
from charthouse.record.domain.documents import Kind
from charthouse.record.domain.reasons import reason_words
from charthouse.record.domain.types import TYPE_NAME
from charthouse.record.models import Correction, CorrectionDecision
from charthouse.record.permissions import ASK_TO_RETRACT, DECIDE_CORRECTION
from charthouse.record.queries import Stored, seen_of
from charthouse.record.queues import CORRECTIONS
from charthouse.record.signature_queries import additions

from ._corrections import Reason, keep_correction, keep_decision, tell_recipients
from ._documents import SYSTEM, Taken, Work, note_of, party, patient_id, take, tell


def confirm_correction(ctx: AccessContext, number: int, note: str = "") -> None:
    """Do what another asked for. Raises PermissionRefused, DocumentError, ChangedSince."""
    require(ctx, DECIDE_CORRECTION)
    with transaction.atomic(), connection.cursor() as cursor:
        kept, taken = _waiting(ctx, cursor, number)
        if kept.by == ctx.actor:
            raise DocumentError("You asked for this yourself; somebody else has to confirm it.")
        if taken.stored.version != kept.version:
            raise DocumentError(
                "The document was changed since this was asked for. Refuse it, look at the document, and ask again."
            )
        apply_correction(ctx, cursor, kept, taken, note_of(note))


def refuse_correction(ctx: AccessContext, number: int, note: str) -> None:
    """Leave the document as it is: who asked withdraws, others refuse. Raises PermissionRefused, DocumentError."""
    with transaction.atomic(), connection.cursor() as cursor:
        kept, taken = _waiting(ctx, cursor, number)
        own = kept.by == ctx.actor
        require(ctx, ASK_TO_RETRACT if own else DECIDE_CORRECTION)
        words = note_of(note)
        if not words:
            raise DocumentError("Say why the document stays as it is.")
        outcome = "withdrawn" if own else "refused"
        keep_decision(ctx, kept, outcome, note=words)
        _settled(ctx, kept, taken, outcome)


def _waiting(ctx: AccessContext, cursor: Any, number: int) -> tuple[Correction, Taken]:
    """A correction that waits, with its document taken; a second person who decides it at once waits here."""
    kept = Correction.objects.filter(pk=number).first()
    if kept is None:
        raise DocumentError("There is no such correction.")
    key = (TYPE_NAME[kept.type], kept.public_id)
    taken = take(cursor, ctx, _owner(cursor, kept), *key, "") if _is_open(kept) else None
    decided = CorrectionDecision.objects.filter(pk=number).first()
    if decided is not None or taken is None:
        who = f" by {decided.name}: {decided.outcome}" if decided else ""
        raise DocumentError(f"This was decided meanwhile{who}. Nothing was changed.")
    return kept, taken


def _owner(cursor: Any, kept: Correction) -> list[int]:
    """Whose the document is by now: it may have gone to another chart with one it was added to."""
    cursor.execute("SELECT patient FROM record_resource WHERE type = %s AND id = %s", [kept.type, kept.resource])
    return [patient for (patient,) in cursor.fetchall() if patient is not None]


def _is_open(kept: Correction) -> bool:
    return not CorrectionDecision.objects.filter(pk=kept.pk).exists()


def _settled(ctx: AccessContext, kept: Correction, taken: Taken, outcome: str) -> None:
    finish_by_dedupe(CORRECTIONS, str(kept.pk), outcome, finished_by=ctx.actor)
    tell(
        ctx,
        "record.decide-correction",
        "record.document-corrected" if outcome == "done" else "record.correction-refused",
        taken,
        subjects=[Subject("correction", str(kept.pk))],
        kind=kept.kind,
        outcome=outcome,
        correction=kept.pk,
    )


def apply_correction(ctx: AccessContext, cursor: Any, kept: Correction, taken: Taken, note: str = "") -> None:
    """Take a document, with what was added to it, out of a chart; in the caller's transaction."""
    kind = Kind(kept.kind)
    reason = Reason(kept.reason, kept.note, reason_words(kind, kept.reason, kept.note))
    companions = _companions(ctx, cursor, taken)
    _one(ctx, cursor, kept, taken, kind, reason, note)
    for each in companions:
        own = keep_correction(
            ctx, each, kind, Reason(kept.reason, kept.note), done=False, to_patient=kept.to_patient
        )
        _one(ctx, cursor, own, each, kind, reason, note)
        tell_recipients(ctx, each, own, kind)
    _settled(ctx, kept, taken, "done")
    tell_recipients(ctx, taken, kept, kind)


def _companions(ctx: AccessContext, cursor: Any, taken: Taken) -> list[Taken]:
    """Everything that stands added to a document, and to that, each taken.

    Raises DocumentError where the asker may not see one of them: it must not stay behind.
    """
    found: dict[str, Stored] = {}
    patient = taken.stored.patient
    assert patient is not None
    wanted = [taken.key]
    while wanted:
        layer = additions(cursor, SYSTEM, [patient], wanted)
        wanted = []
        for stored in (each for listed in layer.values() for each in listed):
            key = f"{stored.type}/{stored.public_id}"
            if key != taken.key and key not in found:
                found[key] = stored
                wanted.append(key)
    if any(not ctx.sees(each.labels) for each in found.values()):
        raise DocumentError(
            "Something was added to this document that is not open to you. Ask somebody who may see it."
        )
    return [take(cursor, ctx, [patient], each.type, each.public_id, seen_of(each)) for each in found.values()]


def _one(
    ctx: AccessContext, cursor: Any, kept: Correction, taken: Taken, kind: Kind, reason: Reason, note: str
) -> None:
    """Correct one document, and write down that it was done."""
    work = Work(ctx, cursor)
    agents = [("author", documents.Party(kept.by, kept.name))]
    if kept.by != ctx.actor:
        agents.append(("verifier", party(ctx)))
    made_id = ""
    if kind is Kind.RETRACTION:
        work.put(changes.retracted(taken.resource, reason.words), source=taken.source)
        work.prove(taken, [taken.key], kind, reason=reason.words, agents=agents)
    else:
        assert kept.to_patient is not None
        to = patient_id(cursor, kept.to_patient)
        made_id = named_text("left-behind", str(kept.pk))
        work.put(changes.of_patient(taken.resource, to, reason.words), source=taken.source)
        work.prove(taken, [taken.key], kind, reason=reason.words, agents=agents, patient=to)
        # What stays says nothing of the other patient, and its Provenance does not name the document.
        left = changes.left_behind(taken.resource, id=made_id, moved=work.at.isoformat())
        work.put(left, source=taken.source)
        work.prove(taken, [f"DocumentReference/{made_id}"], kind, agents=agents, told=False)
    made = work.done()[(taken.stored.type, taken.stored.public_id)].version
    keep_decision(ctx, kept, "done", note=note, made_version=made, made_id=made_id)
