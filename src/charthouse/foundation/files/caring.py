"""Looking after the store: proving every file, and changing the master key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger import api as ledger

from . import keys, sealed, store
from .errors import FileDamaged, FileError, FileMissing, KeyMissing
from .permissions import CARE

Progress = Callable[[int, int], None]
_PAGE = 1000


class Trouble(StrEnum):
    """MISSING: no bytes. DAMAGED: not the bytes that were written. LOCKED: the master key is not at hand.
    HEADER: the content is whole, but its header is not as it should be; rotating mends it."""

    MISSING = "missing"
    DAMAGED = "damaged"
    LOCKED = "locked"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Finding:
    """A file with which something is wrong, in words."""

    id: UUID
    trouble: Trouble
    words: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification looked at (files, bytes of content) and found."""

    files: int
    bytes: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many files were put under the newest key, and which could not be."""

    key_id: str
    files: int
    findings: tuple[Finding, ...]


def proved(progress: Progress | None = None) -> Iterator[tuple[UUID, int, Finding | None]]:
    """Every kept file, read whole and compared with its hash and size: its id, its bytes, and what is wrong with
    it.

    One after the other, so that the memory it takes does not grow with the store. ``progress`` gets (done, total)
    files.
    """
    total = _count()
    for done, row in enumerate(_rows(), 1):
        yield row.id, row.size, _verified(row)
        if progress:
            progress(done, max(total, done))


def verify(progress: Progress | None = None) -> Verified:
    """Read every kept file whole; how many, and what is wrong. ``progress`` gets (done, total) files."""
    files = size = 0
    findings: list[Finding] = []
    for _, bytes_, found in proved(progress):
        files += 1
        if found:
            findings.append(found)
        else:
            size += bytes_
    return Verified(files, size, tuple(findings))


def rotate(ctx: AccessContext, progress: Progress | None = None, *, new_key: bool = True) -> Rotated:
    """Put every file under a new master key (or, without ``new_key``, the newest) by re-wrapping its header.

    Reading and putting go on meanwhile. May be broken off and run again with ``new_key=False``. Old key files
    may go when this has found nothing, and when no backup needs them. Raises PermissionRefused.
    """
    require(ctx, CARE)
    key = keys.add() if new_key else keys.load(make=True).newest
    with transaction.atomic():
        ledger.append(ctx, "files.rotate", detail={"key": key.id.hex(), "new": new_key})
    total = _count()
    files = 0
    findings: list[Finding] = []
    for done, row in enumerate(_rows(), 1):
        try:
            files += _rewrapped(row)
        except FileError as error:
            findings.append(Finding(row.id, _trouble(error), str(error)))
        if progress:
            progress(done, max(total, done))
    return Rotated(key.id.hex(), files, tuple(findings))


def _verified(row: store.Row) -> Finding | None:
    digest = hashlib.sha256()
    size = 0
    try:
        for piece in store.pieces(row):
            digest.update(piece)
            size += len(piece)
        if digest.digest() != row.sha256 or size != row.size:
            raise FileDamaged(f"File {row.id} has another content than its hash says. Put it back from a backup.")
        with store.path_of(row.name).open("rb") as source:
            named = sealed.header_keys(source)
    except FileNotFoundError:
        return Finding(row.id, Trouble.MISSING, f"The bytes of file {row.id} are gone from the store.")
    except FileError as error:
        return Finding(row.id, _trouble(error), str(error))
    if named != (row.key_id,):
        # A rotation may be under way: the row is looked at again before anything is said.
        try:
            row = store.row_of(row.id)
            with store.path_of(row.name).open("rb") as source:
                named = sealed.header_keys(source)
        except (FileError, FileNotFoundError):
            return None
        if named != (row.key_id,):
            return Finding(
                row.id,
                Trouble.HEADER,
                f"The header of file {row.id} holds a key it should not; its content is whole."
                " Run `charthouse files rotate --same-key`.",
            )
    return None


def _rewrapped(row: store.Row) -> bool:
    """Bring a row's content under the newest key; whether its header had to be written."""
    path = store.path_of(row.name)
    with transaction.atomic():
        store.lock(row.name)
        keyring = keys.load()
        try:
            with path.open("r+b") as target:
                if sealed.header_keys(target) == (keyring.newest.id,):
                    store.note_key(row.name, keyring.newest.id)
                    return False
                sealed.rewrap(target, row.sha256, keyring, row.key_id)
        except FileNotFoundError:
            raise FileMissing(f"The bytes of file {row.id} are gone from the store.") from None
        except FileDamaged as damage:
            raise FileDamaged(f"File {row.id} is damaged {damage}. Put it back from a backup.") from None
        except KeyMissing as error:
            raise KeyMissing(f"File {row.id} cannot be opened. {error}") from None
        store.note_key(row.name, keyring.newest.id)
    return True


def _rows() -> Iterator[store.Row]:
    last = UUID(int=0)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {store.ROW} FROM files_file WHERE state = 'stored' AND id > %s ORDER BY id LIMIT %s",  # noqa: S608
                [last, _PAGE],
            )
            rows = [store.to_row(*row) for row in cursor]
        yield from rows
        if len(rows) < _PAGE:
            return
        last = rows[-1].id


def _count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM files_file WHERE state = 'stored'")
        return int(cursor.fetchone()[0])


def _trouble(error: FileError) -> Trouble:
    if isinstance(error, FileMissing):
        return Trouble.MISSING
    return Trouble.LOCKED if isinstance(error, KeyMissing) else Trouble.DAMAGED
