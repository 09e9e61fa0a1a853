"""Which long-running parts run, as the database knows it: each holds a lock for as long as it is connected.

A part that is killed is gone from here at once, and nothing is written; a part whose database went away says so
again when it is back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg
import structlog
from django.db import connection

from .connecting import own_connection
from .ids import hash64

#: seconds between looks whether the connection still stands
_EVERY = 5.0
#: seconds the end of a part waits for its presence to be given up
_PARTING = 5.0
_SPACE = 0x5061_7274

log = structlog.get_logger("charthouse.presence")


@contextmanager
def present(part: str) -> Iterator[None]:
    """Let others see that ``part`` runs while the block does; a thread with a connection of its own keeps it so."""
    stop = threading.Event()
    thread = threading.Thread(target=_stay, args=(part, stop), name=f"presence-{part}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=_PARTING)


def is_present(part: str) -> bool:
    """Whether a process runs ``part`` at this moment."""
    return bool(present_parts([part]))


def present_parts(parts: Iterable[str]) -> frozenset[str]:
    """Those of the parts that a process runs at this moment."""
    asked = {_number(part): part for part in parts}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid = %s AND objid::bigint = ANY(%s)",
            [_SPACE, list(asked)],
        )
        return frozenset(asked[number] for (number,) in cursor)


def _number(part: str) -> int:
    return hash64(part) & 0x7FFF_FFFF


def _stay(part: str, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            with own_connection() as held:
                held.execute("SELECT pg_advisory_lock_shared(%s, %s)", [_SPACE, _number(part)])
                while not stop.wait(_EVERY):
                    held.execute("SELECT 1")
                # Given up by word: a server lets go of a closed connection's locks a moment after it was closed.
                held.execute("SELECT pg_advisory_unlock_shared(%s, %s)", [_SPACE, _number(part)])
        except psycopg.Error:
            log.warning("presence waits for the database", part=part)
            stop.wait(_EVERY)
