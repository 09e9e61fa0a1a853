"""Running jobs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection

from procrastinate.app import WorkerOptions

from . import engine

#: seconds a stopping worker waits for running jobs before it lets go of them; they run again later
GRACE = 20.0


def run_worker(
    stop: threading.Event | None = None,
    *,
    concurrency: int = 2,
    queues: Collection[str] | None = None,
    wait: bool = True,
) -> None:
    """Do jobs until ``stop`` is set; with ``wait=False``, until none is waiting.

    Each job runs in a thread with a database connection of its own. The app's job modules must be imported before
    (:func:`charthouse.foundation.jobs.api.declare_all`). Signals are left to the caller.
    """

    options: WorkerOptions = {
        "concurrency": concurrency,
        "wait": wait,
        "listen_notify": wait,
        "install_signal_handlers": False,
        "shutdown_graceful_timeout": GRACE,
        "fetch_job_polling_interval": 2.0,
    }
    if queues is not None:
        options["queues"] = list(queues)

    async def run() -> None:
        with engine.worker_app() as app:
            async with app.open_async():
                working = asyncio.create_task(app.run_worker_async(**options))
                while stop is not None and not stop.is_set() and not working.done():
                    await asyncio.wait({working}, timeout=0.2)
                if stop is not None and not working.done():
                    working.cancel()
                try:
                    await working
                except asyncio.CancelledError:
                    if stop is None or not stop.is_set():
                        raise

    asyncio.run(run())
