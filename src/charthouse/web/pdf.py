"""Pages of a PDF as images. PDFium works for one thread at a time, so the calls take turns."""

from __future__ import annotations

import struct
import threading
import zlib

import pypdfium2 as pdfium

LARGEST = 2400
_SCALE = 1.75
_turn = threading.Lock()


class UnreadablePage(Exception):
    """The file is no PDF that can be read, or has no such page."""


def page_image(content: bytes, number: int) -> bytes:
    """Page ``number`` (from 1) as a PNG of 126 dots an inch, never more than LARGEST pixels on a side. Raises
    UnreadablePage."""
    with _turn:
        try:
            document = pdfium.PdfDocument(content)
        except pdfium.PdfiumError as error:
            raise UnreadablePage("This file cannot be read as a PDF; it can still be downloaded.") from error
        try:
            if not 1 <= number <= len(document):
                raise UnreadablePage(f"The document has {len(document)} pages, and no page {number}.")
            page = document[number - 1]
            width, height = page.get_size()
            scale = min(_SCALE, LARGEST / max(width, height, 1))
            bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
            pixels, channels = bytes(bitmap.buffer), bitmap.n_channels
            return _png(pixels, bitmap.width, bitmap.height, bitmap.stride, channels)
        finally:
            document.close()


def _png(pixels: bytes, width: int, height: int, stride: int, channels: int) -> bytes:
    """PNG (ISO/IEC 15948) of 8-bit grey, RGB or RGBA rows, unfiltered."""
    colour = {1: 0, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + pixels[row * stride : row * stride + width * channels] for row in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")
    )
