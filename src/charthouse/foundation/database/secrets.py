"""Keys of an installation: files of 0600 in the key directory, made on first use, never beside the data."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from charthouse.configuration import configuration


def key_file(name: str, size: int = 32) -> bytes:
    """The bytes of a key, made with ``size`` random bytes when there is none yet. Safe against a race."""
    folder = configuration().keys
    path = folder / name
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = secrets.token_bytes(size)
    temporary = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(fresh)
        handle.flush()
        os.fsync(handle.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        Path(temporary).unlink()
    return path.read_bytes()


def fingerprints() -> dict[str, str]:
    """The keys at hand by name, each with 16 hexadecimal digits that tell two keys apart and tell neither.

    A dump notes them, so that a restore can say which keys are missing.
    """
    found = {}
    folder = configuration().keys
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if "-key" in path.name and not path.name.startswith(".") and path.is_file():
            secret = path.read_bytes()
            found[path.name] = hashlib.sha256(b"charthouse key fingerprint" + secret).hexdigest()[:16]
    return found


def session_secret() -> str:
    """The secret Django signs sessions and tokens with."""
    return key_file("session-secret").hex()
