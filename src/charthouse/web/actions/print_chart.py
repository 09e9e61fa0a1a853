"""Printing from a chart: its face sheet, a section, one document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import msgspec

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.disclosure.api import needs_own_permission
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.letters.api import PatientIdentity, drawn, page_number, pages_of, picture
from charthouse.foundation.rulepacks.api import rule
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.record.chart import Document, DocumentEntry, Encounter, Mark, PartKind, ResultPanel, Row
from charthouse.record.chart import Part as DocumentPart
from charthouse.web import narrative, pdf, printing, printing_parts
from charthouse.web.permissions import DISCLOSE_PRINT, PRINT_CHART, READ_CHART
from charthouse.web.printing_parts import Part

from .printed import Draft, NothingToPrint, Outside, Printed, by_patient, set_print, write_down

Patients = tuple[int, ...]
Key = tuple[str, str]

#: Rows of a section, documents printed with their contents, and pages drawn as pictures, in one print.
MOST_ROWS = 1_000
MOST_DOCUMENTS = 100
MOST_PICTURES = 60
PARTIAL = (
    "This print holds what the person who printed it may see, and what had arrived by then. "
    "It may not be the whole record."
)
_TITLES = {
    "encounters": "Encounters",
    "documents": "Documents",
    "results": "Results",
    "vitals": "Vital signs",
    "problems": "Problems",
    "medications": "Medications",
    "allergies": "Allergies",
    "immunizations": "Immunizations",
    "procedures": "Procedures",
    "appointments": "Appointments",
    "coverage": "Coverage",
}
SECTIONS = frozenset(_TITLES)


@dataclass
class _Gathered:
    """Parts of a print as they come together: what they show, what of it is left out, how many pictures, and how
    many pages the PDF had that came last."""

    parts: list[Part] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    pictures: int = 0
    pdf: int = 0

    def leave_out(self, words: str) -> None:
        """Say at its place, and at the beginning, that something is not printed."""
        self.left_out.append(words)
        self.parts.append({"kind": "empty", "text": f"Not printed: {words}"})


def print_face_sheet(ctx: AccessContext, person: UUID, outside: Outside | None = None) -> Printed:
    """Who the patient is and what anybody must know first. Raises NothingToPrint, PermissionRefused."""
    ctx, patients, summary = opened(ctx, person, outside)
    gathered = _Gathered()
    sources = identity.sources_of(ctx, person)
    lead = record.resource(ctx, patients, "Patient", sources[0].public_id) if sources else None
    demographics = msgspec.json.decode(lead.source) if lead else {}
    gathered.parts.append({"kind": "facts", "columns": 2, "pairs": who(summary, demographics)})
    gathered.keys += _keys(summary.flags)
    _heads(gathered, "Allergies", summary.allergies, printing_parts.allergies,
           summary.allergy_statement or "Not recorded. This does not mean that there are none.")  # fmt: skip
    problems = record.active_problems(ctx, patients)
    _heads(gathered, "Active problems", problems, printing_parts.problems, "None recorded.")
    medications = record.active_medications(ctx, patients)
    _heads(gathered, "Active medications", medications, printing_parts.medications, "None recorded.")
    coverage = record.coverage(ctx, patients).rows
    _heads(gathered, "Coverage", coverage, printing_parts.coverage, "None recorded.")
    encounters = record.encounters(ctx, patients).rows[:_NEWEST]
    _heads(gathered, "Latest encounters", encounters, printing_parts.encounters, "None recorded.")
    _destroyed(ctx, patients, gathered)
    draft = Draft(
        "web/face_sheet",
        "Face sheet",
        {"parts": gathered.parts, "flags": _flags(summary)},
        patient=identity_of(summary),
        notes=(PARTIAL,),
    )
    return _finished(ctx, person, draft, gathered, outside, part="face-sheet")


def print_chart_section(ctx: AccessContext, person: UUID, section: str, outside: Outside | None = None) -> Printed:
    """A whole section, newest first, up to MOST_ROWS rows; documents with their contents. Raises NothingToPrint,
    PermissionRefused."""
    if section not in SECTIONS:
        raise NothingToPrint("A chart has no such section.")
    ctx, patients, summary = opened(ctx, person, outside)
    title, gathered = _TITLES[section], _Gathered()
    if section == "vitals":
        series = record.vitals(ctx, patients)
        rows: Sequence[Row] = [point for one in series for point in one.points]
        whole, part = True, printing_parts.vitals(series)
    else:
        rows, whole = _all(getattr(record, section), ctx, patients)
        part = printing_parts.PARTS[section](rows)
    gathered.keys += _keys(rows)
    gathered.parts.append(part if rows else {"kind": "empty", "text": f"No {title.lower()} recorded."})
    if not whole:
        gathered.leave_out(f"what is older than the newest {len(rows)}.")
    _destroyed(ctx, patients, gathered)
    if section == "documents":
        _taken_out(ctx, patients, gathered)
        _contents(ctx, patients, rows, gathered)
    draft = Draft("web/chart_section", title, _content(gathered), patient=identity_of(summary), notes=(PARTIAL,))
    return _finished(ctx, person, draft, gathered, outside, part=section)


def print_document(
    ctx: AccessContext,
    person: UUID,
    type: str,
    id: str,
    outside: Outside | None = None,
    version: int | None = None,
) -> Printed:
    """One document with all its parts, marked on each page where it is not final; an earlier ``version`` of it as
    it read then, which the print says. Raises NothingToPrint, PermissionRefused."""
    ctx, patients, summary = opened(ctx, person, outside)
    document = record.document(ctx, patients, type, id, version)
    if document is None:
        raise NothingToPrint("The chart has no such document, or it is not open to you.")
    gathered = _Gathered(keys=[(type, id)])
    if document.version != document.versions:
        said = f"This is version {document.version} of {document.versions}, as it read then."
        gathered.parts.append({"kind": "prose", "text": said})
    gathered.parts.append({"kind": "facts", "columns": 2, "pairs": about(document)})
    _document(ctx, patients, document, gathered)
    draft = Draft(
        "web/document",
        document.title,
        _content(gathered),
        patient=identity_of(summary),
        mark=printing.mark(document.mark),
        notes=(PARTIAL,),
        file_title="Document of a chart",
    )
    return _finished(ctx, person, draft, gathered, outside, part="document", resource=(type, id))


_NEWEST = 6
_LONGEST_WORDS = 6_000


def opened(
    ctx: AccessContext, person: UUID, outside: Outside | None
) -> tuple[AccessContext, Patients, record.ChartSummary]:
    """The chart as it may be printed: what may go outside is less than what may be read here."""
    require(ctx, READ_CHART)
    require(ctx, PRINT_CHART)
    if outside:
        require(ctx, DISCLOSE_PRINT)
        # What needs an authorization or consent of its own is not given away with a print made at the chart.
        ctx = replace(ctx, clearance=ctx.clearance & ~needs_own_permission())
    patients = identity.patients_of(ctx, person)
    try:
        return ctx, patients, record.chart_summary(ctx, patients, identity.shown_of(person))
    except LookupError:
        raise NothingToPrint("There is no such chart, or it is not open to you.") from None


def _finished(
    ctx: AccessContext,
    person: UUID,
    draft: Draft,
    gathered: _Gathered,
    outside: Outside | None,
    *,
    part: str,
    resource: Key | None = None,
) -> Printed:
    """Set it under the head of the facility it is from, and write down that it was printed."""
    if part != "face-sheet":
        draft = replace(draft, facilities=record.facilities_of(ctx, dict.fromkeys(gathered.keys)) or None)
    printed = set_print(ctx, draft, outside)
    subjects = [Subject("person", str(person))]
    if resource:
        subjects.append(Subject("resource", "/".join(resource)))
    return write_down(
        ctx,
        "chart.print",
        printed,
        subjects=subjects,
        detail={"part": part, "items": len(set(gathered.keys)), "left_out": len(gathered.left_out)},
        outside=outside,
        items=by_patient(ctx, person, gathered.keys) if outside else None,
        description=draft.title,
    )


def _all(read: Callable[..., Any], ctx: AccessContext, patients: Patients) -> tuple[list[Any], bool]:
    """The rows of a section page by page, and whether these are all."""
    rows: list[Any] = []
    cursor: str | None = None
    while True:
        page = read(ctx, patients, cursor)
        rows += page.rows
        cursor = page.next
        if cursor is None:
            return rows[:MOST_ROWS], len(rows) <= MOST_ROWS
        if len(rows) >= MOST_ROWS:
            return rows[:MOST_ROWS], False


def _keys(rows: Sequence[Row]) -> list[Key]:
    keys = []
    for row in rows:
        keys.append((row.type, row.id))
        if isinstance(row, ResultPanel):
            keys += [(each.type, each.id) for each in row.results]
    return keys


def identity_of(summary: record.ChartSummary) -> PatientIdentity:
    """Whose chart it is, as it stands on each page."""
    return PatientIdentity(
        summary.name, printing_parts.day(summary.birth_date) or "", summary.mrns, printing.sex(summary.sex)
    )


def _content(gathered: _Gathered) -> dict[str, Any]:
    return {"parts": gathered.parts, "left_out": gathered.left_out}


def _heads(gathered: _Gathered, title: str, rows: Sequence[Row], draw: Callable[[Any], Part], empty: str) -> None:
    gathered.parts.append({"kind": "heading", "text": title})
    gathered.parts.append(draw(rows) if rows else {"kind": "empty", "text": empty})
    gathered.keys += _keys(rows)


def _flags(summary: record.ChartSummary) -> list[dict[str, Any]]:
    flags = [{"text": flag.title, "danger": flag.urgent} for flag in summary.flags]
    if summary.deceased:
        died = printing_parts.day(summary.died)
        flags.insert(0, {"text": f"Deceased {died}" if died else "Deceased", "danger": False})
    return flags


def who(summary: record.ChartSummary, demographics: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Who the patient is, as names and values."""
    interpreter = {True: ", interpreter needed", False: ", no interpreter", None: ""}[summary.interpreter]
    told = []
    for each in summary.contacts:
        about = f" ({each.relationship})" if each.relationship else ""
        phone = f", {each.phone}" if each.phone else ""
        may = {True: f": {each.note or 'yes'}", False: ": nothing", None: ": not asked"}[each.may_be_told]
        told.append(f"{each.name}{about}{phone}{may}")
    # An address asked for in confidence is the one to be used; the others would give it away.
    if summary.confidential_address:
        reached: list[tuple[str, str | None]] = [("Write only to", summary.confidential_address)]
    else:
        reached = [("Address", _address(demographics)), ("Telephone", _telephone(demographics))]
    return [
        ("Name", summary.name),
        ("Born", printing_parts.day(summary.birth_date)),
        ("MRN", ", ".join(summary.mrns) or None),
        ("Sex", printing.sex(summary.sex)),
        ("Age", str(summary.age) if summary.age is not None else None),
        (
            "Language",
            summary.language + interpreter if summary.language else interpreter.removeprefix(", ") or None,
        ),
        *reached,
        ("May be told", "; ".join(told) or None),
    ]


