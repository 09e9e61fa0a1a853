"""The drop folder: a file put there is taken in, then moved to ``done`` or, with its reason beside it,
``refused``."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import structlog
from django.db import DatabaseError, connection

from charthouse.foundation.clock import wall
from charthouse.foundation.logging import where
from charthouse.intake.actions.take_in import take_in
from charthouse.intake.domain.arrival import Connector
from charthouse.intake.domain.errors import IntakeError

log = structlog.get_logger("charthouse.intake")

#: Seconds a file must have been left alone before it counts as whole.
_QUIET = 1.0
#: Seconds to wait after a fault that is not the file's.
_BACK_OFF = 5.0
_PARTIAL = (".part", ".tmp", ".partial", ".crdownload")


def watch(folder: Path, stop: threading.Event, *, every: float = 1.0) -> None:
    """Take in what comes into ``folder`` until ``stop`` is set; wait where the database or the disk is away."""
    for name in ("done", "refused"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    while not stop.is_set():
        try:
            if not sweep(folder):
                stop.wait(every)
        except (DatabaseError, OSError) as error:
            log.warning("the drop folder waits", error=where(error))
            connection.close()
            stop.wait(_BACK_OFF)


def sweep(folder: Path, *, quiet: float = _QUIET) -> int:
    """Take in the files lying in ``folder``, oldest first; returns how many. Safe to repeat after a crash: what
    was filed already is noted as a duplicate. A file that cannot be read now is left for the next time."""
    taken = 0
    for path in _whole(folder, quiet):
        try:
            with path.open("rb") as stream:
                for _ in take_in(stream, connector=Connector.FOLDER, batch=path.name):
                    pass
        except IntakeError as error:
            moved = _move(path, folder / "refused")
            moved.with_name(f"{moved.name}.reason.txt").write_text(f"{error}\n", "utf-8")
            log.warning("a dropped file was refused")
        except OSError as error:
            log.warning("a dropped file cannot be read", error=where(error))
            continue
        else:
            _move(path, folder / "done")
        taken += 1
    return taken


def _whole(folder: Path, quiet: float) -> list[Path]:
    """Files that nobody is still writing, oldest first."""
    found = []
    now = wall().timestamp()
    for entry in os.scandir(folder):
        if entry.name.startswith(".") or entry.name.endswith(_PARTIAL):
            continue
        try:
            if not entry.is_file(follow_symlinks=False):
                continue
            changed = entry.stat().st_mtime
        except FileNotFoundError:  # its writer took it away again
            continue
        if now - changed >= quiet:
            found.append((changed, entry.name))
    return [folder / name for _, name in sorted(found)]


def _move(path: Path, folder: Path) -> Path:
    """Move without ever replacing an earlier file of the same name; returns where it is now."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.name}.{number}"
    return path.rename(target)
