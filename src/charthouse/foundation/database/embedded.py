"""The embedded server as the rest of Charthouse sees it: started, with roles and database in place."""

from __future__ import annotations

import atexit
import time
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo

from charthouse.configuration import configuration

from .addressing import APPLICATION_ROLE, DATABASE_NAME, OWNER_ROLE
from .cluster import SUPERUSER_ROLE
from .layout import PORT, Layout
from .problems import DatabaseProblem
from .roles import grant_defaults, make_database, make_role
from .server import Lease, Progress, silent, start, stop


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """Our own running server and this process's share in it."""

    layout: Layout
    pid: int
    lease: Lease
    seconds: float

    def stop(self) -> None:
        self.lease.drop()
        stop(self.layout)

    def release(self) -> None:
        self.lease.release()


def start_embedded(progress: Progress | None = None) -> EmbeddedServer:
    """Find the installation's server running or start it; raises DatabaseProblem."""
    return open_server(Layout(configuration().data), progress)


def open_server(layout: Layout, progress: Progress | None = None) -> EmbeddedServer:
    """Find the server of a data directory running or start it; raises DatabaseProblem."""
    began = time.monotonic()
    running, lease = start(layout, lambda: _prepare(layout), progress or silent)
    if running.socket_folder != str(layout.socket_folder):
        lease.drop()
        raise DatabaseProblem(
            f"The database in {layout.cluster} is already running, started by something other than Charthouse. "
            f"Stop it first (process {running.pid})."
        )
    atexit.register(lease.release)
    return EmbeddedServer(layout, running.pid, lease, time.monotonic() - began)


def superuser_connection_info(layout: Layout, dbname: str = DATABASE_NAME) -> str:
    """The connection string of the cluster's superuser, for making roles and databases only."""
    return make_conninfo("", host=str(layout.socket_folder), port=PORT, user=SUPERUSER_ROLE, dbname=dbname)


def _prepare(layout: Layout) -> None:
    try:
        with psycopg.connect(superuser_connection_info(layout, "postgres"), autocommit=True) as connection:
            make_role(connection, OWNER_ROLE, createdb=True)
            make_role(connection, APPLICATION_ROLE)
            make_database(connection, DATABASE_NAME, owner=OWNER_ROLE)
        owner = make_conninfo(superuser_connection_info(layout), user=OWNER_ROLE)
        with psycopg.connect(owner) as connection:
            grant_defaults(connection, application=APPLICATION_ROLE)
    except psycopg.OperationalError as error:
        raise DatabaseProblem(f"The database was started but its roles could not be made: {error}") from error
