"""One request after the other in a process, as long as they are short.

Threads that want Python at the same time take it from each other at each answer of the database. Four short
requests side by side cost the processor a quarter more than one after the other, and the last of them is ready half
as late again. So each waits for its turn; a request that takes long is overtaken, and goes on beside those that
come after it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """What one thread has at a time, in the order they came; who has waited ``patience`` seconds goes ahead."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._under_way: threading.Lock | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and have it for the block."""
        place = threading.Lock()
        self._wait(place)
        try:
            yield
        finally:
            self._hand_on(place)

    def _wait(self, place: threading.Lock) -> None:
        with self._guard:
            if self._under_way is None:
                self._under_way = place
                return
            place.acquire()
            self._waiting.append(place)
        if place.acquire(timeout=self._patience):
            return
        with self._guard:
            # The turn may have been handed on in this very moment, and even been overtaken.
            if place in self._waiting:
                self._waiting.remove(place)
                self._under_way = place

    def _hand_on(self, place: threading.Lock) -> None:
        with self._guard:
            if self._under_way is not place:
                return  # overtaken
            self._under_way = self._waiting.popleft() if self._waiting else None
            if self._under_way:
                self._under_way.release()
