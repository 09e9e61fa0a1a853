"""Letters and prints: a template and what it says become a PDF.

:func:`render` is the one way. A template is a ``.typ`` file in an app's ``letters/`` folder; what it says goes in
as data and is only ever shown as text.
"""

from __future__ import annotations

from .pictures import Picture, drawn, page_drawn, page_number, pages_of, picture
from .rendering import LetterError, Place, render, render_with_places
from .shapes import Letter, Letterhead, PatientIdentity
from .sheets import PagedFile, UnreadableFile, laid

__all__ = [
    "Letter",
    "LetterError",
    "Letterhead",
    "PagedFile",
    "PatientIdentity",
    "Picture",
    "Place",
    "UnreadableFile",
    "drawn",
    "laid",
    "page_drawn",
    "page_number",
    "pages_of",
    "picture",
    "render",
    "render_with_places",
]
