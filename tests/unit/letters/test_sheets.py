"""Pages of files laid into a letter: as they are, each on a page of its own, readable back."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pikepdf
import pypdfium2 as pdfium
import pytest
from PIL import Image

from charthouse.foundation.letters.api import (
    Letter,
    Letterhead,
    PagedFile,
    UnreadableFile,
    laid,
    render_with_places,
)
from charthouse.web.demo.paper import pdf
from tests.support.readers import pages

#: A picture that stands on its side.
TURNED = Image.Exif()
TURNED[0x0112] = 6

AT = datetime(2026, 3, 6, 9, 30, tzinfo=UTC)


def letter(**counts: int) -> Letter:
    """A letter with so many sheets for each name."""
    sheets = [
        {
            "kind": "sheet",
            "name": f"{name}-{number}",
            "caption": f"{name}, page {number + 1}",
            "alt": "What it says.",
        }
        for name, count in counts.items()
        for number in range(count)
    ]
    parts = [{"kind": "prose", "text": "Before"}, *sheets, {"kind": "prose", "text": "After"}]
    return Letter(
        template="web/document", title="A letter", letterhead=Letterhead("Mercy"), by="R. Vale", at="now",
        instant=AT, use="For use here.", content={"left_out": [], "parts": parts},
    )  # fmt: skip


def laid_in(**contents: bytes) -> bytes:
    files = {name: PagedFile(content) for name, content in contents.items()}
    content, places = render_with_places(letter(**{name: each.count for name, each in files.items()}))
    return laid(content, files, places, {"manifest.json": b"{}"})


def picture(format: str, mode: str = "RGB", size: tuple[int, int] = (300, 200), **more: Any) -> bytes:
    written = io.BytesIO()
    Image.new(mode, size, "red" if mode == "RGB" else 0).save(written, format, **more)
    return written.getvalue()


def test_pages_of_a_pdf_stand_whole_on_pages_of_their_own_with_their_text() -> None:
    lines = "\n".join(f"Line {number} of the scan." for number in range(100))
    scan = pdf(lines, heading="SCANNED")
    read = pages(laid_in(scan=scan))
    count = len(pages(scan))
    assert count > 1 and len(read) == count + 2
    for number in range(count):
        assert f"SCANNED page {number + 1}" in " ".join(read[number + 1].split())
        assert f"Page {number + 2} of {count + 2}" in " ".join(read[number + 1].split())
    assert "Line 99 of the scan." in read[count] and "After" in read[-1]


def test_what_is_laid_in_keeps_within_its_place_and_its_sides() -> None:
    content = laid_in(wide=picture("PNG", size=(400, 100)))
    page = pdfium.PdfDocument(content)[1]
    drawn = page.render(scale=1).to_pil().convert("RGB")
    red = [
        (x, y)
        for x in range(drawn.width)
        for y in range(0, drawn.height, 4)
        if drawn.getpixel((x, y)) == (255, 0, 0)
    ]
    left, right = min(x for x, _ in red), max(x for x, _ in red)
    top, bottom = min(y for _, y in red), max(y for _, y in red)
    assert left >= 45 and right <= 567 and top >= 80 and bottom <= 735
    assert (right - left) / (bottom - top + 4) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(
    "content",
    [
        picture("JPEG"),
        picture("JPEG", exif=TURNED),
        picture("PNG", "RGBA"),
        picture("PNG", "P"),
        picture("PNG", "1"),
        picture("TIFF", "1", compression="group4"),
        picture("GIF", "P"),
        picture("WEBP"),
    ],
    ids=["jpeg", "turned", "alpha", "palette", "two", "fax", "gif", "webp"],
)  # fmt: skip
def test_every_kind_of_picture_is_a_page(content: bytes) -> None:
    assert len(pages(laid_in(one=content))) == 3


def test_each_page_of_a_fax_is_a_page() -> None:
    more = [Image.new("1", (200, 300), 1) for _ in range(3)]
    written = io.BytesIO()
    more[0].save(written, "TIFF", save_all=True, append_images=more[1:])
    assert PagedFile(written.getvalue()).count == 3
    assert len(pages(laid_in(fax=written.getvalue()))) == 5


def test_several_files_and_what_is_attached() -> None:
    content = laid_in(one=pdf("First", heading="ONE"), two=pdf("Second", heading="TWO"))
    read = pages(content)
    assert "First" in read[1] and "Second" in read[2]
    with pikepdf.open(io.BytesIO(content)) as opened:
        assert opened.attachments["manifest.json"].get_file().read_bytes() == b"{}"


def test_the_same_is_the_same_file() -> None:
    scan = pdf("Text", heading="ONE")
    assert laid_in(one=scan) == laid_in(one=scan)


def _protected() -> bytes:
    with pikepdf.open(io.BytesIO(pdf("Secret", heading="X"))) as opened:
        written = io.BytesIO()
        opened.save(written, encryption=pikepdf.Encryption(owner="a", user="b"))
        return written.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04 a document of another program", "no PDF and no picture"),
        (b"", "no PDF and no picture"),
        (b"%PDF-1.7 and nothing more", "cannot be read as a PDF"),
        (picture("PNG")[:60], "no PDF and no picture"),
        (_protected(), "password"),
    ],
    ids=["zip", "empty", "no-pdf", "cut", "protected"],
)
def test_what_cannot_be_laid_in_is_said_in_words(content: bytes, why: str) -> None:
    with pytest.raises(UnreadableFile, match=why):
        PagedFile(content)
