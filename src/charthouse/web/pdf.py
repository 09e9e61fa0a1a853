"""Pages of a PDF as images and text. PDFium works for one thread at a time, so the calls take turns."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pypdfium2 as pdfium

from charthouse.foundation.pdfium import turn

LARGEST = 2400
TEXT_PAGES = 30
MARKED_PAGES = 100
_SCALE = 1.75


class UnreadablePage(Exception):
    """The file is no PDF that can be read, or has no such page."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How many pages a PDF has, and the text in them; the text is empty for a scan without one, and for a PDF of
    more than TEXT_PAGES pages."""

    pages: int
    text: str


@contextmanager
def _opened(content: bytes) -> Iterator[pdfium.PdfDocument]:
    with turn:
        try:
            document = pdfium.PdfDocument(content)
        except pdfium.PdfiumError as error:
            raise UnreadablePage("This file cannot be read as a PDF; it can still be downloaded.") from error
        try:
            yield document
        finally:
            document.close()


def page_count(content: bytes) -> int:
    """How many pages a PDF has. Raises UnreadablePage."""
    with _opened(content) as document:
        return len(document)


def reading(content: bytes) -> Reading:
    """The pages and the text of a PDF. Raises UnreadablePage."""
    with _opened(content) as document:
        pages = len(document)
        if pages > TEXT_PAGES:
            return Reading(pages, "")
        try:
            texts = [document[number].get_textpage().get_text_bounded().strip() for number in range(pages)]
        except pdfium.PdfiumError:
            texts = []
    return Reading(pages, "\n\n".join(filter(None, texts)))


def page_text(content: bytes, number: int) -> str:
    """The text of page ``number`` (from 1); empty for a scan without one, and where it cannot be read. Raises
    UnreadablePage for a file that is no PDF."""
    with _opened(content) as document:
        try:
            return str(document[number - 1].get_textpage().get_text_bounded()).strip()
        except (pdfium.PdfiumError, IndexError):
            return ""


@dataclass(frozen=True, slots=True)
class FoundOnPage:
    """Where something stands on a page: boxes of left, top, width and height in points, from its upper left."""

    page: int
    width: float
    height: float
    boxes: list[tuple[float, float, float, float]]


def found_on_pages(content: bytes, places: Callable[[str], list[tuple[int, int]]]) -> list[FoundOnPage]:
    """Boxes around what ``places`` finds in the text of each page (from and to in characters); pages without any
    are left out, as is what lies beyond MARKED_PAGES. Nothing for a file that is no PDF."""
    found: list[FoundOnPage] = []
    number = 0
    while number < MARKED_PAGES:
        # Others may use PDFium between two pages.
        try:
            with _opened(content) as document:
                if number >= len(document):
                    break
                found += _found(document, number, places)
        except (UnreadablePage, pdfium.PdfiumError):
            break
        number += 1
    return found


def _found(
    document: pdfium.PdfDocument, number: int, places: Callable[[str], list[tuple[int, int]]]
) -> Iterator[FoundOnPage]:
    page = document[number]
    text = page.get_textpage()
    width, height = page.get_size()
    boxes = []
    for start, end in places(text.get_text_range()):
        for each in range(text.count_rects(start, end - start)):
            left, bottom, right, top = text.get_rect(each)
            boxes.append(
                (round(left, 1), round(height - top, 1), round(right - left, 1), round(top - bottom, 1))
            )  # fmt: skip
    if boxes:
        yield FoundOnPage(number + 1, round(width, 1), round(height, 1), boxes)


def page_image(content: bytes, number: int) -> bytes:
    """Page ``number`` (from 1) as a PNG of 126 dots an inch, never more than LARGEST pixels on a side. Raises
    UnreadablePage."""
    with _opened(content) as document:
        if not 1 <= number <= len(document):
            raise UnreadablePage(f"The document has {len(document)} pages, and no page {number}.")
        try:
            page = document[number - 1]
            width, height = page.get_size()
            bitmap = page.render(
                scale=min(_SCALE, LARGEST / max(width, height, 1)), rev_byteorder=True, prefer_bgrx=False
            )
        except pdfium.PdfiumError as error:
            raise UnreadablePage(f"Page {number} cannot be drawn; the file can still be downloaded.") from error
        return _png(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride, bitmap.n_channels)


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
