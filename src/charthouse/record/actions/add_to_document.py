"""File an addendum or a late entry: a document of its own beside the first, which stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import now
from charthouse.foundation.ids import named_text
from charthouse.record.charting import documents as document_rows
from charthouse.record.charting.item import item_of
from charthouse.record.document_errors import DocumentError
from charthouse.record.domain import document_changes as changes
from charthouse.record.domain.documents import Kind, Meaning, Party, Stage, StageEntry
from charthouse.record.permissions import ADD_TO_DOCUMENT, SIGN
from charthouse.record.queries import current

from ._corrections import Reason, keep_correction, reason_of, tell_recipients
from ._documents import Patients, Work, party, prose, require_confirmed, require_standing, take, tell
from .sign_document import sign_taken


@dataclass(frozen=True, slots=True)
class Addition:
    """What is added. ``once`` is the form's own number: the same form sent twice adds once. ``dictated_by`` is
    whose words they are where another wrote them down. ``speaks_of`` is the moment it tells about, needed of a late
    entry."""

    text: str
    reason: Reason
    once: str
    dictated_by: Party | None = None
    speaks_of: datetime | None = None


def file_addendum(
    ctx: AccessContext,
    patients: Patients,
    kind: str,
    id: str,
    given: Addition,
    *,
    seen: str,
    sign: bool = False,
    confirmed: datetime | None = None,
) -> str:
    """Add new information to a document; returns the addendum's id. See :func:`file_late_entry`."""
    return _add(ctx, patients, kind, id, Kind.ADDENDUM, given, seen, sign, confirmed)


def file_late_entry(
    ctx: AccessContext,
    patients: Patients,
    kind: str,
    id: str,
    given: Addition,
    *,
    seen: str,
    sign: bool = False,
    confirmed: datetime | None = None,
) -> str:
    """Add what was missed at the time: it bears the present moment and names the one it speaks of; returns its id.

    With ``sign`` the author signs it at once. Raises PermissionRefused, NotConfirmed, ChangedSince, DocumentError.
    """
    if given.speaks_of is None:
        raise DocumentError("Say which moment the late entry speaks of.")
    if given.speaks_of > now():
        raise DocumentError("A late entry speaks of the past; this moment has not come yet.")
    return _add(ctx, patients, kind, id, Kind.LATE_ENTRY, given, seen, sign, confirmed)


def _add(
    ctx: AccessContext,
    patients: Patients,
    kind: str,
    id: str,
    what: Kind,
    given: Addition,
    seen: str,
    sign: bool,
    confirmed: datetime | None,
) -> str:
    require(ctx, ADD_TO_DOCUMENT)
    if sign:
        require(ctx, SIGN)
        require_confirmed(confirmed)
        if given.dictated_by is not None and given.dictated_by.key != ctx.actor:
            raise DocumentError("Who dictated it signs it; it cannot be signed for somebody else.")
    text = prose(given.text, f"There is no text. Write the {what.words.lower()}.")
    reason = reason_of(what, given.reason)
    made = named_text("addition", given.once, kind, id)
    with transaction.atomic(), connection.cursor() as cursor:
        taken = take(cursor, ctx, patients, kind, id, "")
        if current(cursor, ctx, [("DocumentReference", made)]):
            return made
        taken = take(cursor, ctx, patients, kind, id, seen)
        require_standing(taken)
        work = Work(ctx, cursor)
        added = changes.addition(
            taken.resource,
            what,
            id=made,
            text=text,
            title=document_rows.entry(item_of(taken.stored)).title,
            reason=reason.words,
            author=given.dictated_by or party(ctx),
            written=work.at.isoformat(),
            speaks_of=(given.speaks_of or now()).isoformat(),
        )
        if given.dictated_by is not None and given.dictated_by.key != ctx.actor:
            added = changes.staged(added, StageEntry(Stage.DICTATED, given.dictated_by))
            added = changes.staged(added, StageEntry(Stage.TRANSCRIBED, party(ctx), work.at.isoformat()))
        work.put(added, source=taken.source)
        work.prove(taken, [f"DocumentReference/{made}"], what, reason=reason.words)
        work.done()
        kept = keep_correction(ctx, taken, what, reason, done=True, made_id=made)
        if sign:
            patient = taken.stored.patient
            assert patient is not None
            sign_taken(cursor, ctx, take(cursor, ctx, [patient], "DocumentReference", made, ""), Meaning.AUTHOR, "")
        tell(ctx, f"record.file-{what.value}", "record.document-corrected", taken, kind=what.value, made=made)
        tell_recipients(ctx, taken, kept, what)
    return made