def _listed(resource: dict[str, Any], element: str) -> list[dict[str, Any]]:
    value = resource.get(element)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _address(demographics: dict[str, Any]) -> str | None:
    for each in _listed(demographics, "address"):
        if each.get("use") not in ("old", "temp"):
            lines = each.get("line")
            parts = [*(lines if isinstance(lines, list) else ()), *map(each.get, ("city", "state", "postalCode"))]
            return ", ".join(str(part) for part in parts if part) or None
    return None


def _telephone(demographics: dict[str, Any]) -> str | None:
    found = [
        str(each["value"])
        for each in _listed(demographics, "telecom")
        if each.get("system") == "phone" and each.get("value") and each.get("use") != "old"
    ]
    return ", ".join(found) or None


def about(document: Document) -> list[tuple[str, str | None]]:
    """Who wrote a document, when, and what became of it, as names and values."""
    pairs: list[tuple[str, str | None]] = [
        ("Author", document.author or None),
        ("Written", printing_parts.moment(document.authored)),
        ("About", printing_parts.moment(document.when)),
    ]
    if document.signed:
        pairs.append(("Signed", "; ".join(printing.signature(each) for each in document.signed)))
    elif document.mark is not Mark.NONE:
        pairs.append(("Signed", printing.mark(document.mark)))
    pairs += [(each.stage.value.capitalize(), each.party.name or None) for each in document.stages]
    # What was added follows the document itself.
    pairs += [
        ("Corrected", printing.correction(each))
        for each in document.corrections
        if not each.is_refused and each.kind not in record.ADDED
    ]
    return pairs + [
        pair for pair in (("Service", document.service), ("Encounter", _visit(document.visit))) if pair[1]
    ]


