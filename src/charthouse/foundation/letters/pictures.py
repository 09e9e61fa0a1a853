"""Pictures that stand in a print: scans, and pages of a PDF."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass

import orjson
import typst

#: Looking whether a picture can be drawn takes some 80 times its size in memory.
LARGEST = 2_000_000
_PROBE = b"#set page(width: auto, height: auto)\n#image(bytes(json(bytes(sys.inputs.data))))"
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
