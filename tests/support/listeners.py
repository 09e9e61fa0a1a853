"""The MLLP listener in a thread of the test, over the database the test uses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from charthouse.intake.connectors.mllp import MllpListener


@contextmanager
def listening(**given: Any) -> Iterator[int]:
    """A listener on a port of its own; its port. Ends it in order."""
    listener = MllpListener("127.0.0.1", 0, **given)
    loop = asyncio.new_event_loop()
    stop, ready = asyncio.Event(), asyncio.Event()
    heard = threading.Event()
    failed: list[BaseException] = []

    async def serve() -> None:
        task = asyncio.create_task(listener.serve(stop, ready))
        await asyncio.wait({task, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        heard.set()
        await task

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:
            failed.append(error)
        finally:
            heard.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert heard.wait(20)
    try:
        yield listener.port
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        assert not thread.is_alive()
        loop.close()
        if failed:
            raise failed[0]
