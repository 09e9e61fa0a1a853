"""Two documents, or two versions of one, made ready to be compared: their parts as blocks, paragraph by paragraph,
tables row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from charthouse.foundation.differences import Block
from charthouse.record.chart import Document, DocumentFile, Part, PartKind, ResourceView, Result, ResultPanel
from charthouse.web import narrative, pdf, printing

#: The bytes of a document's part by its number; None where they are not there.
Opens = Callable[[int], DocumentFile | None]


def blocks(document: Document, opens: Opens, panel: ResultPanel | None = None) -> list[Block]:
    """What a document says, block by block: first what it says about itself, then its parts and the results it
    gathers (``panel``), a row each."""
    found = [
        Block("fact", (name, said))
        for name, said in (
            ("State", printing.words(document.status)),
            ("Author", document.author),
            ("Written", printing.fhir_date(document.authored.text)),
            ("About", printing.fhir_date(document.when.text)),
            ("Service", document.service),
            ("Signed by", ", ".join(each.name for each in document.signed)),
            *document.detail.items(),
        )
        if said
    ]
    for part in document.parts:
        if part.title:
            found.append(Block("heading", (part.title,)))
        found += _part(part, opens)
    return found + _results(panel.results if panel else ())


def item_blocks(item: ResourceView) -> list[Block]:
    """What a version of a single item says: about itself, its values a row each, then every line of the resource,
    so that nothing that differs goes unmarked."""
    found = [
        Block("fact", (name, said))
        for name, said in (
            ("State", printing.words(item.status)),
            ("When", printing.fhir_date(item.when.text)),
            *item.detail.items(),
        )
        if said
    ]
    found += _results(item.results)
    found += [Block("fact", ("Note", row.note)) for row in item.results if row.note]
    if item.source:
        found.append(Block("heading", ("The whole resource",)))
        found += _lines(item.source)
    return found


def _results(rows: Iterable[Result]) -> list[Block]:
    return [
        Block(
            "row",
            (
                row.title,
                " ".join(filter(None, (row.value or row.absent_reason, row.unit))),
                row.interpretation.words,
                row.range,
            ),
        )
        for row in rows
    ]


def _part(part: Part, opens: Opens) -> Iterator[Block]:
    if part.kind is PartKind.TEXT:
        yield from _lines(part.text)
    elif part.kind is PartKind.HTML:
        yield from _narrative(part.text)
    elif part.file is not None:
        file = opens(part.file)
        if file is None:
            yield Block("file", (f"{part.media_type}: its bytes are not there",))
            return
        if part.kind is PartKind.PDF:
            try:
                text = pdf.reading(file.content).text
            except pdf.UnreadablePage:
                text = ""
            yield from _lines(text)
        # Of a file that has no text it can only be said whether it is the same.
        digest = hashlib.sha256(file.content).hexdigest()[:12]
        yield Block("file", (f"{part.media_type}, {printing.size(len(file.content))}, fingerprint {digest}",))


def _lines(text: str) -> Iterator[Block]:
    for line in text.splitlines():
        if line.strip():
            yield Block("prose", (line.rstrip(),))


def _narrative(html: str) -> Iterator[Block]:
    for part in narrative.parts_of(html):
        if part["kind"] == "listing":
            head = tuple(title.strip() for title, _ in part["columns"])
            if any(head):
                yield Block("row", head)
            for row in part["rows"]:
                yield Block("row", tuple(cell["text"] for cell in row["cells"]))
        elif part["kind"] == "items":
            for item in part["items"]:
                yield Block("item", (item,))
        else:
            yield Block("heading" if part["kind"] == "heading" else "prose", (part["text"],))
