"""Pictures of a print: what they are is told by their bytes, and a damaged one is refused."""

from __future__ import annotations

import struct
import zlib

import pytest

from charthouse.foundation.letters.api import drawn, picture
from charthouse.foundation.letters.pictures import LARGEST


def png(width: int = 5, height: int = 3) -> bytes:
    """A grey PNG (ISO/IEC 15948)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress(b"".join(b"\0" + b"\x7f" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_picture_knows_its_size() -> None:
    found = picture(png(5, 3))
    assert found is not None and (found.media_type, found.width, found.height) == ("image/png", 5, 3)
    assert drawn(png(5, 3)) == found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        png()[:40],
        png(0, 3),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0" + b"\xff" * 600,
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"GIF89a" + b"\0" * 60,
        png() + b"\0" * LARGEST,
    ],
    ids=["empty", "no head", "cut off", "no width", "jpeg head", "jpeg noise", "svg", "gif", "too large"],
)
def test_what_cannot_be_drawn_is_refused(content: bytes) -> None:
    assert picture(content) is None
