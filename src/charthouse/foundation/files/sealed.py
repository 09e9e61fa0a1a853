"""The form of a sealed file.

::

    fixed    8 magic, 4 chunk size, 20 salt                       never changes
    slot A   8 key id, 12 nonce, 48 wrapped data key              one of the two holds the data key;
    slot B   likewise                                             the other is zero
    chunks   AES-256-GCM, each of chunk size + 16 bytes, the last shorter or equal

A chunk's nonce is its number (11 bytes) and a mark on the last (1 byte), so that chunks left out, changed
about, added or cut off are found; its associated data is the fixed part. The data key is wrapped with
AES-256-GCM under the master key, with the fixed part, the key id and the SHA-256 of the content as associated
data, so that a file put in another's place is found. Re-wrapping writes the free slot, waits for the disk, and
clears the old one: at every moment one slot is whole. Who re-wraps waits for the disk for many files at once.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import FileDamaged, KeyMissing
from .keys import Keyring, MasterKey

CHUNK = 64 * 1024
#: Chunks that are hashed and written together, so that Python's lock is asked for once and not for each of them.
BLOCK = 32 * CHUNK
#: Blocks, 16 MB, after which the disk begins to write.
_BEGIN = 8
_MAGIC = b"CHFILE\x01\n"
_FIXED = 32
_SLOT = 8 + 12 + 48
_TAG = 16
HEADER = _FIXED + 2 * _SLOT
_FREE = bytes(_SLOT)
#: re-reads of a header that was being re-wrapped while it was read
_RETRIES, _RETRY_WAIT = 5, 0.01

Source = bytes | bytearray | memoryview | BinaryIO | Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was written: the content's SHA-256 and size in bytes, and the id of the key it is under."""

    sha256: bytes
    size: int
    key_id: bytes


