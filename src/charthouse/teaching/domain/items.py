"""What happens to a patient, before it becomes messages: plain facts with their times."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .catalog import Condition, Drug
from .staff import Practitioner


@dataclass(slots=True)
class Stay:
    """A visit to the hospital, planned from beginning to end.

    ``kind`` is PV1-2 at arrival (E, O or I); ``becomes`` when an ED or observation patient is admitted (I) or
    observed (O), ``OI`` when the second follows the first, and ``admitted`` when. ``moves`` are the units, and
    once they are found the beds (PL), with their times; ``attendings`` who answers from when. ``end`` and
    ``disposition`` (UB-04) say how it ends; ``age`` is the patient's in years. Of an ``emergency`` the
    hospital tells that the operation could not wait.
    """

    number: str
    key: str
    condition: Condition
    side: str
    start: datetime
    end: datetime
    kind: str
    becomes: str = ""
    admitted: datetime | None = None
    moves: list[tuple[datetime, str]] = field(default_factory=list)
    attendings: list[tuple[datetime, Practitioner]] = field(default_factory=list)
    disposition: str = "01"
    diagnoses: list[str] = field(default_factory=list)
    procedure: str = ""
    surgeon: Practitioner | None = None
    anesthetist: Practitioner | None = None
    operated: tuple[datetime, datetime] | None = None
    emergency: bool = False
    again: bool = False
    icu: bool = False
    age: int = 40

    @property
    def died(self) -> bool:
        """Whether the patient died in it."""
        return self.disposition == "20"

    @property
    def inpatient(self) -> bool:
        """Whether it was an admission."""
        return "I" in (self.kind, self.becomes)

    @property
    def words(self) -> str:
        """The principal diagnosis as it is said."""
        return self.condition.words.replace("[side]", self.side)

    def bed(self, at: datetime) -> str:
        """Where the patient lies."""
        return next((place for since, place in reversed(self.moves) if since <= at), self.moves[0][1])

    def attending(self, at: datetime) -> Practitioner:
        """Who answers for the patient."""
        return next((who for since, who in reversed(self.attendings) if since <= at), self.attendings[0][1])


@dataclass(frozen=True, slots=True)
class Performed:
    """A procedure as PR1 tells it; ``code`` as code^text (ICD-10-PCS), ``anesthesia`` as code^text. ``taken_back``
    says that it was not done, ``emergency`` that it could not wait."""

    code: str
    start: datetime
    end: datetime | None
    surgeon: Practitioner
    anesthetist: Practitioner | None = None
    anesthesia: str = ""
    taken_back: bool = False
    emergency: bool = False


@dataclass(slots=True)
class Item:
    """Something that happens at a time, in a stay or outside of one."""

    at: datetime
    stay: Stay | None


@dataclass(slots=True)
class Adt(Item):
    """An event of table 0003. ``prior`` is the number that A40 gives up, ``bed_before`` PV1-6; ``place`` is PV1-3
    where it is not the stay's bed; ``procedures`` are told beside the stay's own."""

    event: str
    prior: str = ""
    diagnoses: bool = False
    bed_before: str = ""
    place: str = ""
    procedures: tuple[Performed, ...] = ()


@dataclass(slots=True)
class Result(Item):
    """Panels with their values; vital signs are one, too. ``units`` are OBX-6 that differ from the panel's."""

    panels: dict[str, dict[str, float | str]]
    by: Practitioner
    order: str = ""
    units: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Report(Item):
    """A report in words; ``code`` as code^text^system, ``section`` OBR-24."""

    code: str
    section: str
    by: Practitioner
    lines: list[str]
    order: str = ""
    specimen: str = ""


@dataclass(slots=True)
class Document(Item):
    """A document. ``at`` is when it was written; ``filed`` when it came. Unsigned without ``signed``. ``scan`` is a
    page in place of the text, of the type ``media``. ``event`` is T02, T08 where it was edited, T11 where it is
    taken back."""

    number: str
    kind: str
    title: str
    by: Practitioner
    text: str
    filed: datetime
    signed: datetime | None
    state: str = "LA"
    scan: bytes = b""
    media: str = ""
    event: str = "T02"


@dataclass(slots=True)
class Order(Item):
    """Medicines ordered, or stopped, each by its order number."""

    drugs: list[tuple[str, Drug]]
    by: Practitioner
    control: str = "NW"


@dataclass(slots=True)
class Given(Item):
    """Doses given, each with its order's number and time; or why not."""

    doses: list[tuple[str, Drug, datetime, str]]
    by: Practitioner


@dataclass(slots=True)
class Request(Item):
    """A study or service ordered, by order number. ``mode`` is how (ORC-30, VE by word of mouth); ``ordered``
    when, of a message that tells who ``verified`` it later. ``asked`` is who is to answer."""

    number: str
    code: str
    by: Practitioner
    mode: str = ""
    ordered: datetime | None = None
    verified: Practitioner | None = None
    asked: Practitioner | None = None


@dataclass(slots=True)
class Vaccine(Item):
    """A vaccine given; ``code`` as code^text^CVX."""

    code: str
    lot: str
    by: Practitioner


@dataclass(slots=True)
class Booking(Item):
    """An appointment, booked at ``at``; ``trigger`` S12, S15 or S26."""

    number: str
    start: datetime
    minutes: int
    what: str
    by: Practitioner
    trigger: str = "S12"


@dataclass(slots=True)
class Charges(Item):
    """Charges: code^text (the code begins with the NUBC revenue code), quantity, cents."""

    lines: list[tuple[str, int, int]]
