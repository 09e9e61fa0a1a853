"""Files that wait a short while for the one who chose them, until they are kept for good or forgotten.

They are no part of the record: sealed under a key of their own, named by a keyed hash of owner and purpose, bound
to both, in no table and in no dump. What may wait for another time waits on another shelf.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from charthouse.configuration import configuration
from charthouse.foundation.database.secrets import key_file

# No dump asks for this key: what it opens is in none.
_KEY_NAME = "waiting-files-secret"
_FOLDER = ".waiting"
_UNFINISHED = ".new"
_NONCE = 12


class WaitingFile(msgspec.Struct, frozen=True):
    """A file that waits, and what its owner calls it."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    bound_to: bytes


def keep_waiting(owner: str, purpose: str, file: WaitingFile, *, most: int, shelf: str = "") -> None:
    """Let a file wait, in the place of the one that waited for the same; an owner's oldest on the shelf beyond
    ``most`` go."""
    place = _place(owner, purpose, shelf)
    nonce = secrets.token_bytes(_NONCE)
    sealed = nonce + AESGCM(key_file(_KEY_NAME)).encrypt(nonce, msgspec.msgpack.encode(file), place.bound_to)
    folder = place.path.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = folder / f".{secrets.token_hex(8)}{_UNFINISHED}"
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(sealed)
        temporary.replace(place.path)
    finally:
        temporary.unlink(missing_ok=True)
    finished = [path for path in folder.iterdir() if path.suffix != _UNFINISHED]
    for path in sorted(finished, key=_written)[:-most]:
        path.unlink(missing_ok=True)


def waiting(owner: str, purpose: str, *, at_most: timedelta, shelf: str = "") -> WaitingFile | None:
    """The file that waits for this, unless it has waited longer or cannot be opened."""
    place = _place(owner, purpose, shelf)
    try:
        if _written(place.path) < time.time() - at_most.total_seconds():
            return None
        sealed = place.path.read_bytes()
        opened = AESGCM(key_file(_KEY_NAME)).decrypt(sealed[:_NONCE], sealed[_NONCE:], place.bound_to)
    except (FileNotFoundError, InvalidTag, ValueError):
        return None
    return msgspec.msgpack.decode(opened, type=WaitingFile)


def forget_waiting(owner: str, purpose: str, shelf: str = "") -> None:
    """Delete the file that waits for this, where there is one."""
    _place(owner, purpose, shelf).path.unlink(missing_ok=True)


def sweep_waiting(than: timedelta, shelf: str = "") -> int:
    """Delete every file of a shelf that has waited longer; how many."""
    before = time.time() - than.total_seconds()
    gone = 0
    for path in _shelf(shelf).glob("*/*"):
        if _written(path) < before:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def _shelf(name: str) -> Path:
    # A dump leaves out what begins with a dot.
    return configuration().files / (f"{_FOLDER}-{name}" if name else _FOLDER)


def _place(owner: str, purpose: str, shelf: str) -> _Place:
    folder, name = (_named(each) for each in (owner, f"{owner}\0{purpose}"))
    return _Place(_shelf(shelf) / folder / f".{name}", f"{owner}\0{purpose}".encode())


def _named(what: str) -> str:
    return hmac.digest(key_file(_KEY_NAME), what.encode(), hashlib.sha256)[:20].hex()


def _written(path: Path) -> float:
    """When a file was written, in seconds of the machine's clock; never where it is gone meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