def _visit(visit: Encounter | None) -> str:
    """An encounter by its kind, day and place."""
    if visit is None:
        return ""
    return ", ".join(filter(None, (visit.title, printing_parts.day(visit.when), visit.facility)))


def _taken_out(ctx: AccessContext, patients: Patients, gathered: _Gathered) -> None:
    """What was retracted from the chart, without what it said."""
    found = record.taken_out(ctx, patients)
    if found:
        gathered.parts.append({"kind": "heading", "text": "Taken out of this chart"})
        pairs = [(printing.local_day(each.decided_at or each.at), printing.correction(each)) for each in found]
        gathered.parts.append({"kind": "facts", "columns": 1, "pairs": pairs})


def _destroyed(ctx: AccessContext, patients: Patients, gathered: _Gathered) -> None:
    """What of the chart was lawfully destroyed: how much, when, by whom and under which rule."""
    counts = Counter(each.destruction for each in record.destroyed(ctx, patients))
    if counts:
        gathered.parts.append({"kind": "heading", "text": "Destroyed"})
        pairs = []
        for each, count in counts.items():
            why = rule(each.rule)
            said = f"{count} items, by {each.name} and {each.decider}. {why.citation}: {why.title}."
            pairs.append((printing.local_day(each.decided_at or each.at), said))
        gathered.parts.append({"kind": "facts", "columns": 1, "pairs": pairs})


