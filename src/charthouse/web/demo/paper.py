"""Paper: a plain PDF of a text, and a scan of one (the page drawn, tilted and soiled, as a picture)."""

from __future__ import annotations

import random
import struct
import textwrap
import zlib
from collections.abc import Iterable

import pypdfium2 as pdfium

_WIDTH, _HEIGHT = 612, 792  # US letter, in points
_SIZE, _LEADING, _MARGIN = 10, 13, 60
_LINES = (_HEIGHT - 2 * _MARGIN - 30) // _LEADING
_COLUMNS = 82


def pdf(words: str, *, heading: str) -> bytes:
    """A PDF of as many pages as ``words`` need, in Courier, ``heading`` on each."""
    lines = [part for line in words.strip().splitlines() for part in (textwrap.wrap(line, _COLUMNS) or [""])]
    pages = [lines[start : start + _LINES] for start in range(0, len(lines), _LINES)] or [[]]
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>"]
    kids = []
    for position, page in enumerate(pages, 1):
        drawn = _drawn(page, f"{heading}   page {position} of {len(pages)}")
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {_WIDTH} {_HEIGHT}] /Contents {len(objects)} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    return _file(objects)


def _drawn(lines: Iterable[str], heading: str) -> str:
    begin = f"BT /F1 {_SIZE} Tf {_LEADING} TL {_MARGIN} {_HEIGHT - _MARGIN} Td"
    shown = [f"({_escaped(heading)}) Tj T* T*", *(f"({_escaped(line)}) Tj T*" for line in lines)]
    return "\n".join([begin, *shown, "ET"])


def _escaped(line: str) -> str:
    plain = line.encode("latin-1", "replace").decode("latin-1")
    return plain.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _file(objects: list[str]) -> bytes:
    """The objects, their cross-reference table and trailer (ISO 32000-1, 7.5)."""
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for position, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{position} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(out)
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def scan(words: str, *, heading: str, seed: str) -> bytes:
    """The first page of ``words`` as a PNG of a flatbed scan: 100 dots an inch, four greys, tilted, with specks."""
    document = pdfium.PdfDocument(pdf(words, heading=heading))
    bitmap = document[0].render(scale=100 / 72, grayscale=True)
    width, height, stride = bitmap.width, bitmap.height, bitmap.stride
    pixels = bytes(bitmap.buffer)
    document.close()
    chance = random.Random(seed)  # noqa: S311 (dirt on paper, the same at each run)
    tilt = chance.choice((-1, 1)) * chance.uniform(0.006, 0.012)
    rows = []
    for y in range(height):
        shift = round((y - height / 2) * tilt)
        row = pixels[y * stride : y * stride + width]
        rows.append(b"\xff" * shift + row[: width - shift] if shift >= 0 else row[-shift:] + b"\xff" * -shift)
    page = bytearray(b"".join(rows))
    for _ in range(260):
        page[chance.randrange(len(page))] = chance.choice((0x40, 0x90))
    return _png(bytes(page), width, height)


def _png(page: bytes, width: int, height: int) -> bytes:
    """A PNG (ISO/IEC 15948) of four greys."""
    level = bytes(min(3, value // 64) for value in range(256))
    shades = page.translate(level)
    rows = bytearray()
    for y in range(height):
        row = shades[y * width : (y + 1) * width].ljust(-(-width // 4) * 4, b"\x03")
        rows.append(0)
        rows += bytes(
            (a << 6) | (b << 4) | (c << 2) | d
            for a, b, c, d in zip(row[::4], row[1::4], row[2::4], row[3::4], strict=True)
        )
    header = struct.pack(">IIBBBBB", width, height, 2, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
