"""Waking a pump: LISTEN where news comes, and a poll where a notification was spared or lost.

PostgreSQL serializes the commits of all transactions that notify, so a busy process notifies a channel at most
once in ``NOTIFY_EVERY`` seconds; what it does not announce is found by the next poll.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from django.db import close_old_connections, connection
from psycopg import sql

from .connecting import own_connection

__all__ = ["NOTIFY_EVERY", "POLL", "Listener", "notify", "run_pump"]

#: seconds between two notifications of one channel by one process
NOTIFY_EVERY = 0.1
#: seconds after which a pump looks by itself
POLL = 0.5
#: seconds a pump waits after a failure; doubled each time up to the second number
_FAILED_WAIT, _FAILED_WAIT_MOST = 0.5, 30.0

log = structlog.get_logger("charthouse.pump")
_last: dict[str, float] = {}
_lock = threading.Lock()


def notify(channel: str) -> None:
    """Wake the listeners of ``channel`` when the current transaction commits, unless they were just woken."""
    present = time.monotonic()
    with _lock:
        if present - _last.get(channel, float("-inf")) < NOTIFY_EVERY:
            return
        _last[channel] = present
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [channel])


class Listener:
    """A connection of its own that waits for one channel. Close it, or use it in a ``with`` block."""

    def __init__(self, channel: str) -> None:
        self._connection = own_connection()
        self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    def wait(self, seconds: float) -> bool:
        """Whether news came within ``seconds``. Raises psycopg.OperationalError when the server is gone."""
        return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run_pump(
    name: str, channel: str, step: Callable[[], int], stop: threading.Event, *, poll: float = POLL
) -> None:
    """Call ``step`` until ``stop`` is set; it returns how much it did, and 0 lets the pump sleep until news comes.

    Survives a lost database: it logs, waits longer each time, and connects again.
    """
    wait = _FAILED_WAIT
    while not stop.is_set():
        try:
            with Listener(channel) as listener:
                while not stop.is_set():
                    done = step()
                    wait = _FAILED_WAIT
                    if not done:
                        listener.wait(poll)
        except Exception:
            log.exception("pump failed and starts again", part=name, seconds=wait)
            stop.wait(wait)
            wait = min(wait * 2, _FAILED_WAIT_MOST)
        finally:
            close_old_connections()
    connection.close()