def seal(source: Source, target: BinaryIO, key: MasterKey) -> Sealed:
    """Write ``source`` sealed to ``target`` (empty, seekable), in memory bounded by a few blocks of 2 MB."""
    fixed = _MAGIC + CHUNK.to_bytes(4, "big") + secrets.token_bytes(20)
    data_key = AESGCM.generate_key(256)
    cipher = AESGCM(data_key)
    digest = hashlib.sha256()
    size = 0
    target.write(fixed + _FREE + _FREE)
    room = memoryview(b"")
    for number, (block, last) in enumerate(_blocks(source)):
        digest.update(block)
        first, size = size // CHUNK, size + len(block)
        count = -(-len(block) // CHUNK) or 1
        length = len(block) + count * _TAG
        if len(room) < length:
            room = memoryview(bytearray(length))
        for at in range(count):
            chunk = block[at * CHUNK : (at + 1) * CHUNK]
            begin = at * (CHUNK + _TAG)
            nonce = _nonce(first + at, last and at == count - 1)
            cipher.encrypt_into(nonce, chunk, fixed, room[begin : begin + len(chunk) + _TAG])
        target.write(room[:length])
        if number % _BEGIN == _BEGIN - 1:
            _begin_writing(target)
    target.seek(_FIXED)
    target.write(_wrap(data_key, fixed, digest.digest(), key))
    target.seek(0, os.SEEK_END)
    return Sealed(digest.digest(), size, key.id)


def _begin_writing(target: BinaryIO) -> None:
    """Have the disk begin with what the last chunks brought, so that whoever waits for it in the end waits for
    little."""
    if not hasattr(os, "posix_fadvise"):
        return  # there it is only waited longer
    try:
        target.flush()
        length = _BEGIN * (BLOCK + BLOCK // CHUNK * _TAG)
        os.posix_fadvise(target.fileno(), max(target.tell() - length, 0), length, os.POSIX_FADV_DONTNEED)
    except (AttributeError, OSError):
        return  # no file of a disk


def unseal(source: BinaryIO, sha256: bytes, keys: Keyring, expected_key: bytes) -> Iterator[bytes]:
    """The content, chunk by chunk, each proved before it is given.

    Raises FileDamaged at the first byte that is not as written, KeyMissing when the key named by
    ``expected_key`` and the header is not at hand.
    """
    fixed, data_key = _open_header(source, sha256, keys, expected_key)
    cipher = AESGCM(data_key)
    source.seek(HEADER)
    # Trusted: the fixed part was proved with the data key.
    length = int.from_bytes(fixed[8:12], "big") + _TAG
    block = source.read(length)
    number = 0
    while True:
        following = source.read(length) if len(block) == length else b""
        try:
            yield cipher.decrypt(_nonce(number, not following), block, fixed)
        except (InvalidTag, ValueError):
            raise FileDamaged(f"from chunk {number} on") from None
        if not following:
            return
        block = following
        number += 1


def header_keys(source: BinaryIO) -> tuple[bytes, ...]:
    """The key ids a header names. Raises FileDamaged where there is no header."""
    header = _read_header(source)
    return tuple(slot[:8] for slot in _slots(header) if slot != _FREE)


def wrap_anew(target: BinaryIO, sha256: bytes, keys: Keyring, expected_key: bytes) -> None:
    """Put the data key of a file (opened for reading and writing) under the newest master key, beside what holds it
    now; the body stays. Has to be on the disk before :func:`clear_old`.

    The two are safe against a crash at any moment, and against readers at the same time; not against another
    who re-wraps. Raises FileDamaged, KeyMissing.
    """
    header = _read_header(target)
    slots = _slots(header)
    good = _good_slot(header, sha256, keys)
    if good is None:
        raise _no_slot(header, keys, expected_key)
    place, data_key = good
    if slots[place][:8] != keys.newest.id:
        _write_slot(target, 1 - place, _wrap(data_key, header[:_FIXED], sha256, keys.newest))


def clear_old(target: BinaryIO, sha256: bytes, keys: Keyring) -> None:
    """Free the slot that is not under the newest master key. Raises FileDamaged where none is under that."""
    header = _read_header(target)
    only_newest = Keyring(keys.newest, {keys.newest.id: keys.newest})
    good = _good_slot(header, sha256, only_newest)
    if good is None:
        raise FileDamaged("in its header")
    if _slots(header)[1 - good[0]] != _FREE:
        _write_slot(target, 1 - good[0], _FREE)


def _open_header(source: BinaryIO, sha256: bytes, keys: Keyring, expected_key: bytes) -> tuple[bytes, bytes]:
    for attempt in range(_RETRIES):
        header = _read_header(source)
        good = _good_slot(header, sha256, keys)
        if good is not None:
            return header[:_FIXED], good[1]
        if attempt + 1 < _RETRIES:
            time.sleep(_RETRY_WAIT)
    raise _no_slot(header, keys, expected_key)


def _no_slot(header: bytes, keys: Keyring, expected_key: bytes) -> Exception:
    named = {slot[:8] for slot in _slots(header) if slot != _FREE}
    if expected_key in named and expected_key not in keys.by_id:
        return KeyMissing(f"The master key {expected_key.hex()} is not in the key directory.")
    return FileDamaged("in its header")


def _read_header(source: BinaryIO) -> bytes:
    source.seek(0)
    header = source.read(HEADER)
    if len(header) < HEADER or not header.startswith(_MAGIC):
        raise FileDamaged("in its header")
    return header


def _slots(header: bytes) -> tuple[bytes, bytes]:
    return header[_FIXED : _FIXED + _SLOT], header[_FIXED + _SLOT : HEADER]


def _good_slot(header: bytes, sha256: bytes, keys: Keyring) -> tuple[int, bytes] | None:
    fixed = header[:_FIXED]
    for place, slot in enumerate(_slots(header)):
        key = keys.by_id.get(slot[:8])
        if key is None:
            continue
        try:
            return place, AESGCM(key.secret).decrypt(slot[8:20], slot[20:], fixed + key.id + sha256)
        except InvalidTag:
            continue
    return None


def _wrap(data_key: bytes, fixed: bytes, sha256: bytes, key: MasterKey) -> bytes:
    nonce = secrets.token_bytes(12)
    return key.id + nonce + AESGCM(key.secret).encrypt(nonce, data_key, fixed + key.id + sha256)


def _write_slot(target: BinaryIO, place: int, slot: bytes) -> None:
    target.seek(_FIXED + place * _SLOT)
    target.write(slot)
    target.flush()


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _blocks(source: Source) -> Iterator[tuple[memoryview, bool]]:
    """Pieces of whole chunks, at most a block, and whether each is the last, which may end within a chunk; an empty
    source is one empty piece."""
    held: memoryview | None = None
    for piece in _whole(source):
        if held is not None:
            yield held, False
        held = piece
    yield held or memoryview(b""), True


def _whole(source: Source) -> Iterator[memoryview]:
    rest = bytearray()
    for part in _parts(source):
        view = memoryview(part)
        if rest:
            taken = view[: CHUNK - len(rest)]
            rest += taken
            view = view[len(taken) :]
            if len(rest) == CHUNK:
                yield memoryview(bytes(rest))
                rest.clear()
        while length := min(len(view) // CHUNK * CHUNK, BLOCK):
            # As it lies there, where the source does not write over it.
            yield view[:length] if isinstance(part, bytes) else memoryview(bytes(view[:length]))
            view = view[length:]
        rest += view
    if rest:
        yield memoryview(bytes(rest))


def _parts(source: Source) -> Iterator[bytes | bytearray | memoryview]:
    if isinstance(source, bytes | bytearray | memoryview):
        yield source
    elif hasattr(source, "read"):
        while part := source.read(BLOCK):
            yield part
    else:
        yield from source
