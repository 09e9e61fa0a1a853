"""Looking after the store: proving every file, and changing the master key."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import BinaryIO
from uuid import UUID

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger import api as ledger

from . import keys, sealed, store
from .errors import FileDamaged, FileError, FileMissing, KeyMissing
from .permissions import CARE

Progress = Callable[[int, int], None]
_PAGE = 1000
#: Files whose headers are written together, and how many wait for the disk at once.
_TOGETHER, _SYNCS = 64, 16


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


def proof_of(id: UUID) -> Finding | None:
    """Read one kept file whole; what is wrong with it, None where nothing is. A header that a rotation has still to
    mend is no fault of the content."""
    try:
        row = store.row_of(id)
    except FileMissing as error:
        return Finding(id, Trouble.MISSING, str(error))
    found = _verified(row)
    return None if found is None or found.trouble is Trouble.HEADER else found


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
    done = 0
    for rows in _together(_rows()):
        written, found = _rewrap(rows)
        files += written
        findings += found
        done += len(rows)
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


def _rewrap(rows: Sequence[store.Row]) -> tuple[int, list[Finding]]:
    """Bring the contents of rows under the newest key; how many headers had to be written, and what could not be.

    The new keys of all are on the disk before any old one is cleared, and all of that before the rows say so. A
    content that somebody else is writing is left to the end, so that nobody waits in a circle.
    """
    files = 0
    findings: list[Finding] = []
    busy: list[store.Row] = []
    with ThreadPoolExecutor(_SYNCS) as pool:
        with transaction.atomic():
            free: list[store.Row] = []
            for row in rows:
                (free if store.try_lock(row.name) else busy).append(row)
            files += _rewrap_locked(free, pool, findings)
        for row in busy:
            with transaction.atomic():
                store.lock(row.name)
                files += _rewrap_locked([row], pool, findings)
    return files, findings


def _rewrap_locked(rows: Sequence[store.Row], pool: Executor, findings: list[Finding]) -> int:
    keyring = keys.load()
    newest = keyring.newest
    with ExitStack() as stack:
        opened: list[tuple[store.Row, BinaryIO]] = []
        done: list[str] = []

        def each(step: Callable[[store.Row, BinaryIO], bool]) -> list[tuple[store.Row, BinaryIO]]:
            kept = []
            for row, target in opened:
                try:
                    if step(row, target):
                        kept.append((row, target))
                except FileError as error:
                    findings.append(_unrotated(row, error))
            list(pool.map(lambda one: os.fsync(one[1].fileno()), kept))
            return kept

        def wrap(row: store.Row, target: BinaryIO) -> bool:
            if sealed.header_keys(target) == (newest.id,):
                done.append(row.name)
                return False
            sealed.wrap_anew(target, row.sha256, keyring, row.key_id)
            return True

        def clear(row: store.Row, target: BinaryIO) -> bool:
            sealed.clear_old(target, row.sha256, keyring)
            return True

        for row in {row.name: row for row in rows}.values():  # one content may be kept under two media types
            try:
                opened.append((row, stack.enter_context(store.path_of(row.name).open("r+b"))))
            except FileNotFoundError:
                if store.is_kept(row.name):  # and was not destroyed meanwhile
                    findings.append(_unrotated(row, FileMissing()))
        opened = each(wrap)
        opened = each(clear)
        store.note_key([*done, *(row.name for row, _ in opened)], newest.id)
        return len(opened)


def _unrotated(row: store.Row, error: FileError) -> Finding:
    if isinstance(error, FileMissing):
        words = f"The bytes of file {row.id} are gone from the store."
    elif isinstance(error, KeyMissing):
        words = f"File {row.id} cannot be opened. {error}"
    else:
        words = f"File {row.id} is damaged {error}. Put it back from a backup."
    return Finding(row.id, _trouble(error), words)


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


def _together(rows: Iterable[store.Row]) -> Iterator[list[store.Row]]:
    rest = iter(rows)
    while some := list(islice(rest, _TOGETHER)):
        yield some


def _count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM files_file WHERE state = 'stored'")
        return int(cursor.fetchone()[0])


def _trouble(error: FileError) -> Trouble:
    if isinstance(error, FileMissing):
        return Trouble.MISSING
    return Trouble.LOCKED if isinstance(error, KeyMissing) else Trouble.DAMAGED
