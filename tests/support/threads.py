"""Work beside Playwright's event loop, in which Django refuses to use the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def beside(work: Callable[[], Any]) -> Any:
    """What ``work`` gives, run in a thread of its own."""
    result: list[Any] = []

    def run() -> None:
        from django.db import connections

        try:
            result.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert result, "what was run in a thread failed; its traceback stands above"
    return result[0]
