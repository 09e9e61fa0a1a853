"""What a chart shows: the rows its queries return and its screens draw.

Types only. Every row names the resource it came from (``type``, ``id``, ``version``), so that a screen can open
it, say where it came from, and mark it as draft, unsigned or retracted. Text is as the record has it; an
empty string or ``None`` means the record does not say, which a screen shows as unknown and never as "no".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from charthouse.foundation.access.api import Label

from .domain.documents import ADDED, Kind, Meaning, Stage, StageEntry


class Mark(StrEnum):
    """Why an item is not to be read as final. One function of the record decides it for screen, print, export
    and API alike."""

    NONE = ""
    DRAFT = "draft"
    UNSIGNED = "unsigned"
    CORRECTED = "corrected"
    RETRACTED = "retracted"


@dataclass(frozen=True, slots=True)
class When:
    """A moment as the sender gave it. ``text`` is the FHIR date, dateTime or instant with its own precision and
    offset; ``instant`` is its beginning, aware, for sorting. Both are empty when the record does not say."""

    text: str = ""
    instant: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.text)


UNKNOWN = When()


@dataclass(frozen=True, slots=True)
class Code:
    """A code beside its words: ``system`` is the system's short title as people say it, e.g. "LOINC"."""

    system: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One item of a chart. ``type`` is the FHIR resource type, ``id`` its public id, ``when`` the moment that
    sorts it (occurred, else authored), ``detail`` further labelled text in reading order."""

    type: str
    id: str
    version: int
    title: str
    status: str = ""
    when: When = UNKNOWN
    mark: Mark = Mark.NONE
    code: Code | None = None
    labels: Label = Label.NONE
    detail: Mapping[str, str] = field(default_factory=dict)


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Part of a section, newest first. ``next`` is the cursor of what is older, None at the end. Every section of a
    chart is read as ``record.api.<section>(ctx, patients, cursor=None) -> Page[…]``."""

    rows: tuple[R, ...] = ()
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allergy(Row):
    """AllergyIntolerance. ``criticality`` is ``high``, ``low``, ``unable-to-assess`` or empty."""

    kind: str = ""
    criticality: str = ""
    verification: str = ""
    reactions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Row):
    """Flag: something a reader must know before acting. ``urgent`` draws it in the colour of danger."""

    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Contact:
    """A person the patient named, and what that person may be told. ``may_be_told`` is None where nobody asked
    (45 CFR 164.510(b) lets the patient agree or object)."""

    name: str
    relationship: str = ""
    phone: str = ""
    may_be_told: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChartSummary:
    """The banner of a chart.

    ``age`` is in completed years on the business date, or at death. ``allergy_statement`` is the recorded
    statement that there are none ("No known allergy"); with neither it nor ``allergies`` the banner says that
    nothing was recorded. ``interpreter`` is None where the record does not say. ``birth_date`` is a FHIR date.
    """

    name: str
    birth_date: str
    age: int | None
    sex: str
    mrns: tuple[str, ...]
    deceased: bool = False
    died: When = UNKNOWN
    allergies: tuple[Allergy, ...] = ()
    allergy_statement: str = ""
    flags: tuple[Flag, ...] = ()
    language: str = ""
    interpreter: bool | None = None
    confidential_address: str = ""
    contacts: tuple[Contact, ...] = ()
    labels: Label = Label.NONE
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many items each section holds, by section (``encounters``, ``documents``, …), as far as this reader
    may see them."""


class SpanKind(StrEnum):
    """What of an encounter changed over time."""

    CLASS = "class"
    SERVICE = "service"
    LOCATION = "location"
    ATTENDING = "attending"


@dataclass(frozen=True, slots=True)
class Span:
    """A period within an encounter: one class, service, location or attending practitioner."""

    kind: SpanKind
    title: str
    start: When = UNKNOWN
    end: When = UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter(Row):
    """Encounter. ``title`` is its type or class in words; ``when`` its start. ``number`` is the visit or account
    number the sender gave."""

    number: str = ""
    class_title: str = ""
    end: When = UNKNOWN
    reason: str = ""
    disposition: str = ""
    facility: str = ""
    spans: tuple[Span, ...] = ()


class PartKind(StrEnum):
    """How a part of a document is read on a screen."""

    TEXT = "text"
    HTML = "html"
    PDF = "pdf"
    IMAGE = "image"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Part:
    """One content of a document. ``text`` holds plain text or sanitized HTML; ``file`` is the index under which
    :func:`record.api.document_file` gives the bytes of the others. ``pages`` counts a PDF's pages. ``note`` says
    what a reader must know of it: that a section of a document was kept as text only, and why."""

    kind: PartKind
    media_type: str
    title: str = ""
    text: str = ""
    file: int | None = None
    size: int | None = None
    pages: int | None = None
    language: str = ""
    note: str = ""
    machine: str = ""
    """What a machine (``engine``) read in a scan: never to be taken for what somebody wrote."""
    engine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who says what of a document. ``version`` is what they saw, ``as_version`` the one that says so; ``at`` is
    None where a message does not tell. ``by_hand`` tells a signature made here from one a message told of;
    ``current`` is False where the text changed since."""

    version: int
    as_version: int
    meaning: Meaning
    signer: str
    name: str
    role: str = ""
    at: datetime | None = None
    recorded: datetime
    by_hand: bool
    statement: str = ""
    current: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A correction of a document: asked for by ``name`` at ``at``; ``outcome`` is ``done``, ``refused``,
    ``withdrawn``, or empty while it waits for a second person. ``patient`` and ``to_patient`` are rows, ``made``
    the id of the document it put beside the first."""

    id: int
    type: str
    document: str
    version: int
    patient: int
    kind: Kind
    reason: str
    to_patient: int | None = None
    to_encounter: str = ""
    by: str
    name: str
    at: datetime
    outcome: str = ""
    decision_note: str = ""
    made_version: int | None = None
    made: str = ""
    decided_by: str = ""
    decider: str = ""
    decided_at: datetime | None = None

    @property
    def waits(self) -> bool:
        return not self.outcome

    @property
    def done(self) -> bool:
        return self.outcome == "done"

    @property
    def is_refused(self) -> bool:
        return self.outcome in {"refused", "withdrawn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEntry(Row):
    """A document in the list: DocumentReference, Composition, DiagnosticReport with a text, and the like.
    ``title`` is its kind in words; ``when`` the time it speaks of; ``added_as`` says that it was written after
    another one, and ``additions`` how many were written after this one."""

    author: str = ""
    service: str = ""
    encounter: str = ""
    authored: When = UNKNOWN
    added_as: Kind | None = None
    additions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(DocumentEntry):
    """A document with its contents, who signed it, and what was added to it and corrected of it."""

    parts: tuple[Part, ...] = ()
    relations: tuple[tuple[str, str, str], ...] = ()
    """(how it relates, type, id) of documents it replaces, amends or is replaced by."""
    signatures: tuple[Signature, ...] = ()
    stages: tuple[StageEntry, ...] = ()
    corrections: tuple[Correction, ...] = ()
    added: tuple[Document, ...] = ()
    """Addenda and late entries to it, oldest first; to be shown with it wherever it is shown."""
    seen: str = ""
    """What an act on what was seen names: the version and the hash of its bytes."""
    versions: int = 1
    own_text: str | None = None
    """The text of a document that is one plain text, so that it can be changed by form."""
    unsigned: bool = False
    final: bool = False
    written_elsewhere: bool = False
    """Whether none of its authors has an account here."""
    wrote: Callable[[Iterable[str], str], bool] = field(default=lambda keys, name: False, compare=False, repr=False)
    """Whether somebody (``AccessContext.keys`` and name) is an author, so that they may sign as one."""
    makers: tuple[str, ...] = ()
    """The accounts and references of who wrote, dictated or transcribed it."""
    visit: Encounter | None = None
    """The encounter it belongs to, where the chart has it and the reader may see it."""

    @property
    def signed(self) -> tuple[Signature, ...]:
        """The signatures that speak of the document as it stands."""
        return tuple(each for each in self.signatures if each.current and each.meaning.makes_final)

    @property
    def questioned(self) -> Correction | None:
        """The correction that waits for a second person."""
        return next((each for each in self.corrections if each.waits), None)

    @property
    def made_by(self) -> tuple[StageEntry, ...]:
        """How its text came about, without a verification that stands among its signatures."""
        signed = any(each.meaning is Meaning.VERIFIER for each in self.signatures)
        return tuple(each for each in self.stages if not signed or each.stage is not Stage.VERIFIED)

    @property
    def set_right(self) -> bool:
        """Whether it was corrected itself, and not only added to."""
        return any(each.done and each.kind not in ADDED for each in self.corrections)


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """The bytes of a document's part, for the same-origin viewer."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents to list; empty fields do not filter. ``kind`` is a title from the list's own kinds."""

    kind: str = ""
    text: str = ""
    encounter: str = ""
    since: date | None = None
    until: date | None = None


class Interpretation(StrEnum):
    """HL7 v3 ObservationInterpretation as far as results use it; the value is the code."""

    NONE = ""
    NORMAL = "N"
    LOW = "L"
    HIGH = "H"
    CRITICAL_LOW = "LL"
    CRITICAL_HIGH = "HH"
    ABNORMAL = "A"
    CRITICAL = "AA"
    RESISTANT = "R"
    SUSCEPTIBLE = "S"
    INTERMEDIATE = "I"
    POSITIVE = "POS"
    NEGATIVE = "NEG"

    @property
    def words(self) -> str:
        """The word a screen shows beside its sign."""
        return _INTERPRETATIONS[self]

    @property
    def abnormal(self) -> bool:
        return self not in _UNREMARKABLE

    @property
    def critical(self) -> bool:
        return self in {Interpretation.CRITICAL_LOW, Interpretation.CRITICAL_HIGH, Interpretation.CRITICAL}


_UNREMARKABLE = frozenset(
    {Interpretation.NONE, Interpretation.NORMAL, Interpretation.NEGATIVE, Interpretation.SUSCEPTIBLE}
)
_INTERPRETATIONS = {
    Interpretation.NONE: "",
    Interpretation.NORMAL: "normal",
    Interpretation.LOW: "low",
    Interpretation.HIGH: "high",
    Interpretation.CRITICAL_LOW: "critically low",
    Interpretation.CRITICAL_HIGH: "critically high",
    Interpretation.ABNORMAL: "abnormal",
    Interpretation.CRITICAL: "critically abnormal",
    Interpretation.RESISTANT: "resistant",
    Interpretation.SUSCEPTIBLE: "susceptible",
    Interpretation.INTERMEDIATE: "intermediate",
    Interpretation.POSITIVE: "positive",
    Interpretation.NEGATIVE: "negative",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Row):
    """One observation. ``value`` is what to print, ``number`` the same as a number where it is one; ``unit`` is
    the printed unit and ``range`` the sender's reference range in words."""

    value: str = ""
    unit: str = ""
    number: Decimal | None = None
    range: str = ""
    interpretation: Interpretation = Interpretation.NONE
    note: str = ""
    absent_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPanel(Row):
    """A report and its results. A result that stands in no report is a panel of its own."""

    specimen: str = ""
    collected: When = UNKNOWN
    received: When = UNKNOWN
    performer: str = ""
    conclusion: str = ""
    results: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class ResultMatrix:
    """Results of one kind over time. ``columns`` are moments, newest first; each row has one cell a column,
    None where nothing was measured then."""

    columns: tuple[When, ...]
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One test over time; ``unit`` and ``range`` are those of its newest result."""

    title: str
    unit: str
    range: str
    cells: tuple[Result | None, ...]


@dataclass(frozen=True, slots=True)
class VitalSeries:
    """One vital sign over time, oldest first. ``low`` and ``high`` bound its reference range where one is known.
    A blood pressure is two series."""

    title: str
    unit: str
    points: tuple[Result, ...]
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Row):
    """Condition. ``status`` is the clinical status; ``when`` the onset, else the day it was recorded."""

    verification: str = ""
    category: str = ""
    onset: When = UNKNOWN
    abated: When = UNKNOWN
    recorder: str = ""

    @property
    def active(self) -> bool:
        """Whether the patient has it now: recurrence and relapse are kinds of active (FHIR condition-clinical)."""
        return self.status in {"active", "recurrence", "relapse"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Medication(Row):
    """An order, a statement, a dispensing or an administration; ``kind`` says which in words."""

    kind: str = ""
    dosage: str = ""
    prescriber: str = ""
    reason: str = ""
    end: When = UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Immunization(Row):
    """``status`` is ``completed``, ``entered-in-error`` or ``not-done``; ``reason_not_done`` explains the last."""

    dose: str = ""
    site: str = ""
    lot: str = ""
    performer: str = ""
    reason_not_done: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure(Row):
    """``when`` is its start."""

    end: When = UNKNOWN
    performer: str = ""
    body_site: str = ""
    location: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment(Row):
    """``when`` is its start."""

    end: When = UNKNOWN
    practitioner: str = ""
    location: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage(Row):
    """``order`` is 1 for primary, 2 for secondary; None where the record does not say."""

    payer: str = ""
    order: int | None = None
    member: str = ""
    group: str = ""
    plan: str = ""
    subscriber: str = ""
    relationship: str = ""
    end: When = UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceView(Row):
    """Any single item, whole: labelled text in ``detail`` and the resource as indented JSON in ``source``; of an
    observation its value and those of its components in ``results``."""

    source: str = ""
    results: tuple[Result, ...] = ()
