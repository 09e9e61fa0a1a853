"""The database an installation uses: the embedded server, or an outside one by ``DATABASE_URL``.

Two roles reach it: the *owner* runs migrations, the *application* does everything else and may neither alter nor
truncate a table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from charthouse.configuration import configuration

from .addressing import (
    APPLICATION_ROLE,
    DATABASE_NAME,
    OWNER_ROLE,
    application_role,
    connection_info,
    connection_url,
    django_database,
)
from .layout import Layout
from .problems import DatabaseProblem

if TYPE_CHECKING:
    from .inspection import Cluster

__all__ = [
    "APPLICATION_ROLE",
    "DATABASE_NAME",
    "OWNER_ROLE",
    "DatabaseProblem",
    "Server",
    "application_role",
    "available_memory",
    "check_outside",
    "cluster_on_disk",
    "connection_info",
    "connection_url",
    "django_database",
    "embedded_version",
    "ensure_running",
    "folder_problems",
    "in_words",
    "is_running",
    "migrate",
    "pending_migrations",
    "running",
    "server_pid",
    "stop_server",
    "weaknesses",
]


class Server(Protocol):
    """The server in use. ``pid`` is None for an outside one."""

    @property
    def pid(self) -> int | None: ...

    def stop(self) -> None:
        """Stop the embedded server whoever uses it; an outside one is left alone."""

    def release(self) -> None:
        """Say that this process needs the server no longer; the last to say so stops the embedded one."""


@dataclass(frozen=True, slots=True)
class OutsideServer:
    """A server that is not ours to start or stop."""

    pid: None = None

    def stop(self) -> None:
        return

    def release(self) -> None:
        return


def ensure_running(progress: Callable[[str], None] | None = None) -> Server:
    """The server, started and made ready if it is the embedded one. ``progress`` is called with sentences.

    Each caller holds a share in the server until ``release``, ``stop`` or its own end. Raises DatabaseProblem,
    also when an outside server cannot be used.
    """
    if configuration().external_database:
        check_outside()
        return OutsideServer()
    if os.name != "posix":
        raise DatabaseProblem(
            "The embedded database needs Linux or macOS. Name an outside server with DATABASE_URL."
        )
    from .embedded import start_embedded

    return start_embedded(progress)


@contextmanager
def running(progress: Callable[[str], None] | None = None) -> Iterator[Server]:
    """The server within the block, released after it."""
    server = ensure_running(progress)
    try:
        yield server
    finally:
        server.release()


def check_outside() -> None:
    """Raise DatabaseProblem, in words, unless the outside server of ``DATABASE_URL`` can be used."""
    from .outside import check_outside as check

    check()


def weaknesses() -> list[str]:
    """What an outside server lets the application do that it should not, each a sentence."""
    from .outside import weaknesses as found

    return found()


def migrate(progress: Callable[[int, int, str], None] | None = None, *, database: str | None = None) -> list[str]:
    """Apply pending migrations as the owner in a process of its own, and answer their names.

    ``progress`` is called with the number done, the number in all and the migration begun. Raises DatabaseProblem.
    """
    from .migrations import migrate as run

    return run(progress, database=database)


def pending_migrations() -> list[str]:
    """The names of migrations not yet applied. Needs Django. Raises DatabaseProblem when the database was migrated
    by a newer Charthouse."""
    from .migrations import pending

    return pending()


def available_memory() -> int:
    """Bytes of memory this machine or container may use."""
    from .cluster import available_memory as found

    return found()


def cluster_on_disk() -> Cluster | None:
    """The embedded cluster looked at without starting it; None where there is none yet."""
    from .inspection import cluster

    return cluster()


def embedded_version() -> str | None:
    """The PostgreSQL version that Charthouse brings, e.g. "18.6"; None where its package is not installed."""
    from .inspection import brought

    return brought()


def folder_problems() -> list[str]:
    """What about the folders would keep the embedded server from starting, in words."""
    from .inspection import folder_problems as found

    return found()


def is_running(*, ready: bool = True) -> bool:
    """Whether the embedded server runs and answers; with ``ready=False`` also one that is still starting. For an
    outside server always true."""
    if configuration().external_database:
        return True
    from .server import find_running

    found = find_running(Layout(configuration().data))
    return found is not None and (found.ready or not ready)


def server_pid() -> int | None:
    """The process id of the embedded server, also while it is starting; None where it does not run or is an outside
    one."""
    if configuration().external_database:
        return None
    from .server import find_running

    found = find_running(Layout(configuration().data))
    return found.pid if found else None


def in_words(error: Exception) -> str | None:
    """What a failure of the database means for who runs a command; None for a failure of another kind."""
    code = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
    if code in {"42P01", "42703", "3F000"}:
        return (
            "The database's schema is not that of this version. Bring it up to date with `charthouse db migrate`."
        )
    if type(error).__name__ == "OperationalError" and (code is None or code[:2] in {"08", "57"}):
        return (
            "The database cannot be reached, or ended the connection. `charthouse doctor` says why; then try again."
        )
    return None


def stop_server() -> bool:
    """Stop the embedded server whoever uses it. Answers whether it ran."""
    if configuration().external_database:
        return False
    from .server import stop

    return stop(Layout(configuration().data))
