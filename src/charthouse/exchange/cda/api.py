"""C-CDA for the layers above: read a document and convert it to FHIR R4, show its text, write one.

    converted = to_fhir(data, zone=ZoneInfo("America/Chicago"), mint=mint)

``Converted`` holds the drafts to file and what became of each section.
"""

from __future__ import annotations

from .errors import CdaError
from .fhir import Converted, Head, entries_to_fhir, head_of, subject_of, to_fhir
from .header import KINDS, SECTION
from .mapping import SectionReport
from .places import line_range
from .reading import MEDIA_TYPES, SectionText, is_cda_content, sections_as_html
from .several import documents_of
from .tree import DEFAULT_LIMITS, Limits, Tree, decoded, is_cda
from .tree import read as read_tree
from .writing.document import Contents, Document, Keeper, write
from .writing.document import Kind as DocumentKind

__all__ = [
    "DEFAULT_LIMITS",
    "KINDS",
    "MEDIA_TYPES",
    "SECTION",
    "CdaError",
    "Contents",
    "Converted",
    "Document",
    "DocumentKind",
    "Head",
    "Keeper",
    "Limits",
    "SectionReport",
    "SectionText",
    "Tree",
    "decoded",
    "documents_of",
    "entries_to_fhir",
    "head_of",
    "is_cda",
    "is_cda_content",
    "line_range",
    "read_tree",
    "sections_as_html",
    "subject_of",
    "to_fhir",
    "write",
]
