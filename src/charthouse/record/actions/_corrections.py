"""What corrections share: their reasons, their rows, the work they leave, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import now, wall
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.rulepacks.api import choices, parameter
from charthouse.foundation.work.api import open_item
from charthouse.record.carriers import copies_of
from charthouse.record.document_errors import DocumentError
from charthouse.record.domain.documents import Kind
from charthouse.record.domain.reasons import OTHER, reason_words, reasons
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.models import Correction, CorrectionDecision
from charthouse.record.queues import CORRECTIONS, RECIPIENTS

from ._documents import SYSTEM, Taken, note_of

SECOND_PERSON = "record.second-person"
TELL_RECIPIENTS = "record.tell-recipients"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a document is corrected: a code of those offered for the kind, and words of one's own."""

    code: str
    note: str = ""
    words: str = ""


def reason_of(kind: Kind, given: Reason) -> Reason:
    """The reason as it is kept. Raises DocumentError where there is none, or "other" says nothing."""
    note = note_of(given.note)
    if given.code not in reasons(kind):
        raise DocumentError("Choose a reason: it is kept with the correction.")
    if given.code == OTHER and not note:
        raise DocumentError("Say in words what the other reason is.")
    return Reason(given.code, note, reason_words(kind, given.code, note))


def needs_second_person(kind: Kind) -> bool:
    """Whether a second person confirms corrections of this kind, by the rule in force."""
    return kind.value in choices(SECOND_PERSON, "kinds")


def keep_correction(
    ctx: AccessContext,
    taken: Taken,
    kind: Kind,
    reason: Reason,
    *,
    done: bool,
    to_patient: int | None = None,
    to_encounter: str = "",
    made_version: int | None = None,
    made_id: str = "",
) -> Correction:
    """Write down a correction; with ``done`` also that it was done, for it needs no second person."""
    assert taken.stored.patient is not None
    kept = Correction.objects.create(
        resource=taken.stored.row,
        type=TYPE_ID[taken.stored.type],
        public_id=taken.stored.public_id,
        version=taken.stored.version,
        patient=taken.stored.patient,
        kind=kind.value,
        reason=reason.code,
        note=reason.note,
        to_patient=to_patient,
        to_encounter=to_encounter,
        by=ctx.actor,
        name=ctx.name or ctx.actor,
        at=wall(),
    )
    if done:
        keep_decision(ctx, kept, "done", made_version=made_version, made_id=made_id)
    return kept


def keep_decision(
    ctx: AccessContext,
    kept: Correction,
    outcome: str,
    *,
    note: str = "",
    made_version: int | None = None,
    made_id: str = "",
) -> None:
    """Write down what became of a correction; the database takes only one decision."""
    CorrectionDecision.objects.create(
        correction=kept,
        outcome=outcome,
        note=note,
        made_version=made_version,
        made_id=made_id,
        by=ctx.actor,
        name=ctx.name or ctx.actor,
        at=wall(),
    )


def ask_second_person(ctx: AccessContext, taken: Taken, kept: Correction, kind: Kind) -> None:
    """Open the work of confirming a correction."""
    open_item(
        CORRECTIONS,
        subject=Subject("correction", str(kept.pk)),
        reason=f"{kind.words}: somebody else has to confirm it.",
        rule=SECOND_PERSON,
        due=now() + timedelta(days=int(parameter(SECOND_PERSON, "days"))),
        dedupe=str(kept.pk),
        patient=taken.patient,
        opened_by=ctx.actor,
    )


def tell_recipients(ctx: AccessContext, taken: Taken, kept: Correction, kind: Kind) -> int:
    """Open the work of telling those who have an earlier copy; returns how many disclosures there were."""
    if kind.value not in choices(TELL_RECIPIENTS, "kinds"):
        return 0
    found = copies_of(SYSTEM, taken.stored.type, taken.stored.public_id, [taken.patient], wall())
    if found:
        open_item(
            RECIPIENTS,
            subject=Subject("correction", str(kept.pk)),
            reason="Copies of the document went out before it was corrected.",
            rule=TELL_RECIPIENTS,
            due=now() + timedelta(days=int(parameter(TELL_RECIPIENTS, "days"))),
            dedupe=str(kept.pk),
            patient=taken.patient,
            opened_by=ctx.actor,
        )
    return len(found)
