"""Files and streams, plain or compressed; the compression is told by the first bytes, never by the name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from charthouse.exchange.fhir.errors import FhirError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER = 1 << 18


class Readable(Protocol):
    """All that is asked of a stream."""

    def read(self, size: int = -1, /) -> bytes: ...


class _Source(io.RawIOBase):
    """A readable thing of any kind as a raw stream, with the bytes already taken from it put back in front."""

    def __init__(self, stream: Readable, head: bytes = b"", *, owned: bool = False) -> None:
        self._stream = stream
        self._head = head
        self._owned = owned

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        if not self._head:
            return self._read_into(view)
        data, self._head = self._head[: len(view)], self._head[len(view) :]
        view[: len(data)] = data
        return len(data)

    def _read_into(self, view: memoryview) -> int:
        if isinstance(self._stream, io.BufferedReader | io.BytesIO):
            return self._stream.readinto(view)
        data = self._stream.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._owned and not self.closed:
            cast("io.IOBase", self._stream).close()
        super().close()


class _Unpacked(_Source):
    """A decompressing stream whose damage is told as a :class:`FhirError`."""

    def _read_into(self, view: memoryview) -> int:
        try:
            return super()._read_into(view)
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise FhirError("The compressed data is damaged or cut short; send the file again.") from error
        except OSError as error:
            if error.errno is not None:  # the disk or the network, not the content
                raise
            raise FhirError("The compressed data is damaged; send the file again.") from error
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            raise FhirError("The compressed data is damaged; send the file again.") from error


_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"


def is_compressed(data: bytes) -> bool:
    """Whether ``data`` begins as gzip, bzip2, xz or Zstandard does."""
    return data.startswith((_GZIP, _BZIP2, _XZ, _ZSTD))


def _unpack(head: bytes, source: io.BufferedReader) -> Readable | None:
    """The decompressing reader over ``source`` that ``head`` asks for, ``None`` where it is plain."""
    if head.startswith(_GZIP):
        return gzip.GzipFile(fileobj=source, mode="rb")
    if head.startswith(_BZIP2):
        return bz2.BZ2File(source)
    if head.startswith(_XZ):
        return lzma.LZMAFile(source)
    if head.startswith(_ZSTD):
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        return cast("Readable", decompressor.stream_reader(source, read_across_frames=True))
    return None


def open_stream(source: str | Path | Readable) -> io.BufferedReader:
    """Open a file by path, or take a stream of bytes, and read it decompressed (gzip, bzip2, xz, Zstandard, plain).

    A file opened here is closed with the stream; a stream given stays its owner's to close.
    Raises :class:`FhirError` while reading where compressed data is damaged, ``OSError`` where reading fails.
    """
    owned = isinstance(source, str | Path)
    stream: Readable = Path(source).open("rb") if isinstance(source, str | Path) else source  # noqa: SIM115
    head = b""
    while len(head) < 6 and (more := stream.read(6 - len(head))):
        head += more
    plain: io.BufferedReader = io.BufferedReader(_Source(stream, head, owned=owned), BUFFER)
    unpacked = _unpack(head, plain)
    if unpacked is None:
        return plain
    return io.BufferedReader(_Unpacked(_Chain(unpacked, plain), owned=True), BUFFER)


class _Chain:
    """A decompressing reader and the stream beneath it, closed together."""

    def __init__(self, reader: Readable, beneath: io.BufferedReader) -> None:
        self.read = reader.read
        self._reader = reader
        self._beneath = beneath

    def close(self) -> None:
        cast("io.IOBase", self._reader).close()
        self._beneath.close()
