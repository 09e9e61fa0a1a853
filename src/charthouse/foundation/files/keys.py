"""Master keys: files ``master-key``, ``master-key-2`` … in the key directory; the newest wraps, all open."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from charthouse.configuration import configuration
from charthouse.foundation.database.secrets import key_file

from .errors import KeyMissing

_NAME = re.compile(r"master-key(?:-([1-9][0-9]*))?")
_SIZE = 32


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A key and its id: eight bytes that name it without telling it."""

    id: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"MasterKey({self.id.hex()})"


@dataclass(frozen=True, slots=True)
class Keyring:
    """All master keys at hand. ``newest`` wraps new files."""

    newest: MasterKey
    by_id: Mapping[bytes, MasterKey]


def load(*, make: bool = False) -> Keyring:
    """Read the master keys; with ``make``, make the first where there is none.

    Raises KeyMissing when there is none, or one is not 32 bytes long.
    """
    numbered = _numbers()
    if not numbered:
        if not make:
            raise KeyMissing(
                f"There is no master key in {configuration().keys}."
                " Put back the key directory from its safekeeping."
            )
        numbered = [1]
    keys = [_read(number) for number in numbered]
    return Keyring(keys[-1], {key.id: key for key in keys})


def add() -> MasterKey:
    """Make a new master key, the newest from now on."""
    return _read(max(_numbers(), default=0) + 1)


def path_secret() -> bytes:
    """The key of the names in the store, which is never rotated."""
    return key_file("file-path-key", _SIZE)


def _numbers() -> list[int]:
    folder = configuration().keys
    if not folder.is_dir():
        return []
    found = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1] or 1) for match in found if match)


def _read(number: int) -> MasterKey:
    name = "master-key" if number == 1 else f"master-key-{number}"
    secret = key_file(name, _SIZE)
    if len(secret) != _SIZE:
        raise KeyMissing(
            f"The key {name} has {len(secret)} bytes where {_SIZE} belong. Put it back from safekeeping."
        )
    return MasterKey(hmac.digest(secret, b"charthouse master key id", hashlib.sha256)[:8], secret)
