"""Papers and files: what a file is, told by its content alone, and whether it can be read.

A TIFF is read by no browser, so it is filed with a PDF of its pages before it; the TIFF itself stays as it came.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass

import pypdfium2 as pdfium
from PIL import Image, ImageSequence, UnidentifiedImageError

from charthouse.foundation.pdfium import turn

_DPI = 200
_UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError, EOFError)


class UnreadableScan(Exception):
    """The file cannot be filed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most bytes, pages, and points of a picture."""

    largest: int
    pages: int
    points: int


@dataclass(frozen=True, slots=True)
class Scan:
    """A file that can be read. ``shown`` is a PDF of its pages where browsers cannot show the file itself; None
    where they can. ``sha256`` is of the file, in hexadecimal."""

    media_type: str
    content: bytes
    pages: int
    sha256: str
    shown: bytes | None = None


def read_scan(content: bytes, limits: Limits) -> Scan:
    """What a file is. Raises UnreadableScan for one of another kind, damaged, protected, empty or too large."""
    if not content:
        raise UnreadableScan("The file is empty. Scan it again.")
    if len(content) > limits.largest:
        raise UnreadableScan(
            f"The file is larger than {limits.largest // 1_000_000} MB. Split it and file the parts."
        )
    shown = None
    if b"%PDF-" in content[:1024]:
        media_type, pages = "application/pdf", _pdf_pages(content)
    elif content[:4] in (b"II*\0", b"MM\0*"):
        media_type = "image/tiff"
        shown, pages = _tiff(content, limits)
    elif content[:3] == b"\xff\xd8\xff":
        media_type, pages = "image/jpeg", _picture(content, "JPEG", limits)
    elif content[:8] == b"\x89PNG\r\n\x1a\n":
        media_type, pages = "image/png", _picture(content, "PNG", limits)
    else:
        raise UnreadableScan("This is no PDF, TIFF, JPEG or PNG, whatever its name says. Save it as one of these.")
    if pages > limits.pages:
        raise UnreadableScan(
            f"The file has {pages} pages; {limits.pages} are the most. Split it and file the parts."
        )
    return Scan(media_type, content, pages, hashlib.sha256(content).hexdigest(), shown)


def _pdf_pages(content: bytes) -> int:
    with turn:
        try:
            document = pdfium.PdfDocument(content)
        except pdfium.PdfiumError:
            raise UnreadableScan(
                "The PDF cannot be opened: it is damaged, or a password protects it. Save it without one."
            ) from None
        try:
            pages = len(document)
            if pages:
                document[0].get_size()
        except pdfium.PdfiumError:
            raise UnreadableScan(
                "The first page of the PDF cannot be read: it is damaged. Scan it again."
            ) from None
        finally:
            document.close()
    if not pages:
        raise UnreadableScan("The PDF has no page. Scan it again.")
    return pages


def _opened(content: bytes, kind: str, limits: Limits) -> Image.Image:
    image = Image.open(io.BytesIO(content), formats=[kind])
    if image.width * image.height > limits.points:
        image.close()
        raise UnreadableScan(
            f"The picture has {image.width} × {image.height} points: too many. Scan it at 300 dots an inch."
        )
    return image


def _picture(content: bytes, kind: str, limits: Limits) -> int:
    """One page; the picture is read whole, so that a truncated one is found."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(content, kind, limits) as image:
                image.load()
    except _UNREADABLE:
        raise UnreadableScan("The picture is damaged or not whole. Scan it again.") from None
    return 1


def _tiff(content: bytes, limits: Limits) -> tuple[bytes, int]:
    """A PDF of a TIFF's pages, and how many they are. A page at a time, so that memory stays small."""
    made = 0
    parts: list[bytes] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(content, "TIFF", limits) as image:
                for frame in ImageSequence.Iterator(image):
                    made += 1
                    if made > limits.pages or frame.width * frame.height > limits.points:
                        raise UnreadableScan("The TIFF has too many pages or points. Split it and file the parts.")
                    page = io.BytesIO()
                    plain = frame if frame.mode in {"1", "L", "RGB"} else frame.convert("RGB")
                    plain.save(page, "PDF", resolution=float(_dpi(frame)))
                    parts.append(page.getvalue())
    except _UNREADABLE:
        raise UnreadableScan("The TIFF is damaged or not whole. Scan it again.") from None
    return _joined(parts), made


def _dpi(frame: Image.Image) -> float:
    said = frame.info.get("dpi")
    try:
        dots = float(said[0]) if said else 0.0
    except (TypeError, ValueError, ZeroDivisionError):
        dots = 0.0
    return dots if 50 <= dots <= 1200 else float(_DPI)


def _joined(parts: list[bytes]) -> bytes:
    if len(parts) == 1:
        return parts[0]
    with turn:
        whole = pdfium.PdfDocument.new()
        try:
            for part in parts:
                piece = pdfium.PdfDocument(part)
                whole.import_pages(piece)
                piece.close()
            written = io.BytesIO()
            whole.save(written)
        finally:
            whole.close()
    return written.getvalue()
