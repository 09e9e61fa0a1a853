"""Threads of tests: work beside Playwright's event loop, in which Django refuses to use the database, and races."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
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


def together(acts: Sequence[Callable[[], object]]) -> Counter[str]:
    """Do all acts at once, each in a thread with a connection of its own; how often each outcome was met: ``done``,
    or the name of what was raised."""
    from django.db import connection

    gate = threading.Barrier(len(acts))
    results: list[str] = []

    def run(act: Callable[[], object]) -> None:
        try:
            connection.ensure_connection()
            gate.wait()
            act()
            results.append("done")
        except Exception as error:
            results.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(results)
