"""Scans read by machine: only where a site wants it, kept apart, and never twice."""

from __future__ import annotations

import base64
import io
import shutil
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from charthouse.configuration import configuration
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.record import api as record
from charthouse.record import scans
from charthouse.record.actions import index_texts, read_scan
from charthouse.record.domain.packing import decompress

needs_tesseract = pytest.mark.skipif(not shutil.which("tesseract"), reason="there is no tesseract on this machine")


def picture(text: str, kind: str = "PNG", pages: int = 1) -> bytes:
    """Text drawn large on white paper, as a scan."""
    drawn = []
    for number in range(pages):
        image = Image.new("L", (1200, 300), 255)
        said = text if number == 0 else f"page {number + 1}"
        ImageDraw.Draw(image).text((60, 100), said, fill=0, font=ImageFont.load_default(size=64))
        drawn.append(image)
    written = io.BytesIO()
    more: dict[str, Any] = {"save_all": True, "append_images": drawn[1:]} if pages > 1 else {}
    drawn[0].save(written, kind, **more, **({"resolution": 200.0} if kind == "PDF" else {}))
    return written.getvalue()


def scan(make: Any, content: bytes, media_type: str, public_id: str = "scan") -> Any:
    attachment = {"contentType": media_type, "data": base64.b64encode(content).decode()}
    return make.document(public_id, content=[{"attachment": attachment}])


@pytest.fixture
def deferred(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The jobs that are asked for."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("charthouse.record.actions.index_texts.defer", lambda task, **rest: asked.append(rest))
    monkeypatch.setattr(index_texts, "reader", lambda: "/usr/bin/tesseract")
    return asked


def switched(monkeypatch: pytest.MonkeyPatch, on: bool) -> None:
    monkeypatch.setattr(index_texts, "configuration", lambda: replace(configuration(), ocr=on))


@pytest.mark.parametrize("on", [True, False])
def test_a_job_is_asked_for_only_where_the_site_wants_it(
    book: Any, make: Any, deferred: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, on: bool
) -> None:
    switched(monkeypatch, on)
    book.patient()
    book.file(scan(make, b"\x89PNG", "image/png"), scan(make, b"words", "text/plain", "typed"), make.observation())
    record.index_texts()
    assert [each["id"] for each in deferred] == (["scan"] if on else [])


def test_what_was_read_is_not_read_again_until_the_document_changes(
    book: Any, make: Any, deferred: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    switched(monkeypatch, True)
    monkeypatch.setattr(read_scan, "read_pages", lambda content, media_type: iter(["", "lisinopril"]))
    monkeypatch.setattr(read_scan, "engine", lambda: "tesseract 5.3.0")
    row = book.patient()
    book.file(scan(make, b"\x89PNG", "image/png"))
    record.index_texts()
    assert read_scan.read_scan("DocumentReference", "scan") == {"parts": 1, "pages": 2}
    record.index_texts()
    assert len(deferred) == 1
    (line,) = entries(make.system, Filters(action="document.read-by-machine")).lines
    assert line.detail["pages"] == 2 and "lisinopril" not in str(line)
    (hit,) = record.search_chart(make.asker(), [row], "lisinopril").hits
    assert [machine for _, machine in hit.shown] == [True]
    (part,) = record.document(make.asker(), [row], "DocumentReference", "scan").parts  # type: ignore[union-attr]
    assert (part.machine, part.engine) == ("lisinopril", "tesseract 5.3.0")
    book.file(scan(make, b"\x89PNG other", "image/png"))
    record.index_texts()
    assert len(deferred) == 2
    assert record.search_chart(make.asker(), [row], "lisinopril").count == 0
    (part,) = record.document(make.asker(), [row], "DocumentReference", "scan").parts  # type: ignore[union-attr]
    assert part.machine == ""


def test_the_resource_itself_is_not_touched(book: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_scan, "read_pages", lambda content, media_type: iter(["text"]))
    monkeypatch.setattr(read_scan, "engine", lambda: "tesseract 5.3.0")
    book.patient()
    book.file(scan(make, b"\x89PNG", "image/png"))
    before = book.current("DocumentReference", "scan").content
    read_scan.read_scan("DocumentReference", "scan")
    (after,) = book.versions("DocumentReference", "scan")
    assert after.content == before
    assert decompress(book.one("SELECT body FROM record_machine_text")) == b"text"


def test_a_document_that_is_gone_is_passed_over(db: None) -> None:
    assert read_scan.read_scan("DocumentReference", "never") == {"parts": 0, "pages": 0}


def test_without_tesseract_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "reader", lambda: "")
    with pytest.raises(scans.NoReader, match="tesseract-ocr"):
        list(scans.read_pages(b"%PDF", "application/pdf"))


@needs_tesseract
@pytest.mark.parametrize(("kind", "media_type", "pages"), [("PNG", "image/png", 1), ("TIFF", "image/tiff", 2),
                                                           ("PDF", "application/pdf", 2)])  # fmt: skip
def test_a_machine_reads_what_is_drawn(kind: str, media_type: str, pages: int) -> None:
    read = list(scans.read_pages(picture("Warfarin 5 mg", kind, pages), media_type))
    assert len(read) == pages and "Warfarin 5 mg" in read[0]
    assert pages == 1 or "page 2" in read[1]
    assert scans.engine().startswith("tesseract") and "eng" in scans.languages()


@needs_tesseract
@pytest.mark.parametrize("content", [b"", b"%PDF-1.4 broken", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_broken_has_no_text(content: bytes) -> None:
    assert "".join(scans.read_pages(content, "application/pdf")) == ""


@needs_tesseract
def test_a_language_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "configuration", lambda: replace(configuration(), ocr_languages="xxx"))
    with pytest.raises(scans.NoReader, match="xxx"):
        list(scans.read_pages(picture("Warfarin"), "image/png"))
