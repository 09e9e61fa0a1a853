"""Reading scanned pages by machine (tesseract), where a site has switched it on.

What a machine reads is never taken for what somebody wrote: it is kept apart from the document, is marked wherever
it is shown or found, and changes nothing of the document.
"""

from __future__ import annotations

import functools
import io
import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator, Sequence

import pypdfium2 as pdfium
from django.db import connection
from PIL import Image, ImageSequence

from charthouse.configuration import configuration
from charthouse.foundation.pdfium import turn

#: Pages of one part that are read, seconds for a page, points of a page, and dots an inch at which a PDF is drawn.
MOST_PAGES, PAGE_SECONDS, _MOST_POINTS, _DPI = 200, 120, 60_000_000, 200
_IMAGES = frozenset({"image/png", "image/jpeg", "image/tiff", "image/gif", "image/webp", "image/bmp"})


class NoReader(Exception):
    """There is no tesseract on this machine, or not for a language that is set."""


def scanned(media_type: str) -> bool:
    """Whether a part of this type may be a scan, whose text only a machine could read."""
    plain = media_type.partition(";")[0].strip().lower()
    return plain == "application/pdf" or plain in _IMAGES


def reader() -> str:
    """The path of tesseract; empty where there is none."""
    return shutil.which("tesseract") or ""


@functools.lru_cache(maxsize=1)
def engine() -> str:
    """What reads, with its version: "tesseract 5.3.0". Raises NoReader."""
    answer = _tesseract("--version")
    return " ".join(answer.splitlines()[0].split()[:2])


def languages() -> list[str]:
    """The languages tesseract has data for. Raises NoReader."""
    return _tesseract("--list-langs").splitlines()[1:]


def _tesseract(argument: str) -> str:
    path = reader()
    if not path:
        raise NoReader("There is no tesseract on this machine; Debian has it as tesseract-ocr.")
    found = subprocess.run([path, argument], capture_output=True, text=True, timeout=30, check=False)
    return found.stdout or found.stderr


def read_pages(content: bytes, media_type: str) -> Iterator[str]:
    """The text of each page of a scan, empty where a page has none or cannot be drawn. Raises NoReader."""
    path = reader()
    if not path:
        raise NoReader("There is no tesseract on this machine; Debian has it as tesseract-ocr.")
    pages = _pdf_pages(content) if content.startswith(b"%PDF") or "pdf" in media_type else _images(content)
    for page in pages:
        yield _read(path, page) if page else ""


def _read(path: str, png: bytes) -> str:
    try:
        found = subprocess.run(
            [path, "stdin", "stdout", "-l", configuration().ocr_languages, "--dpi", str(_DPI)],
            input=png,
            capture_output=True,
            timeout=PAGE_SECONDS,
            check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except subprocess.TimeoutExpired:
        return ""
    if found.returncode and b"language" in found.stderr:
        raise NoReader(f"tesseract has no data for the language {configuration().ocr_languages!r}.")
    return found.stdout.decode("utf-8", "replace").replace("\f", "").strip()


def _pdf_pages(content: bytes) -> Iterator[bytes]:
    """The pages as PNG. Others may use PDFium between two pages."""
    number, pages = 0, 1
    while number < min(pages, MOST_PAGES):
        with turn:
            try:
                document = pdfium.PdfDocument(content)
                pages = len(document)
                page = document[number]
                width, height = page.get_size()
                scale = min(_DPI / 72, (_MOST_POINTS / max(width * height, 1)) ** 0.5)
                image = page.render(scale=scale, grayscale=True).to_pil().copy()
                document.close()
            except (pdfium.PdfiumError, IndexError, ValueError, MemoryError):
                image = None
        yield _png(image) if image else b""
        number += 1


def _images(content: bytes) -> Iterator[bytes]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                for number, page in enumerate(ImageSequence.Iterator(image)):
                    if number >= MOST_PAGES:
                        return
                    yield b"" if page.width * page.height > _MOST_POINTS else _png(page.convert("L"))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError):
        return


def _png(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, "PNG", compress_level=1)
    return written.getvalue()


def machine_text(kind: int, resource: int, version: int) -> dict[int, tuple[str, str]]:
    """What a machine read of a version's parts: text and engine, by the part's place. For readers of the document,
    who may see it as far as they may see that."""
    return machine_texts(kind, [(resource, version)]).get(resource, {})


def machine_texts(kind: int, versions: Sequence[tuple[int, int]]) -> dict[int, dict[int, tuple[str, str]]]:
    """The same of several versions of one type, each a row and its version, by the row."""
    from .domain.packing import decompress

    found: dict[int, dict[int, tuple[str, str]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.resource, m.place, m.body, m.engine FROM record_machine_text m "
            "JOIN unnest(%s::bigint[], %s::int[]) AS k (resource, version) "
            "ON m.type = %s AND m.resource = k.resource AND m.version = k.version",
            [[resource for resource, _ in versions], [version for _, version in versions], kind],
        )
        for resource, place, body, engine in cursor.fetchall():
            found.setdefault(resource, {})[place] = decompress(body).decode(), engine
    return found
