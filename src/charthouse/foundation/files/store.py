"""Putting files in and getting them out."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.db import connection, transaction

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.ids import hash64, new_id
from charthouse.foundation.ledger import api as ledger

from . import keys, sealed
from .errors import FileDamaged, FileMissing, KeyMissing
from .sealed import Sealed, Source

_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:; ?[A-Za-z0-9_.+-]+=[A-Za-z0-9_.+:-]+)*"
)
_TEMPORARY = ".putting"
_STALE = 24 * 3600.0
ROW = "id, sha256, name, size, media_type, key_id"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A kept file. ``sha256`` is in hex, ``size`` in bytes; ``media_type`` is what the sender said, never
    guessed."""

    id: UUID
    sha256: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Row:
    """What the table knows of a kept file."""

    id: UUID
    sha256: bytes
    name: str
    size: int
    media_type: str
    key_id: bytes

    @property
    def file(self) -> StoredFile:
        return StoredFile(self.id, self.sha256.hex(), self.size, self.media_type)


def put(source: Source, media_type: str) -> StoredFile:
    """Keep bytes, a binary stream or an iterable of bytes; the same content under the same media type is kept once.

    The bytes are on the disk, whole, before this returns; the row is in the caller's transaction, so that content
    without a row may stay behind a rollback until :func:`sweep`. Raises ValueError for a media type that is none,
    KeyMissing when the master key of earlier files is gone, OSError when the disk refuses.
    """
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise ValueError("The media type must look like application/pdf.")
    key = _keyring_for_writing().newest
    folder = configuration().files / _TEMPORARY
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = folder / secrets.token_hex(16)
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as target:
            done = sealed.seal(source, target, key)
            with transaction.atomic():
                name = name_of(done.sha256)
                lock(name)
                row = _same(name, media_type)
                path = path_of(name)
                if path.exists() and is_kept(name):
                    key_id = header_key(path) or done.key_id
                else:
                    target.flush()
                    os.fsync(target.fileno())
                    _move(temporary, path)
                    key_id = done.key_id
                    note_key([name], key_id)
                return row.file if row else _insert(done, name, media_type, key_id)
    finally:
        temporary.unlink(missing_ok=True)


def read(id: UUID) -> bytes:
    """The whole content. Raises FileMissing, FileDamaged, KeyMissing."""
    return b"".join(open_stream(id))


def open_stream(id: UUID) -> Iterator[bytes]:
    """The content in pieces of 64 KiB, each proved before it is given; the file is closed at the end.

    FileMissing and a damaged header are raised at once, damage further in when its piece is reached.
    """
    row = row_of(id)
    stream = pieces(row)
    first = next(stream)
    return _resumed(first, stream)


def stat(id: UUID) -> StoredFile:
    """What is known of a kept file without opening it. Raises FileMissing."""
    return row_of(id).file


def destroy(ctx: AccessContext, id: UUID, reason: str) -> None:
    """Destroy a file lawfully: its row stays as a tombstone with the content's hash; the bytes go after the commit.

    The bytes stay while the same content is kept under another media type. Whether it may be destroyed (retention,
    holds) is decided above. Raises FileMissing when there is no such file, or it was destroyed before.
    """
    if not reason.strip():
        raise ValueError("Say why the file is destroyed; the reason is kept with its tombstone.")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE files_file SET state = 'destroyed', destroyed_at = clock_timestamp(), destroyed_by = %s,"
            " destroyed_reason = %s WHERE id = %s AND state = 'stored' RETURNING sha256, name",
            [ctx.actor, reason, id],
        )
        row = cursor.fetchone()
        if row is None:
            raise _missing(id)
        digest, name = bytes(row[0]), row[1]
        ledger.append(
            ctx, "files.destroy", subjects=[ledger.Subject("file", str(id))], detail={"sha256": digest.hex()}
        )
        transaction.on_commit(lambda: _remove_unkept(name))


def hold(ids: Collection[UUID]) -> None:
    """Have kept files to oneself until the transaction ends: no :func:`put` of the same content gives them out.

    Waits for those that did and have not ended; a look for other uses of a file, made after this, finds all.
    """
    with connection.cursor() as cursor:
        # In the order in which contents are put.
        cursor.execute("SELECT FROM files_file WHERE id = ANY(%s) ORDER BY sha256, id FOR UPDATE", [list(ids)])


def sweep() -> int:
    """Delete what interrupted puts, rolled-back transactions and interrupted destructions left; how many files.

    Only what is a day old is touched, so that no put under way loses its bytes.
    """
    root = configuration().files
    if not root.is_dir():
        return 0
    before = time.time() - _STALE
    removed = 0
    for path in (root / _TEMPORARY).glob("*"):
        if _older(path, before):
            path.unlink(missing_ok=True)
            removed += 1
    for folder in sorted(root.glob("[0-9a-f][0-9a-f]")):
        kept = _kept_under(folder.name)
        found = {"".join(path.parts[-3:]): path for path in folder.glob("*/*")}
        for name in sorted(found.keys() - kept):
            if _older(found[name], before):
                removed += _remove_unkept(name, before=before)
    return removed


