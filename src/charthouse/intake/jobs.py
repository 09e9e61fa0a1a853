"""The workers' loops: file what waits, watch the drop folder."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import structlog
from django.db import DatabaseError, connection

from charthouse.foundation.logging import where

from .actions.file_waiting import file_waiting
from .actions.take_in import WAKE

log = structlog.get_logger("charthouse.intake")

#: Seconds between looks at the queue when nobody wakes the worker.
_POLL = 2.0
_BACK_OFF = 1.0


def run_filing(stop: threading.Event, progress: Callable[[int], None] | None = None) -> None:
    """File waiting messages until ``stop`` is set. Survives a database that goes away and comes back."""
    while not stop.is_set():
        try:
            filed = file_waiting()
            if filed:
                if progress:
                    progress(len(filed))
                continue
            _wait(stop)
        except (DatabaseError, psycopg.Error) as error:
            log.warning("filing waits for the database", error=where(error))
            connection.close()
            stop.wait(_BACK_OFF)


def _wait(stop: threading.Event) -> None:
    """Sleep until a message is kept, the poll is due, or ``stop`` is set."""
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {WAKE}")
        raw = connection.connection
        waited = 0.0
        while waited < _POLL and not stop.is_set():
            if any(True for _ in raw.notifies(timeout=0.5, stop_after=1)):
                return
            waited += 0.5
