"""Connections lent to requests, the one used last first.

Of a worker's threads any may answer the next request. Were a connection each thread's own, all of them would be
in use in turns, and each of PostgreSQL's processes would find its plans and pages gone from the processor's cache.
Lent this way as many connections work as requests are under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

_free: list[BaseDatabaseWrapper] = []


@contextmanager
def lent_connection() -> Iterator[Callable[[], None]]:
    """Lend this thread a connection for the block. Called within it, the function that is yielded keeps the
    connection for this thread from then on: for an answer that goes on after the block."""
    if any(connections.all(initialized_only=True)):
        yield lambda: None
        return
    try:
        lent = _free.pop()
    except IndexError:
        lent = connections.create_connection(DEFAULT_DB_ALIAS)
        lent.inc_thread_sharing()
    connections[DEFAULT_DB_ALIAS] = lent
    kept: list[bool] = []
    try:
        yield lambda: kept.append(True)
    finally:
        if not kept:
            del connections[DEFAULT_DB_ALIAS]
            _free.append(lent)
