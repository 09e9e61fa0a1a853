"""The operating-system account the embedded server runs as. Never root."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .problems import DatabaseProblem

_UNPRIVILEGED = ("postgres", "_postgres", "nobody")
#: For glibc: up to 16 MB that one statement gave back are kept for the next. Given back to the system they come
#: again page by page, which takes longer than many a statement that needs a megabyte.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(16 << 20), "MALLOC_TRIM_THRESHOLD_": str(16 << 20)}


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine. ``dropped`` says that root gave up its rights for it."""

    name: str
    uid: int
    gid: int
    dropped: bool

    def run_as(self) -> dict[str, Any]:
        """The keyword arguments with which ``subprocess`` runs a program as this account."""
        clean = {"cwd": "/", "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **_MEMORY}}
        if not self.dropped:
            return clean
        return clean | {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give ``path``, which root has just made, to this account."""
        if self.dropped:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether this account may pass through ``folder``."""
        if not self.dropped:
            return os.access(folder, os.X_OK)
        found = subprocess.run(["test", "-x", str(folder)], check=False, **self.run_as())
        return found.returncode == 0


def server_account(cluster: Path) -> Account:
    """The account for the server of ``cluster``: our own, or as root the cluster's owner or an unprivileged one.

    Raises DatabaseProblem where there is none, or where the cluster belongs to somebody else.
    """
    uid = os.geteuid()
    owner = cluster.stat().st_uid if cluster.exists() else None
    if uid != 0:
        if owner is not None and owner != uid:
            raise DatabaseProblem(
                f"The database in {cluster} belongs to the account {_name(owner)}, and you are {_name(uid)}. "
                "Run Charthouse as the account that made it (as root where root did)."
            )
        return Account(_name(uid), uid, os.getegid(), dropped=False)
    if owner == 0:
        raise DatabaseProblem(
            f"The database in {cluster} belongs to root, and PostgreSQL never runs as root. "
            f"Give it to an account without privileges: chown -R postgres {cluster}"
        )
    if owner is not None:
        entry = _entry(owner)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True)
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True)
    raise DatabaseProblem(
        "PostgreSQL never runs as root, and this machine has neither an account postgres nor nobody to run it. "
        "Make one: useradd --system --shell /usr/sbin/nologin postgres"
    )


def current_user() -> str:
    """The name of the account this process runs as, which is what peer authentication sees."""
    return _name(os.geteuid())


def require_passage(account: Account, folder: Path) -> None:
    """Raise DatabaseProblem unless ``account`` may pass through ``folder`` and all above it."""
    for part in [*reversed(folder.parents), folder]:
        if not account.can_enter(part):
            raise DatabaseProblem(
                f"PostgreSQL runs here as the account {account.name} (never as root), and that account may not "
                f"enter {part}. Put the data elsewhere with CHARTHOUSE_DATA (for instance "
                f"/var/lib/charthouse/default), or allow passage: chmod o+x {part}"
            )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _entry(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise DatabaseProblem(
            f"The database belongs to the account number {uid}, which this machine does not know. "
            "Give it to an existing account without privileges with chown -R."
        ) from None
