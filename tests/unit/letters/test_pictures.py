"""Pictures of a print: what they are is told by their bytes, and a damaged one is refused."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from charthouse.foundation.letters.api import drawn, page_number, pages_of, picture
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


def written(kind: str, *pages: Image.Image) -> bytes:
    """Pages in a file of a kind."""
    file = io.BytesIO()
    more = {"save_all": True, "append_images": pages[1:]} if len(pages) > 1 else {}
    pages[0].save(file, kind, **more)
    return file.getvalue()


def test_each_page_of_a_tiff_is_drawn_and_no_more_than_asked() -> None:
    fax = written(
        "TIFF", Image.new("1", (1728, 2200), 1), Image.new("RGB", (60, 40), "red"), Image.new("L", (5, 5))
    )
    assert page_number(fax) == 3
    assert [(each.width, each.height) for each in pages_of(fax, 60)] == [(1728, 2200), (60, 40), (5, 5)]
    assert len(list(pages_of(fax, 2))) == 2 and list(pages_of(fax, 0)) == []


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_of_what_moves_the_first_frame_is_drawn(kind: str) -> None:
    moving = written(kind, Image.new("RGB", (9, 7), "red"), Image.new("RGB", (9, 7), "blue"))
    assert page_number(moving) == 1
    (shown,) = pages_of(moving, 60)
    assert (shown.media_type, shown.width, shown.height) == ("image/png", 9, 7)


def test_a_large_page_is_made_smaller_and_what_is_clear_stands_on_white() -> None:
    import base64

    (large,) = pages_of(written("TIFF", Image.new("RGB", (4800, 1200), "red")), 1)
    assert (large.width, large.height) == (1600, 400)
    (clear,) = pages_of(written("WEBP", Image.new("RGBA", (8, 8), (0, 0, 0, 0))), 1)
    with Image.open(io.BytesIO(base64.b64decode(clear.base64))) as image:
        assert image.getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize(
    "content", [b"", b"II*\x00", b"GIF89a" + b"\0" * 60, b"RIFF\x20\0\0\0WEBPVP8 ", png()], ids=repr
)
def test_what_is_damaged_or_of_another_kind_has_no_pages(content: bytes) -> None:
    assert list(pages_of(content, 60)) == []


def test_a_tiff_that_is_cut_off_shows_what_is_whole() -> None:
    fax = written("TIFF", Image.effect_noise((300, 300), 90))
    assert list(pages_of(fax[:20_000], 60)) == []
