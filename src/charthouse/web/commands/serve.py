"""``charthouse web``: the web application, on Granian."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from charthouse.configuration import configuration
from charthouse.foundation.database.api import available_memory

#: Threads a worker has: each waits for PostgreSQL a third of its time.
THREADS = 4


#: Memory, in bytes, from which on there are at least two workers.
_ENOUGH = 3 << 30


def workers() -> int:
    """Worker processes: half the cores, which leaves the other half to PostgreSQL and the other processes; where
    there is memory at least two, so that nobody waits for one long answer's Python."""
    least = 2 if available_memory() >= _ENOUGH else 1
    return max(least, min(8, (os.cpu_count() or 2) // 2))


def serve() -> None:
    """Run the web application until stopped."""
    from granian.constants import Interfaces
    from granian.server import Server

    from charthouse.foundation import logging

    logging.configure()
    site = configuration()
    certificate, key = site.extra.get("certificate"), site.extra.get("certificate_key")
    server = Server(
        "charthouse.web.wsgi:application",
        address=site.host,
        port=site.port,
        interface=Interfaces.WSGI,
        workers=workers(),
        blocking_threads=THREADS,
        backlog=512,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        log_access=False,
        # Granian's own lines go the way of all others.
        log_dictconfig={
            "handlers": {},
            "formatters": {},
            "loggers": {
                "_granian": {"propagate": True},
                # It quotes exceptions, whose text may hold PHI; charthouse.web.wsgi logs them without.
                "_granian.utils": {"level": "CRITICAL"},
                "granian.access": {"propagate": True},
            },
        },
        ssl_cert=Path(str(certificate)) if certificate else None,
        ssl_key=Path(str(key)) if key else None,
    )
    try:
        server.serve()
    except OSError as error:
        typer.echo(f"The web application cannot use {site.host}:{site.port}: {error.strerror or error}.", err=True)
        raise typer.Exit(1) from None
