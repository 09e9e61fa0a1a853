"""Change the text of a document that nobody signed yet; every text it had stays among its versions."""

from __future__ import annotations

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.record.document_errors import DocumentError
from charthouse.record.domain import document_changes as changes
from charthouse.record.domain import documents
from charthouse.record.permissions import REVISE

from ._documents import Patients, Work, party, prose, require_standing, take, tell


def revise_document(ctx: AccessContext, patients: Patients, kind: str, id: str, text: str, *, seen: str) -> int:
    """Give an unsigned document another text; returns its version.

    Its author does so, and who transcribed it. Raises PermissionRefused, ChangedSince, DocumentError.
    """
    require(ctx, REVISE)
    wanted = prose(text, "There is no text. Write the note.")
    with transaction.atomic(), connection.cursor() as cursor:
        taken = take(cursor, ctx, patients, kind, id, seen)
        require_standing(taken)
        before = documents.own_text(taken.resource)
        if before is None or not documents.is_unsigned(taken.resource):
            raise DocumentError("Only an unsigned document that is one plain text is changed; add an addendum.")
        if ctx.actor not in documents.makers(taken.resource):
            raise DocumentError("Its author, or who transcribed it, changes this document.")
        if before == wanted:
            raise DocumentError("Nothing was changed in the text; nothing was filed.")
        work = Work(ctx, cursor)
        work.put(changes.rewritten(taken.resource, wanted), source=taken.source)
        work.prove(taken, [taken.key], None, agents=[("author", party(ctx))])
        made = work.done()[(kind, id)].version
        tell(ctx, "record.revise-document", "record.document-revised", taken, version=made)
    return made
