"""Keep what filing learns of signatures, in its transaction: who attests which version, and what nobody did yet.

Messages and hands write the same rows, so that there is one answer to "is it signed, and by whom".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from charthouse.foundation.database.secrets import key_file
from charthouse.record.charting.elements import instant
from charthouse.record.domain.filing import Filed, Filing, Outcome
from charthouse.record.domain.sealing import Bound
from charthouse.record.domain.types import TYPE_ID

#: The key directory's file whose key seals signatures.
KEY_NAME = "record-signature-key"

_COLUMNS = (
    "resource, type, version, as_version, meaning, signer, name, role, signed_at, recorded_at, message, statement, "
    "sha256, files, seal"
)
_ADD = (
    f"INSERT INTO record_signature ({_COLUMNS}) "  # noqa: S608 (fixed words)
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::bytea[], %s) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class NewSignature:
    """A signature to keep, with the row of the resource it is of."""

    row: int
    bound: Bound


@lru_cache(maxsize=1)
def signature_key() -> bytes:
    """The key that seals signatures. Made when there is none yet."""
    return key_file(KEY_NAME)


def add_signatures(cursor: Any, signatures: Iterable[NewSignature]) -> int:
    """Keep signatures, each sealed; how many were new. The same of a version, signer and meaning is there once."""
    rows = [
        [
            each.row, TYPE_ID[bound.kind], bound.version, bound.as_version, bound.meaning, bound.signer, bound.name,
            bound.role, bound.signed_at, bound.recorded_at, bound.message, bound.statement, bound.sha256,
            list(bound.files), bound.seal(signature_key()),
        ]
        for each in signatures
        for bound in [each.bound]
    ]  # fmt: skip
    if not rows:
        return 0
    cursor.executemany(_ADD, rows)
    return int(cursor.rowcount)


def note_signing(cursor: Any, told: Sequence[tuple[Filing, Filed]], filed_at: datetime) -> None:
    """Bring signatures and the list of unsigned documents up to date with what was filed, all of it changed."""
    if not told:
        return
    latest = {(filing.type_id, done.row): (filing, done) for filing, done in told}
    changed = [key for key, (_, done) in latest.items() if done.outcome is Outcome.UPDATED]
    if changed:
        cursor.execute(
            "DELETE FROM record_unsigned WHERE (type, resource) IN "
            "(SELECT * FROM unnest(%s::smallint[], %s::bigint[]))",
            [[kind for kind, _ in changed], [row for _, row in changed]],
        )
    open_ones = [
        [kind, row, list(filing.signing.authors), filed_at]
        for (kind, row), (filing, done) in latest.items()
        if filing.signing is not None and filing.signing.unsigned and filing.state == 0 and done.patient is not None
    ]
    if open_ones:
        cursor.executemany(
            "INSERT INTO record_unsigned (type, resource, authors, since) VALUES (%s, %s, %s::text[], %s) "
            "ON CONFLICT (type, resource) DO UPDATE SET authors = excluded.authors",
            open_ones,
        )
    add_signatures(
        cursor,
        [each for filing, done in told if filing.message for each in signatures_told(filing, done, filed_at)],
    )


def signatures_told(filing: Filing, done: Filed, filed_at: datetime) -> Iterable[NewSignature]:
    """The signatures that a filed document says it has."""
    if filing.signing is None:
        return
    files = [hashlib.sha256(part.data).digest() for part in filing.attachments]
    for each in filing.signing.attestations:
        yield NewSignature(
            done.row,
            Bound(
                kind=filing.type,
                public_id=filing.public_id,
                version=done.version,
                as_version=done.version,
                meaning=each.meaning.value,
                signer=each.party.key,
                name=each.party.name,
                role="",
                signed_at=instant(each.at) if each.at else None,
                recorded_at=filed_at,
                message=filing.message,
                statement="",
                sha256=filing.signing.sha256,
                files=files,
            ),
        )
