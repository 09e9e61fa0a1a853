"""A document's text for a reader, section by section."""

from __future__ import annotations

from dataclasses import dataclass

from .narrative import html
from .sections import sections_of
from .tree import Element, is_cda, read


@dataclass(frozen=True, slots=True)
class SectionText:
    """One section as it is read: its number in the document, its title, and its text as safe HTML, empty where it
    has none."""

    number: int
    title: str
    html: str


def is_cda_content(media_type: str, content: bytes) -> bool:
    """Whether an attachment is a CDA document, by its beginning."""
    if media_type.partition(";")[0].strip().lower() not in MEDIA_TYPES:
        return False
    head = content[:65_536]
    return is_cda(head[:200]) and b"ClinicalDocument" in head.replace(b"\0", b"")


#: What documents in XML are called.
MEDIA_TYPES = frozenset(
    {"text/xml", "application/xml", "application/hl7-cda+xml", "application/cda+xml", "application/hl7-sda+xml"}
)


def sections_as_html(data: bytes) -> list[SectionText]:
    """The text of every section; of an unstructured document nothing. Raises CdaError for what cannot be read."""
    root = read(data).root
    images: dict[str, Element] = {}
    for each in root.iter("observationMedia"):
        if name := each.get("ID") or each.get("id"):
            images[name] = each
    return [SectionText(each.number, each.title, html(each.text, images)) for each in sections_of(root)]
