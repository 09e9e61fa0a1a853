"""Sign a document: bind the exact bytes that were seen, and say so in the document itself.

The signature keeps the hash of the version that was on the screen. The document then gets a version that differs
from it in nothing but who attests it; :mod:`charthouse.record.verifying` proves both.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.record.document_errors import DocumentError
from charthouse.record.domain import document_changes as changes
from charthouse.record.domain import documents
from charthouse.record.domain.documents import Attestation, Meaning
from charthouse.record.domain.sealing import Bound, sha256
from charthouse.record.permissions import SIGN, VERIFY_TRANSCRIPTION
from charthouse.record.signature_queries import colleagues, signatures_of

from ._documents import (
    Patients,
    Taken,
    Work,
    file_hashes,
    note_of,
    party,
    require_confirmed,
    require_standing,
    take,
    tell,
)
from .note_signing import NewSignature, add_signatures

#: What a person may say by signing here.
MEANINGS = (Meaning.AUTHOR, Meaning.COSIGNER, Meaning.ATTESTATION, Meaning.VERIFIER)


def sign_document(
    ctx: AccessContext,
    patients: Patients,
    kind: str,
    id: str,
    *,
    seen: str,
    meaning: Meaning,
    confirmed: datetime | None,
    statement: str = "",
) -> int:
    """Sign the version that was ``seen``; returns the version that says so.

    ``confirmed`` is when the signer last proved who they are in this session (wall clock). Raises
    PermissionRefused, NotConfirmed, ChangedSince, DocumentError.
    """
    require(ctx, VERIFY_TRANSCRIPTION if meaning is Meaning.VERIFIER else SIGN)
    require_confirmed(confirmed)
    if not seen:
        raise DocumentError("Open the document and sign what you see.")
    with transaction.atomic(), connection.cursor() as cursor:
        taken = take(cursor, ctx, patients, kind, id, seen)
        return sign_taken(cursor, ctx, taken, meaning, note_of(statement))


def sign_taken(cursor: Any, ctx: AccessContext, taken: Taken, meaning: Meaning, statement: str) -> int:
    """Sign a document that is taken, in the caller's transaction; returns the version that says so."""
    _require_apt(cursor, ctx, taken, meaning, statement)
    work = Work(ctx, cursor)
    by = Attestation(meaning, party(ctx), work.at.isoformat())
    digest = sha256(taken.stored.content)
    work.put(changes.attested(taken.resource, by), source=taken.source)
    agent = "verifier" if meaning is Meaning.VERIFIER else "attester"
    work.prove(taken, [taken.key], meaning, reason=statement, agents=[(agent, by.party)], sha256=digest)
    version = work.done()[(taken.stored.type, taken.stored.public_id)].version
    bound = Bound(
        kind=taken.stored.type,
        public_id=taken.stored.public_id,
        version=taken.stored.version,
        as_version=version,
        meaning=meaning.value,
        signer=ctx.actor,
        name=by.party.name,
        role=",".join(sorted(ctx.roles)),
        signed_at=work.at,
        recorded_at=work.at,
        message=0,
        statement=statement,
        sha256=digest,
        files=file_hashes(cursor, taken),
    )
    add_signatures(cursor, [NewSignature(taken.stored.row, bound)])
    tell(
        ctx,
        "record.sign-document",
        "record.document-signed",
        taken,
        version=taken.stored.version,
        as_version=version,
        meaning=meaning.value,
        sha256=digest.hex(),
    )
    return version


def _require_apt(cursor: Any, ctx: AccessContext, taken: Taken, meaning: Meaning, statement: str) -> None:
    """Raise DocumentError where this signature would say something that is not so."""
    resource = taken.resource
    if meaning not in MEANINGS or taken.stored.type not in documents.SIGNED_TYPES:
        raise DocumentError("This is not signed here; it says of itself whether it is final.")
    require_standing(taken)
    final = documents.is_final(resource)
    elsewhere = documents.written_elsewhere(resource, colleagues(resource))
    if meaning is Meaning.AUTHOR:
        if final and _attested(cursor, taken):
            raise DocumentError("This document is signed already. Co-sign it, or add an addendum.")
        if not documents.wrote(resource, ctx.keys, ctx.name):
            name = documents.authors(resource)[0].name or "Somebody else"
            if elsewhere:
                raise DocumentError(f"{name} wrote this document and has no account here. Attest it in your words.")
            raise DocumentError(f"{name} wrote this document and signs it first; co-sign it afterwards.")
    elif meaning is Meaning.VERIFIER:
        if final:
            raise DocumentError("This document is signed already; its transcription needs no verification.")
        if any(each.stage is documents.Stage.VERIFIED for each in documents.stages(resource)):
            raise DocumentError("The transcription was verified already.")
    elif (
        meaning is Meaning.ATTESTATION and not final and documents.written_elsewhere(resource, colleagues(resource))
    ):
        if not statement:
            raise DocumentError("Say in your words what you attest: its author signs nothing here.")
    elif not final:
        raise DocumentError("Its author has not signed this document yet. It is co-signed or attested afterwards.")
    elif any(
        each.current and each.signer == ctx.actor and each.meaning is meaning
        for each in signatures_of(cursor, taken.stored.type, taken.stored.row, taken.stored.version)
    ):
        raise DocumentError("You signed this document so already.")


def _attested(cursor: Any, taken: Taken) -> bool:
    return any(
        each.current and each.meaning.makes_final
        for each in signatures_of(cursor, taken.stored.type, taken.stored.row, taken.stored.version)
    )
