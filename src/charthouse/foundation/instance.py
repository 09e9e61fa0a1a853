"""Whether Charthouse is running on a data directory, what runs there, and how to stop it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from charthouse.configuration import ConfigurationError

_PATIENCE = 60.0


class AlreadyRunning(ConfigurationError):
    """Charthouse is running on this data directory already."""


def state_file(data: Path) -> Path:
    """Where a running Charthouse says what it consists of."""
    return data / "running.json"


@contextmanager
def only_instance(data: Path) -> Iterator[None]:
    """Be the only Charthouse on a data directory within the block. Raises AlreadyRunning."""
    descriptor = _open(data)
    try:
        if not _lock(descriptor):
            there = running(data) or {}
            where = f" at {there['address']}" if "address" in there else ""
            raise AlreadyRunning(
                f"Charthouse is running on {data} already{where}. Stop it with `charthouse stop`, or start another "
                "site with CHARTHOUSE_SITE=name."
            )
        yield
    finally:
        os.close(descriptor)


def running(data: Path) -> dict[str, Any] | None:
    """What runs on a data directory: pid, address, processes; None where nothing does."""
    if not _path(data).exists():
        return None
    descriptor = _open(data)
    try:
        if _lock(descriptor):
            return None
    finally:
        os.close(descriptor)
    try:
        return dict(json.loads(state_file(data).read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def stop_instance(data: Path) -> bool:
    """Ask the Charthouse on a data directory to stop and wait until it has. Answers whether one ran."""
    there = running(data)
    if there is None:
        return False
    deadline = time.monotonic() + _PATIENCE
    asked = False
    while running(data) is not None:
        pid = (there or {}).get("pid")
        if pid and not asked:
            asked = True
            try:
                os.kill(int(pid), signal.SIGTERM)
            except ProcessLookupError:
                pass
            except PermissionError:
                raise ConfigurationError(
                    f"Charthouse (process {pid}) was started by another account. Stop it as that account."
                ) from None
        if time.monotonic() > deadline:
            raise ConfigurationError(f"Charthouse (process {pid}) has not stopped in {_PATIENCE:.0f} seconds.")
        time.sleep(0.05)
        there = running(data) or there
    return True


def _path(data: Path) -> Path:
    return data / "running.lock"


def _open(data: Path) -> int:
    try:
        return os.open(_path(data), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigurationError(
            f"{_path(data)} cannot be opened: {error.strerror}. Run Charthouse as the account that owns {data}."
        ) from None


def _lock(descriptor: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