def row_of(id: UUID) -> Row:
    """The row of a kept file. Raises FileMissing."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {ROW} FROM files_file WHERE id = %s AND state = 'stored'",  # noqa: S608
            [id],
        )
        row = cursor.fetchone()
    if row is None:
        raise _missing(id)
    return to_row(*row)


def to_row(id: UUID, sha256: bytes, name: str, size: int, media_type: str, key_id: str) -> Row:
    """The columns ROW as a value."""
    return Row(id, bytes(sha256), name, size, media_type, bytes.fromhex(key_id))


def name_of(digest: bytes) -> str:
    """What content is called in the store: a keyed hash, which tells nothing about what is kept."""
    return hmac.digest(keys.path_secret(), digest, hashlib.sha256)[:20].hex()


def path_of(name: str) -> Path:
    """Where content of this name lies."""
    return configuration().files / name[:2] / name[2:4] / name[4:]


def lock(name: str) -> None:
    """One writer at a time for one content, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [hash64("file:" + name)])


def try_lock(name: str) -> bool:
    """Be the one writer of a content until the transaction ends, unless there is one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [hash64("file:" + name)])
        return bool(cursor.fetchone()[0])


def note_key(names: Sequence[str], key_id: bytes) -> None:
    """Write down under which key these contents lie now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE files_file SET key_id = %s WHERE name = ANY(%s) AND state = 'stored' AND key_id <> %s",
            [key_id.hex(), list(names), key_id.hex()],
        )


def header_key(path: Path) -> bytes | None:
    """The id of the key a file on the disk is under; None where its header cannot be read."""
    try:
        with path.open("rb") as source:
            found = sealed.header_keys(source)
    except (OSError, FileDamaged):
        return None
    return found[0] if found else None


def pieces(row: Row) -> Iterator[bytes]:
    """The content of a row, chunk by chunk; errors name the file."""
    try:
        source: BinaryIO = path_of(row.name).open("rb")
    except FileNotFoundError:
        raise FileMissing(
            f"The bytes of file {row.id} are gone from the store. Put them back from a backup."
        ) from None
    with source:
        try:
            yield from sealed.unseal(source, row.sha256, keys.load(), row.key_id)
        except FileDamaged as damage:
            raise FileDamaged(f"File {row.id} is damaged {damage}. Put it back from a backup.") from None
        except KeyMissing as error:
            raise KeyMissing(f"File {row.id} cannot be opened. {error} Put it back from its safekeeping.") from None


def _resumed(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _keyring_for_writing() -> keys.Keyring:
    try:
        return keys.load()
    except KeyMissing:
        # A first key is made only for an empty store: a new one would hide that the old one is lost.
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM files_file WHERE state = 'stored')")
            first = not cursor.fetchone()[0]
        # Read again: another process may have made the first key, and kept a file, meanwhile.
        return keys.load(make=first)


def _same(name: str, media_type: str) -> Row | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {ROW} FROM files_file WHERE name = %s AND media_type = %s AND state = 'stored'"  # noqa: S608
            " FOR SHARE",
            [name, media_type],
        )
        row = cursor.fetchone()
    return to_row(*row) if row else None


def is_kept(name: str) -> bool:
    """Whether a row keeps content of this name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM files_file WHERE name = %s AND state = 'stored')", [name])
        return bool(cursor.fetchone()[0])


def _kept_under(prefix: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM files_file WHERE name LIKE %s AND state = 'stored'", [prefix + "%"])
        return {name for (name,) in cursor}


def _remove_unkept(name: str, *, before: float | None = None) -> bool:
    """Delete content no row keeps (and, with ``before``, written before then); whether there was any."""
    path = path_of(name)
    with transaction.atomic():
        lock(name)
        if is_kept(name) or not path.exists() or (before is not None and not _older(path, before)):
            return False
        path.unlink()
        _sync(path.parent)
    return True


def _older(path: Path, before: float) -> bool:
    try:
        return path.is_file() and path.stat().st_mtime < before
    except FileNotFoundError:
        return False


def _insert(done: Sealed, name: str, media_type: str, key_id: bytes) -> StoredFile:
    file = StoredFile(new_id(), done.sha256.hex(), done.size, media_type)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO files_file (id, sha256, name, size, media_type, key_id) VALUES (%s, %s, %s, %s, %s, %s)",
            [file.id, done.sha256, name, done.size, media_type, key_id.hex()],
        )
    return file


def _move(temporary: Path, path: Path) -> None:
    made = []
    for folder in (path.parent.parent, path.parent):
        if not folder.exists():
            folder.mkdir(exist_ok=True, mode=0o700)
            made.append(folder)
    temporary.replace(path)
    _sync(path.parent)
    for folder in made:
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _missing(id: UUID) -> FileMissing:
    with connection.cursor() as cursor:
        cursor.execute("SELECT destroyed_at FROM files_file WHERE id = %s", [id])
        row = cursor.fetchone()
    if row is None:
        return FileMissing(f"There is no file {id}.")
    return FileMissing(f"File {id} was destroyed on {row[0]:%Y-%m-%d}; its tombstone says by whom and why.")
