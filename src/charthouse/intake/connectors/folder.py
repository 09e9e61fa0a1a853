"""The drop folder: a file put there is taken in, then moved to ``done`` or, with its reason beside it, ``refused``."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from charthouse.foundation.clock import wall
from charthouse.intake.actions.take_in import take_in
from charthouse.intake.domain.arrival import Connector
from charthouse.intake.domain.errors import IntakeError

log = logging.getLogger(__name__)

#: Seconds a file must have been left alone before it counts as whole.
_QUIET = 1.0
_PARTIAL = (".part", ".tmp", ".partial", ".crdownload")


def watch(folder: Path, stop: threading.Event, *, every: float = 1.0) -> None:
    """Take in what comes into ``folder`` until ``stop`` is set."""
    for name in ("done", "refused"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    while not stop.is_set():
        if not sweep(folder):
            stop.wait(every)


def sweep(folder: Path, *, quiet: float = _QUIET) -> int:
    """Take in the files lying in ``folder``, oldest first; returns how many. Safe to repeat after a crash: what
    was filed already is noted as a duplicate."""
    taken = 0
    for path in _whole(folder, quiet):
        try:
            with path.open("rb") as stream:
                for _ in take_in(stream, connector=Connector.FOLDER, batch=path.name):
                    pass
        except IntakeError as error:
            _move(path, folder / "refused")
            (folder / "refused" / f"{path.name}.reason.txt").write_text(f"{error}\n", "utf-8")
            log.warning("a dropped file was refused")
        except OSError:
            log.exception("a dropped file cannot be read")
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
        if not entry.is_file(follow_symlinks=False) or entry.name.startswith(".") or entry.name.endswith(_PARTIAL):
            continue
        changed = entry.stat().st_mtime
        if now - changed >= quiet:
            found.append((changed, entry.name))
    return [folder / name for _, name in sorted(found)]

    return wall().timestamp()


def _move(path: Path, folder: Path) -> None:
    """Move without ever replacing an earlier file of the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.name}.{number}"
    path.rename(target)
