"""Where the embedded database's parts lie in the data directory.

``database/`` is the cluster itself, ``postgres/`` the server's programs and settings, ``run/`` the socket and
``logs/`` what the server says. Only ``database/`` and ``run/`` belong to the account the server runs as.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .account import Account
from .problems import DatabaseProblem

PORT = 5432
#: Bytes a Unix socket's path may have: ``sun_path`` less its closing zero.
SOCKET_PATH_LIMIT = 103 if sys.platform == "darwin" else 107
_SOCKET_NAME = f"/.s.PGSQL.{PORT}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one installation's embedded database."""

    data: Path

    @property
    def cluster(self) -> Path:
        return self.data / "database"

    @property
    def programs(self) -> Path:
        return self.data / "postgres"

    @property
    def settings(self) -> Path:
        return self.programs / "settings"

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def log(self) -> Path:
        return self.data / "logs" / "postgres.log"

    @property
    def start_lock(self) -> Path:
        return self.programs / "start.lock"

    @property
    def users_lock(self) -> Path:
        return self.programs / "users.lock"

    @property
    def socket_folder(self) -> Path:
        """The folder clients give as host. Where ``run`` is a link to a shorter path, that path."""
        return self.run.resolve() if self.run.is_symlink() else self.run

    @property
    def socket(self) -> Path:
        return Path(f"{self.socket_folder}{_SOCKET_NAME}")

    def make_folders(self, account: Account) -> None:
        """Make the folders that are not there yet; as root, such that the server's account can pass through."""
        passable = 0o711 if account.dropped else 0o700
        if not self.data.exists():
            self.data.mkdir(parents=True, exist_ok=True, mode=passable)  # another may be starting, too
            self.data.chmod(passable)
        elif account.dropped and not account.can_enter(self.data):
            self.data.chmod(self.data.stat().st_mode | 0o011)
        for folder, mode in ((self.programs, 0o755), (self.settings, 0o755), (self.log.parent, 0o700)):
            if not folder.exists():
                folder.mkdir(exist_ok=True)
                folder.chmod(mode)

    def make_run_folder(self, account: Account) -> Path:
        """The socket's folder, 0700 and owned by the server's account; made anew where it cannot be trusted.

        The folder lies in the data directory. Where that path is too long for a socket, ``run`` is a link to a
        folder of a fresh, unforeseeable name, so that nobody can have made it before us.
        """
        if self.run.is_symlink():
            if _trusted(self.run.resolve(), account):
                return self.run.resolve()
            self.run.unlink()
        if len(os.fsencode(f"{self.run}{_SOCKET_NAME}")) <= SOCKET_PATH_LIMIT:
            if not self.run.exists():
                self.run.mkdir(mode=0o700)
                account.own(self.run)
            self.run.chmod(0o700)
            return self.run
        if self.run.exists():
            self.run.rmdir()
        short = Path(tempfile.mkdtemp(prefix="charthouse-", dir=_short_base(account)))
        account.own(short)
        self.run.symlink_to(short)
        return short


def _trusted(folder: Path, account: Account) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return folder.is_dir() and found.st_uid == account.uid and found.st_mode & 0o777 == 0o700


def _short_base(account: Account) -> str:
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    for base in (given, "/run", "/tmp"):  # noqa: S108
        if not base or not Path(base).is_dir() or not os.access(base, os.W_OK | os.X_OK):
            continue
        if account.can_enter(Path(base)) and len(os.fsencode(base)) + 40 <= SOCKET_PATH_LIMIT:
            return base
    raise DatabaseProblem(
        "No folder is short enough for the database's socket: neither XDG_RUNTIME_DIR nor /run nor /tmp can be "
        "written to. Set CHARTHOUSE_DATA to a shorter path."
    )
