"""What a person reads: the words of a screen, and of a print's pages."""

from __future__ import annotations

import html
import re
from typing import Any

import pypdfium2 as pdfium


def said(response: Any) -> str:
    """The words of a screen, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", response.content.decode())).split())


def pages(content: bytes) -> list[str]:
    """The text of each page of a PDF."""
    document = pdfium.PdfDocument(content)
    try:
        texts = [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()
    return [re.sub(r"\s+", " ", text) for text in texts]
