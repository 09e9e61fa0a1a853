"""Keeping Python's cycle collector from walking through what a batch is building."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Let the cycle collector rest within the block; nests. What a batch holds is freed by reference counts.

    A batch of a thousand resources makes hundreds of thousands of tuples, and the collector would walk all of them
    again and again: it took more than half of the time of parsing and indexing.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
