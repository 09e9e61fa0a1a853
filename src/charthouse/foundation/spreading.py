"""Work that is spread over the processors of this machine."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from django.db import connections

from .memory import without_collection

T = TypeVar("T")
R = TypeVar("R")


def spread(work: Callable[[T], R], pieces: Sequence[T]) -> Iterator[R]:
    """What ``work``, a function of a module, makes of each piece, in their order: in a process for each processor,
    each with connections of its own; in this process where there is one processor or piece, or where this process
    has threads and so cannot be forked. Not to be called within a transaction."""
    cores = min(os.cpu_count() or 1, len(pieces))
    if cores < 2 or sys.platform != "linux" or threading.active_count() > 1:
        yield from map(work, pieces)
        return
    connections.close_all()
    # What all of them have from this process lives as long as they do: the cycle collector need not walk it, nor
    # write into its pages.
    with multiprocessing.get_context("fork").Pool(cores, gc.freeze) as pool:
        yield from pool.imap(partial(_worked, work), pieces)


def _worked(work: Callable[[T], R], piece: T) -> R:
    """What comes of one piece, the cycle collector at rest meanwhile."""
    with without_collection():
        return work(piece)
