"""Printing the chart of an encounter in its order, whole: contents, every page, and a manifest of what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import orjson

from charthouse.completion import api as completion
from charthouse.completion.api import AssembledChart, ChartLeaf
from charthouse.exchange.cda.api import MEDIA_TYPES as CLINICAL_DOCUMENT
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import now
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.letters.api import PagedFile, Place, UnreadableFile, laid
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.record.chart import Document, PartKind
from charthouse.record.chart import Part as DocumentPart
from charthouse.web import narrative, pdf, printing, printing_parts
from charthouse.web.printing_parts import Part

from .print_chart import PARTIAL, about, identity_of, opened, who
from .printed import (
    Draft,
    NothingToPrint,
    Outside,
    Printed,
    PrintError,
    by_patient,
    set_with_places,
    write_down,
)

Patients = tuple[int, ...]

#: Pages of files in one print, and letters of a page's text that are said to who cannot see it.
MOST_SHEETS = 2_000
_LONGEST_WORDS = 4_000
_MANIFEST = "manifest.json"
_NOT_WHOLE = "The print did not come out whole, so it was not given out. Try again, and tell who runs this."
_MANIFEST_SAYS = (
    "Every item of the record that this chart holds, with the SHA-256 of its bytes as the record keeps them, and "
    "that of each file in it. The same list, as data, is attached to this file as manifest.json."
)


_LACKING_SAYS = (
    "What is missing, late or not signed stands here as it was known when this was printed. It is for use here, no "
    "part of the record, and in no print for somebody outside."
)


class CannotPrint(PrintError):
    """Something of the chart cannot be printed; ``what`` names it, a sentence each. Nothing was printed."""

    def __init__(self, what: Sequence[str]) -> None:
        super().__init__("Not everything of this chart can be printed, so nothing was.")
        self.what = tuple(what)


@dataclass
class _FileLine:
    """A file of a document in the manifest."""

    title: str
    media_type: str
    sha256: str
    pages: int
    says: str = ""


@dataclass
class _Leaf:
    """A leaf as it is printed: its parts, the files laid into it, and what of it cannot be printed."""

    leaf: ChartLeaf
    section: str
    mark: str = ""
    by: str = ""
    when: str | None = None
    parts: list[Part] = field(default_factory=list)
    lines: list[_FileLine] = field(default_factory=list)


@dataclass
class _Binding:
    """The print as it comes together."""

    leaves: list[_Leaf] = field(default_factory=list)
    files: dict[str, PagedFile] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    sheets: int = 0

    def close(self) -> None:
        for each in self.files.values():
            each.close()


def print_assembled_chart(
    ctx: AccessContext,
    person: UUID,
    encounter: str,
    outside: Outside | None = None,
    *,
    without: bool = False,
) -> Printed:
    """The chart of an encounter in its order, as one PDF with contents and a manifest.

    Every item of the encounter the asker may see is in it, or nothing is printed: raises CannotPrint, which names
    what cannot be, unless it may be printed ``without`` (then its first page and its manifest name it). Raises
    NothingToPrint, PrintError, PermissionRefused.
    """
    ctx, patients, summary = opened(ctx, person, outside)
    chart = completion.assemble(ctx, patients, encounter)
    if chart is None:
        raise NothingToPrint("The chart has no such encounter, or it is not open to you.")
    binding = _Binding()
    try:
        for section in chart.sections:
            for place, leaf in enumerate(section.leaves):
                _bind(ctx, patients, person, summary, chart, leaf, section.title if place == 0 else "", binding)
        if binding.missing and not without:
            raise CannotPrint(binding.missing)
        return _finished(ctx, person, chart, summary, binding, outside)
    finally:
        binding.close()


def _finished(
    ctx: AccessContext,
    person: UUID,
    chart: AssembledChart,
    summary: record.ChartSummary,
    binding: _Binding,
    outside: Outside | None,
) -> Printed:
    keys = [_key(item) for leaf in chart.leaves for item in leaf.items]
    draft = Draft(
        "web/assembled_chart",
        chart.heading,
        {
            "pairs": _about_encounter(chart),
            "left_out": binding.missing,
            "index": _index(chart, binding, inside=outside is None),
            "lacking_says": _LACKING_SAYS if outside is None and (chart.lacks or chart.marks) else "",
            "leaves": [
                {"section": each.section, "title": each.leaf.title, "mark": each.mark, "parts": each.parts}
                for each in binding.leaves
            ],
            "manifest": _manifest(chart, binding),
            "manifest_says": _MANIFEST_SAYS,
        },
        patient=identity_of(summary),
        notes=(PARTIAL,),
        file_title="Chart of an encounter",
        facilities=record.facilities_of(ctx, [("Encounter", chart.encounter.id)]) or None,
    )
    bare, places = set_with_places(ctx, draft, outside)
    _require_whole(chart, binding, places)
    manifest = orjson.dumps(_as_data(chart, binding, places, bare.pages), option=orjson.OPT_INDENT_2)
    try:
        content = laid(bare.content, binding.files, places, {_MANIFEST: manifest})
    except UnreadableFile as error:
        raise CannotPrint([f"A file of the chart: {error}"]) from None
    printed = Printed(content, pdf.page_count(content))
    if printed.pages != bare.pages:
        raise PrintError(_NOT_WHOLE)
    return write_down(
        ctx,
        "chart.print",
        printed,
        subjects=[Subject("person", str(person)), Subject("resource", f"Encounter/{chart.encounter.id}")],
        detail={
            "part": "assembled",
            "items": len(keys),
            "left_out": len(binding.missing),
            "manifest": hashlib.sha256(manifest).hexdigest(),
        },
        outside=outside,
        items=by_patient(ctx, person, keys) if outside else None,
        description=chart.heading,
    )


def _require_whole(chart: AssembledChart, binding: _Binding, places: Sequence[Place]) -> None:
    """Raise PrintError unless everything expected is in the print, each page of a file with a place of its own."""
    named = {each.name for each in places}
    expected = {f"leaf-{number}" for number in range(len(binding.leaves) + 1)}
    expected |= {f"{name}-{number}" for name, file in binding.files.items() for number in range(file.count)}
    shown = [item for each in binding.leaves for item in each.leaf.items]
    if named != expected or sorted(shown) != sorted(chart.digests):
        raise PrintError(_NOT_WHOLE)


def _key(item: str) -> tuple[str, str]:
    kind, _, id = item.partition("/")
    return kind, id


def _about_encounter(chart: AssembledChart) -> list[tuple[str, str | None]]:
    row = chart.encounter
    return [
        ("Encounter", row.title),
        ("Visit number", row.number or None),
        ("Begins", printing_parts.moment(row.when)),
        ("Ends", printing_parts.moment(row.end)),
        ("Where", row.facility or None),
        ("Discharged to", row.disposition or None),
        ("Reason", row.reason or None),
        ("In the order of", chart.kind.value.replace("-", " ")),
    ]


def _index(chart: AssembledChart, binding: _Binding, *, inside: bool) -> list[dict[str, Any]]:
    """The contents. For use here they tell what is lacking, at the place where it would stand."""
    numbers = {each.leaf.key: number for number, each in enumerate(binding.leaves)}
    rows: list[dict[str, Any]] = []
    for part in chart.index:
        lacks = part.lacks if inside else ()
        if part.leaves or lacks:
            rows.append({"heading": {"text": part.title}})
        for line in part.leaves:
            number = numbers[line.leaf.key]
            each = binding.leaves[number]
            wrong = "; ".join(_wrong(mark) for mark in line.marks) if inside else ""
            rows.append(
                {"title": each.leaf.title, "mark": each.mark, "soft": wrong, "when": each.when,
                 "by": each.by or "–", "leaf": number}
            )  # fmt: skip
        rows += [
            {"title": each.title, "mark": each.how.capitalize(), "soft": _asked(each), "when": "–", "by": "–"}
            for each in lacks
        ]
    return rows


def _wrong(mark: completion.DeficiencyLine) -> str:
    """What is wrong with a document, in its row: "not signed, owed by A. Quill, due 3 Dec 2026"."""
    return mark.how if mark.state.settled else f"{mark.how}, {_asked(mark)}"


def _asked(lack: completion.DeficiencyLine) -> str:
    due = f", due {printing.local_day(lack.due)}" if lack.due else ""
    return f"{f'owed by {lack.owed_by}' if lack.owed_by else 'nobody is named'}{due}"


def _manifest(chart: AssembledChart, binding: _Binding) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, each in enumerate(binding.leaves):
        if each.section:
            rows.append({"heading": {"text": each.section}})
        for item in each.leaf.items:
            version, sha256 = chart.digests[item]
            kind, id = _key(item)
            rows.append(
                {"item": each.leaf.title if item == each.leaf.key else kind, "soft": f"{kind} {id}",
                 "version": str(version), "sha256": _halves(sha256), "leaf": number}
            )  # fmt: skip
        rows += [
            {
                "item": line.title,
                "soft": f"{line.media_type}{f', {line.says}' if line.says else ''}",
                "version": "–",
                "sha256": _halves(line.sha256) or "–",
                "leaf": number,
            }
            for line in each.lines
        ]
    return rows


def _halves(sha256: str) -> str:
    """A hash in two lines, so that it breaks nowhere else."""
    return f"{sha256[:32]}\n{sha256[32:]}" if sha256 else ""


def _as_data(chart: AssembledChart, binding: _Binding, places: Sequence[Place], pages: int) -> dict[str, Any]:
    """The manifest as data: pages counted from 1, both ends within."""
    begins = {each.name: each.page for each in places}
    listed = []
    for number, each in enumerate(binding.leaves):
        first = begins[f"leaf-{number}"]
        listed.append(
            {
                "title": each.leaf.title,
                "piece": next(s.piece for s in chart.sections if each.leaf in s.leaves),
                "pages": [first, max(first, begins[f"leaf-{number + 1}"] - 1)],
                "items": [
                    {"item": item, "version": chart.digests[item][0], "sha256": chart.digests[item][1]}
                    for item in each.leaf.items
                ],
                "files": [
                    {
                        "title": f.title,
                        "mediaType": f.media_type,
                        "sha256": f.sha256,
                        "pages": f.pages,
                        "says": f.says,
                    }
                    for f in each.lines
                ],
            }
        )
    return {
        "encounter": f"Encounter/{chart.encounter.id}",
        "order": {"kind": chart.kind.value, "version": chart.order.version},
        "printed": now().isoformat(timespec="seconds"),
        "pages": pages,
        "leaves": listed,
        "notPrinted": binding.missing,
    }


def _bind(
    ctx: AccessContext,
    patients: Patients,
    person: UUID,
    summary: record.ChartSummary,
    chart: AssembledChart,
    leaf: ChartLeaf,
    section: str,
    binding: _Binding,
) -> None:
    bound = _Leaf(leaf, section)
    binding.leaves.append(bound)
    if leaf.held is None:
        bound.parts, bound.when = _group(ctx, patients, person, summary, chart, leaf), "–"
        return
    entry = leaf.held.entry
    document = record.document(ctx, patients, entry.type, entry.id)
    if document is None:
        raise PrintError(f"“{entry.title}” was taken out of the chart just now. Print it again.")
    bound.mark, bound.by = printing.mark(document.mark), document.author
    bound.when = printing_parts.day(document.when) or printing_parts.day(document.authored)
    bound.parts.append({"kind": "facts", "columns": 2, "pairs": about(document)})
    _document(ctx, patients, document, bound, binding)
    if leaf.held.panel is not None:
        bound.parts.append(printing_parts.results([leaf.held.panel]))


def _group(
    ctx: AccessContext,
    patients: Patients,
    person: UUID,
    summary: record.ChartSummary,
    chart: AssembledChart,
    leaf: ChartLeaf,
) -> list[Part]:
    """A group of items as tables."""
    held = chart.holding
    if leaf.group == completion.FACE:
        return _face(ctx, patients, person, summary, chart)
    if leaf.group == completion.RESULTS_GROUP:
        return [printing_parts.results(held.panels)]
    if leaf.group == completion.VITALS:
        found = [printing_parts.vitals(held.vitals)] if held.vitals else []
        return found or [{"kind": "empty", "text": "Vital signs whose values are not open to who printed this."}]
    rows = {completion.ORDERS: held.orders, completion.GIVEN: held.given, completion.OTHERS: held.others}
    return [printing_parts.items(rows[leaf.group])]


def _face(
    ctx: AccessContext, patients: Patients, person: UUID, summary: record.ChartSummary, chart: AssembledChart
) -> list[Part]:
    """Who the patient is, and what the encounter was about."""
    sources = identity.sources_of(ctx, person)
    lead = record.resource(ctx, patients, "Patient", sources[0].public_id) if sources else None
    demographics = msgspec.json.decode(lead.source) if lead else {}
    parts: list[Part] = [{"kind": "facts", "columns": 2, "pairs": who(summary, demographics)}]
    held = chart.holding
    parts += _under("Encounter", printing_parts.encounters((chart.encounter,)))
    parts += _under("Diagnoses", printing_parts.problems(held.problems) if held.problems else None)
    parts += _under("Procedures", printing_parts.procedures(held.procedures) if held.procedures else None)
    return parts


def _under(title: str, table: Part | None) -> list[Part]:
    return [
        {"kind": "heading", "level": 4, "text": title},
        table or {"kind": "empty", "text": "None recorded."},
    ]


def _document(ctx: AccessContext, patients: Patients, document: Document, bound: _Leaf, binding: _Binding) -> None:
    """The parts of a document, each with its title, and what was added to it."""
    if not document.parts:
        bound.parts.append({"kind": "empty", "text": "Only the description of this document has arrived."})
    pages_before = 0
    for number, part in enumerate(document.parts, start=1):
        title = part.title if part.title.casefold() != document.title.casefold() else ""
        title = title or (f"Part {number}" if len(document.parts) > 1 else "")
        if part.kind in (PartKind.TEXT, PartKind.HTML):
            pages_before = 0
            if title:
                bound.parts.append({"kind": "heading", "level": 4, "text": title})
            if part.note:
                bound.parts.append({"kind": "prose", "text": f"Note: {part.note}"})
            bound.parts += _text(part)
        else:
            pages_before = _file(ctx, patients, document, part, title, pages_before, bound, binding)
    for each in document.added:
        added_as = f"{each.added_as.words}: " if each.added_as else ""
        bound.parts.append(
            {"kind": "heading", "level": 4, "text": f"{added_as}{each.title}", "mark": printing.mark(each.mark)}
        )
        bound.parts.append({"kind": "facts", "columns": 2, "pairs": about(each)})
        _document(ctx, patients, each, bound, binding)


def _text(part: DocumentPart) -> list[Part]:
    if part.kind is PartKind.TEXT:
        return [{"kind": "as-written", "text": part.text}]
    # A heading of the text stands below that of its document.
    return [
        {**each, "level": min(each.get("level", 2) + 3, 6)} if each["kind"] == "heading" else each
        for each in narrative.parts_of(part.text)
    ]


def _file(
    ctx: AccessContext,
    patients: Patients,
    document: Document,
    part: DocumentPart,
    title: str,
    pages_before: int,
    bound: _Leaf,
    binding: _Binding,
) -> int:
    """A part that is a file: its pages on sheets of their own. How many it has; what cannot be printed is named."""
    name = f"“{document.title}”, written {printing_parts.day(document.authored) or 'at an unknown time'}"
    found = (
        record.document_file(ctx, patients, document.type, document.id, part.file)
        if part.file is not None
        else None
    )
    if found is None:
        _leave_out(bound, binding, f"A file of {name} has not arrived.", part, "")
        return 0
    sha256 = hashlib.sha256(found.content).hexdigest()
    if part.kind is PartKind.FILE and _is_told_by_sections(document, part):
        # Its sections are its text, and stand before it.
        bound.lines.append(_FileLine(title or "XML", part.media_type, sha256, 0, "printed by its sections"))
        return 0
    try:
        file = PagedFile(found.content)
    except UnreadableFile as error:
        about_it = f"{part.media_type}, {printing.size(len(found.content))}"
        _leave_out(bound, binding, f"A file of {name} ({about_it}). {error}", part, sha256)
        return 0
    if file.count == pages_before and part.kind is PartKind.FILE:
        # A scan is filed with a PDF of its pages before it, and not printed twice.
        file.close()
        bound.lines.append(
            _FileLine(title or "File", part.media_type, sha256, 0, "the pages of the file before it")
        )
        return 0
    binding.sheets += file.count
    if binding.sheets > MOST_SHEETS:
        file.close()
        raise PrintError(
            f"This chart has more than {MOST_SHEETS:,} pages of files. Print its documents one by one."
        )
    key = f"file{len(binding.files)}"
    binding.files[key] = file
    bound.lines.append(_FileLine(title or document.title, part.media_type, sha256, file.count))
    for number in range(file.count):
        caption = f"{title or document.title}, page {number + 1} of {file.count}, as it came"
        words = pdf.page_text(found.content, number + 1) if part.kind is PartKind.PDF else part.machine
        alt = f"Page {number + 1} of {file.count} of {document.title}. {words}"[:_LONGEST_WORDS]
        bound.parts.append({"kind": "sheet", "name": f"{key}-{number}", "caption": caption, "alt": alt})
    return file.count


def _is_told_by_sections(document: Document, part: DocumentPart) -> bool:
    plain = part.media_type.partition(";")[0].strip().lower()
    return plain in CLINICAL_DOCUMENT and any(each.kind is PartKind.HTML for each in document.parts)


def _leave_out(bound: _Leaf, binding: _Binding, words: str, part: DocumentPart, sha256: str) -> None:
    binding.missing.append(words)
    bound.parts.append({"kind": "empty", "text": f"Not printed: {words}"})
    bound.lines.append(_FileLine(part.title or "File", part.media_type, sha256, 0, "not printed"))
