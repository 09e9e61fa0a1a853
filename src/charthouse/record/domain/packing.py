"""The stored form of resources and originals: one zstd frame each."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import zstandard


class _Tools(threading.local):
    """A thread's own: neither a compressor nor a decompressor may serve two threads at once."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=1, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor()


_tools = _Tools()


def compress(content: bytes) -> bytes:
    """The stored form of a resource's or original's bytes."""
    return _tools.compressor.compress(content)


def decompress_all(stored: Sequence[bytes]) -> list[bytes]:
    """The bytes behind many of :func:`compress`, at a fraction of the cost of one by one."""
    if not stored:
        return []
    pieces = _tools.decompressor.multi_decompress_to_buffer(list(stored))
    return [pieces[number].tobytes() for number in range(len(stored))]


def decompress(stored: bytes | memoryview) -> bytes:
    """The bytes behind :func:`compress`."""
    return _tools.decompressor.decompress(stored)
