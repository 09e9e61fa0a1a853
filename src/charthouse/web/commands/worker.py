"""``charthouse worker``: events to their consumers, messages to other systems, seals on the ledger, the index of
words, and jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog
from django.db import close_old_connections, connection

from charthouse.foundation import logging
from charthouse.foundation.events import api as events
from charthouse.foundation.jobs import api as jobs
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.outbox import api as outbox
from charthouse.foundation.processes import stop_on_signals
from charthouse.foundation.rulepacks import api as rulepacks
from charthouse.record import api as record

#: Seconds between two rounds of sealing.
SEAL_EVERY = 2.0
_LONGEST_PAUSE = 60.0

#: The queue of jobs that may take hours; it has a worker of its own, so that no other job waits for them.
_LONG = "exports"

log = structlog.get_logger("charthouse.worker")


def work() -> None:
    """Work until stopped."""
    logging.configure()
    rulepacks.load()
    jobs.declare_all()
    run_parts(
        {
            "events": lambda stop: events.pump(events.registered(), stop),
            "outbox": outbox.pump,
            "sealer": seal,
            "texts": record.run_text_index,
            "jobs": lambda stop: jobs.run_worker(stop, queues={task.queue for task in jobs.tasks()} - {_LONG}),
            "exports": lambda stop: jobs.run_worker(stop, queues={_LONG}, concurrency=1),
        },
        stop_on_signals(),
    )


def run_parts(parts: Mapping[str, Callable[[threading.Event], None]], stop: threading.Event) -> None:
    """Run each part in a thread of its own until ``stop`` is set. A part that fails is logged and runs again after
    a pause that grows to a minute."""

    def keep_running(name: str, part: Callable[[threading.Event], None]) -> None:
        pause = 0.5
        while not stop.is_set():
            try:
                part(stop)
            except Exception:
                log.exception("part failed and starts again", part=name, seconds=pause)
                stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            finally:
                close_old_connections()
        connection.close()

    threads = [threading.Thread(target=keep_running, args=item, name=item[0]) for item in parts.items()]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join()


def seal(stop: threading.Event) -> None:
    """Seal what was appended, every two seconds, and once more at the end."""
    while not stop.wait(SEAL_EVERY):
        ledger.seal_all()
    ledger.seal_all()