def _is_added(row: Row) -> bool:
    return isinstance(row, DocumentEntry) and row.added_as is not None


def _ids(document: Document) -> set[str]:
    return {document.id, *(id for each in document.added for id in _ids(each))}


def _contents(ctx: AccessContext, patients: Patients, rows: Sequence[Row], gathered: _Gathered) -> None:
    """The documents of the list one after the other; what was added to one follows it."""
    shown: set[str] = set()
    for row in sorted(rows[:MOST_DOCUMENTS], key=_is_added):
        document = record.document(ctx, patients, row.type, row.id)
        if document is None or row.id in shown:
            continue
        shown |= _ids(document)
        gathered.parts.append({"kind": "heading", "text": document.title, "mark": printing.mark(document.mark)})
        gathered.parts.append({"kind": "facts", "columns": 2, "pairs": about(document)})
        _document(ctx, patients, document, gathered)
    if len(rows) > MOST_DOCUMENTS:
        gathered.leave_out(f"the contents of {len(rows) - MOST_DOCUMENTS} older documents; print them one by one.")


def _document(ctx: AccessContext, patients: Patients, document: Document, gathered: _Gathered) -> None:
    """The parts of a document, each with its title. What cannot be printed is named."""
    if not document.parts:
        gathered.parts.append({"kind": "empty", "text": "Only the description of this document has arrived."})
    gathered.pdf = 0
    for number, part in enumerate(document.parts, start=1):
        # A scan is often filed with a PDF of its pages before it, and not printed twice.
        pdf_before, gathered.pdf = gathered.pdf, 0
        title = part.title if part.title.casefold() != document.title.casefold() else ""
        title = title or (f"Part {number}" if len(document.parts) > 1 else "")
        if title:
            gathered.parts.append({"kind": "heading", "level": 3, "text": title})
        if part.note:
            gathered.parts.append({"kind": "prose", "text": f"Note: {part.note}"})
        if part.kind is PartKind.TEXT:
            gathered.parts.append({"kind": "as-written", "text": part.text})
        elif part.kind is PartKind.HTML:
            gathered.parts += narrative.parts_of(part.text)
        else:
            _file(ctx, patients, document, part, gathered, pdf_before)
    for each in document.added:
        added_as = f"{each.added_as.words}: " if each.added_as else ""
        gathered.parts.append(
            {"kind": "heading", "text": f"{added_as}{each.title}", "mark": printing.mark(each.mark)}
        )
        gathered.parts.append({"kind": "facts", "columns": 2, "pairs": about(each)})
        gathered.keys.append((each.type, each.id))
        _document(ctx, patients, each, gathered)


