"""Amend a signed document: who signed it changes its text and signs anew; the text before stays readable."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.record.document_errors import DocumentError
from charthouse.record.domain import document_changes as changes
from charthouse.record.domain import documents
from charthouse.record.domain.documents import Kind, Meaning
from charthouse.record.permissions import AMEND, SIGN
from charthouse.record.signature_queries import signatures_of

from ._corrections import Reason, keep_correction, reason_of, tell_recipients
from ._documents import Patients, Work, prose, require_confirmed, require_standing, take, tell
from .sign_document import sign_taken


def amend_document(
    ctx: AccessContext,
    patients: Patients,
    kind: str,
    id: str,
    text: str,
    reason: Reason,
    *,
    seen: str,
    confirmed: datetime | None,
) -> int:
    """Change the text of a signed document and sign it anew; returns its version.

    Raises PermissionRefused, NotConfirmed, ChangedSince, DocumentError.
    """
    require(ctx, AMEND)
    require(ctx, SIGN)
    require_confirmed(confirmed)
    wanted = prose(text, "There is no text. Write the document as it should read.")
    why = reason_of(Kind.AMENDMENT, reason)
    with transaction.atomic(), connection.cursor() as cursor:
        taken = take(cursor, ctx, patients, kind, id, seen)
        require_standing(taken)
        before = documents.own_text(taken.resource)
        if before is None:
            raise DocumentError("Only a document that is one plain text is amended; add an addendum to this one.")
        if not documents.is_final(taken.resource):
            raise DocumentError("This document is not signed yet; change it, or sign it first.")
        signed = signatures_of(cursor, kind, taken.stored.row, taken.stored.version)
        if not any(each.signer == ctx.actor and each.current and each.meaning is Meaning.AUTHOR for each in signed):
            raise DocumentError("Only who signed this document amends it. Add an addendum.")
        if before == wanted:
            raise DocumentError("Nothing was changed in the text; nothing was filed.")
        work = Work(ctx, cursor)
        work.put(changes.amended(taken.resource, wanted, why.words), source=taken.source)
        work.prove(taken, [taken.key], Kind.AMENDMENT, reason=why.words)
        made = work.done()[(kind, id)].version
        kept = keep_correction(ctx, taken, Kind.AMENDMENT, why, done=True, made_version=made)
        tell(ctx, "record.amend-document", "record.document-corrected", taken, kind="amendment", version=made)
        tell_recipients(ctx, taken, kept, Kind.AMENDMENT)
        return sign_taken(cursor, ctx, take(cursor, ctx, patients, kind, id, ""), Meaning.AUTHOR, "")
