"""Entries as bytes: what is hashed, streamed from the database in constant memory.

The canonical form of an entry is its row in PostgreSQL's binary COPY format, encoding UTF-8, columns in the order
of :data:`COLUMNS`: the number of fields (int16), then for each field its length in bytes (int32; -1 for null) and
its bytes. Numbers are big-endian; ``at`` is microseconds since 2000-01-01 UTC (int64); text is UTF-8; an array is
its number of dimensions, null flag and element type (int32 each; type 25), then for one dimension its length and
lower bound (int32 each) and each element as length and bytes; ``detail`` is the JSON text as written. Every field
carries its length, so no two entries have the same bytes. The digest is SHA-256 of these bytes.

The form is computed here from what the server sends, and the hash in this process: nothing of the server's own
functions is trusted.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.backends.utils import CursorWrapper

COLUMNS = "lane, seq, at, actor, actor_name, roles, purpose, action, outcome, session, remote, subjects, detail"
LANES = 32
DIGEST_SIZE = 32

_ACTION_FIELD = 7
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER = len(_SIGNATURE) + 8
_NAME = struct.Struct(">hihiqiq")
_LENGTH = struct.Struct(">i")


class HashedRow(NamedTuple):
    """One row met in the database. ``micros`` is ``at`` in microseconds since 2000-01-01 UTC."""

    lane: int
    seq: int
    micros: int
    digest: bytes
    row: bytes

    @property
    def at(self) -> datetime:
        return instant(self.micros)

    @property
    def action(self) -> str:
        """The row's action, read from its bytes."""
        offset = 2
        for _ in range(_ACTION_FIELD):
            offset += 4 + max(0, _LENGTH.unpack_from(self.row, offset)[0])
        size = _LENGTH.unpack_from(self.row, offset)[0]
        return self.row[offset + 4 : offset + 4 + size].decode("utf-8", "replace")


def micros(at: datetime) -> int:
    """Microseconds from 2000-01-01 UTC to ``at``."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(microseconds: int) -> datetime:
    """The inverse of :func:`micros`; the earliest or latest instant Python knows for one beyond it."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if microseconds > 0 else datetime.min.replace(tzinfo=UTC)


def hashed(cursor: CursorWrapper, query: str) -> Iterator[HashedRow]:
    """Run ``query``, which selects :data:`COLUMNS`, and yield its rows with their digests.

    ``query`` takes no parameters and holds only numbers and timestamps of our own.
    """
    sha256, unpack = hashlib.sha256, _NAME.unpack_from
    first = True
    with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)") as copy:
        for message in copy:
            row = bytes(message)
            if first:
                first = False
                if not row.startswith(_SIGNATURE):
                    raise ValueError("The database's binary COPY format is not the one this Charthouse knows.")
                row = row[_HEADER:]
            if len(row) <= 2:  # the trailer, a field count of -1
                continue
            _fields, _l2, lane, _l8, seq, _l8, at = unpack(row)
            yield HashedRow(lane, seq, at, sha256(row).digest(), row)