def _file(
    ctx: AccessContext,
    patients: Patients,
    document: Document,
    part: DocumentPart,
    gathered: _Gathered,
    pdf_before: int,
) -> None:
    """A part that is a file: a picture, the pages of a PDF, or words that it is not printed."""
    found = (
        record.document_file(ctx, patients, document.type, document.id, part.file, document.version)
        if part.file is not None
        else None
    )
    if part.file is None:
        gathered.parts.append({"kind": "empty", "text": "There is no file here."})
    elif found is None:
        gathered.leave_out(f"a file of “{document.title}” that has not arrived.")
    elif part.kind is PartKind.PDF:
        _pages(found.content, document, gathered)
    elif part.kind is PartKind.IMAGE and (shown := picture(found.content)) and gathered.pictures < MOST_PICTURES:
        gathered.pictures += 1
        gathered.parts.append({"kind": "picture", "picture": shown, "alt": f"Image of {document.title}"})
    elif (pages := page_number(found.content)) and pages != pdf_before:
        _images(found.content, pages, document, gathered)
    else:
        about = f"{part.media_type}, {printing.size(len(found.content))}"
        gathered.leave_out(f"a file of “{document.title}” ({about}); open it on its own.")


def _images(content: bytes, pages: int, document: Document, gathered: _Gathered) -> None:
    """The pages of a TIFF, or a GIF or WebP, as pictures."""
    shown = 0
    for shown, image in enumerate(pages_of(content, MOST_PICTURES - gathered.pictures), start=1):
        gathered.pictures += 1
        alt = f"Page {shown} of {pages} of {document.title}" if pages > 1 else f"Image of {document.title}"
        gathered.parts.append({"kind": "picture", "picture": image, "alt": alt})
    if shown < pages:
        which = "1 page" if pages - shown == 1 else f"{pages - shown} pages"
        gathered.leave_out(f"{which} of a file of “{document.title}”; open it on its own.")


def _pages(content: bytes, document: Document, gathered: _Gathered) -> None:
    try:
        pages = pdf.page_count(content)
    except pdf.UnreadablePage:
        gathered.leave_out(f"a file of “{document.title}” that cannot be read as a PDF; open it on its own.")
        return
    gathered.pdf = pages
    room = max(0, MOST_PICTURES - gathered.pictures)
    for number in range(1, min(pages, room) + 1):
        try:
            image = pdf.page_image(content, number)
        except pdf.UnreadablePage:
            gathered.leave_out(f"page {number} of a file of “{document.title}”, which cannot be drawn.")
            continue
        gathered.pictures += 1
        alt = f"Page {number} of {pages} of {document.title}. {pdf.page_text(content, number)}"[:_LONGEST_WORDS]
        gathered.parts.append({"kind": "picture", "picture": drawn(image), "alt": alt})
    if pages > room:
        gathered.leave_out(f"{pages - room} pages of a file of “{document.title}”; open it on its own.")
