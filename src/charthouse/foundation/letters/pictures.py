"""Pictures that stand in a print: scans, and pages of a PDF."""

from __future__ import annotations

import base64
import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import typst
from PIL import Image, ImageSequence

#: Looking whether a picture can be drawn takes some 80 times its size in memory.
LARGEST = 2_000_000
#: What is redrawn before may be larger: a fax of many pages.
LARGEST_REDRAWN = 50_000_000
_PROBE = b"#set page(width: auto, height: auto)\n#image(bytes(json(bytes(sys.inputs.data))))"
#: A page of more points is not drawn. A page in colours or greys becomes as large as that of a PDF, one in black
#: and white, which stays small in bytes, as large as a fax.
_MOST_POINTS, _LONGEST_SIDE, _LONGEST_OF_TWO = 40_000_000, 1_600, 2_400
_MANY = ("TIFF", "GIF", "WEBP")
#: What Pillow raises of files that are damaged, or far too large.
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, struct.error, MemoryError, Image.DecompressionBombError)
_SIGNATURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
#: Start-of-frame markers of a JPEG (ISO/IEC 10918-1, table B.1), which hold its size.
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as a template takes it: its type, its size in pixels, and its bytes in base64."""

    media_type: str
    width: int
    height: int
    base64: str


def drawn(png: bytes) -> Picture:
    """A PNG that this program drew itself."""
    width, height = struct.unpack(">II", png[16:24])
    return Picture("image/png", width, height, base64.b64encode(png).decode())


def picture(content: bytes) -> Picture | None:
    """A received PNG or JPEG as it can be printed; None for another type, a damaged one, or one above LARGEST.

    The type is told by the bytes, never by what the sender says it is.
    """
    kind = next((kind for kind, signature in _SIGNATURES.items() if content.startswith(signature)), None)
    if kind is None or len(content) > LARGEST:
        return None
    size = _png_size(content) if kind == "image/png" else _jpeg_size(content)
    if size is None or 0 in size or not _can_be_drawn(content):
        return None
    return Picture(kind, *size, base64.b64encode(content).decode())


def pages_of(content: bytes, most: int) -> Iterator[Picture]:
    """The pages of a received TIFF, the first frame of a GIF or WebP, redrawn as PNG, at most ``most``; nothing for
    another type. Ends before a page that is damaged or has too many points.

    The type is told by the bytes, never by what the sender says it is.
    """
    if most < 1 or len(content) > LARGEST_REDRAWN:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=_MANY) as image:
                whole = image.format == "TIFF"
                for number, page in enumerate(ImageSequence.Iterator(image)):
                    if number == (most if whole else 1) or page.width * page.height > _MOST_POINTS:
                        return
                    yield drawn(_redrawn(page))
    except _DAMAGED:
        return


def page_drawn(content: bytes, number: int) -> bytes | None:
    """Page ``number`` (from 1) of a received TIFF, redrawn as PNG; None for another type, and for a page that it
    does not have, that is damaged or has too many points."""
    if number < 1 or len(content) > LARGEST_REDRAWN:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=("TIFF",)) as image:
                image.seek(number - 1)
                return _redrawn(image) if image.width * image.height <= _MOST_POINTS else None
    except _DAMAGED:
        return None


def page_number(content: bytes) -> int:
    """How many pages a TIFF has, 1 for a GIF or WebP; 0 for another type, or a damaged one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=_MANY) as image:
                return getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    except _DAMAGED:
        return 0


def _redrawn(page: Image.Image) -> bytes:
    """A page as PNG: black and white stays so, what lets the ground through stands on white."""
    if page.mode not in ("1", "L", "RGB"):
        seen = page.convert("RGBA")
        page = Image.new("RGB", seen.size, "white")
        page.paste(seen, mask=seen)
    if max(page.size) > (_LONGEST_OF_TWO if page.mode == "1" else _LONGEST_SIDE):
        page = page.convert("L") if page.mode == "1" else page.copy()
        page.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    written = io.BytesIO()
    page.save(written, "PNG")
    return written.getvalue()


def _png_size(content: bytes) -> tuple[int, int] | None:
    if len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 1 if marker == 0xFF else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None


def _can_be_drawn(content: bytes) -> bool:
    try:
        typst.compile(
            _PROBE,
            ignore_system_fonts=True,
            format="svg",
            sys_inputs={"data": orjson.dumps(list(content)).decode()},
        )
    except typst.TypstError:
        return False
    return True
