"""The stored form of resources and originals: one zstd frame each."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

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


def decompress(stored: bytes | memoryview) -> bytes:
    """The bytes behind :func:`compress`."""
    return _tools.decompressor.decompress(stored)


_EMPTY = compress(b"")


@dataclass(frozen=True, slots=True)
class Packed:
    """The stored forms of many, one behind the other, and how many bytes each has."""

    data: bytes
    sizes: array[int]

    def contents(self) -> list[bytes]:
        """The bytes behind each, at a fraction of the cost of one by one."""
        count = len(self.sizes)
        if self.data == _EMPTY * count:  # with nothing at all to unpack the library crashes
            return [b""] * count
        places = array("Q", bytes(16 * count))  # of each where it begins and its size
        places[0::2] = array("Q", accumulate(self.sizes[:-1], initial=0))
        places[1::2] = array("Q", self.sizes)
        frames = zstandard.BufferWithSegments(self.data, places.tobytes())
        pieces = _tools.decompressor.multi_decompress_to_buffer(frames)
        return [pieces[number].tobytes() for number in range(count)]

    def taken(self, numbers: Iterable[int]) -> Packed:
        """Some of them, by their numbers and in that order."""
        ends = list(accumulate(self.sizes))
        some = list(numbers)
        parts = [self.data[ends[number] - self.sizes[number] : ends[number]] for number in some]
        return Packed(b"".join(parts), array("Q", map(len, parts)))
