"""What the analysis of a chart knows of an encounter: plain facts, read once and then only compared.

Times are aware datetimes; ids are those of the record's resources (FHIR ids; not every sender's are UUIDs), without
their type. What nobody said is None, and never taken for *no*.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class EncounterKind(StrEnum):
    """What an encounter is to completion: the most that it became."""

    INPATIENT = "inpatient"
    OBSERVATION = "observation"
    SAME_DAY_SURGERY = "same-day-surgery"
    EMERGENCY = "emergency"
    CLINIC = "clinic"


class Role(StrEnum):
    """As what a practitioner had to do with an encounter, an operation or a document."""

    ATTENDING = "attending"
    ADMITTING = "admitting"
    CONSULTANT = "consultant"
    REFERRING = "referring"
    SURGEON = "surgeon"
    ASSISTANT = "assistant"
    ANESTHETIST = "anesthetist"
    SUPERVISING = "supervising"
    AUTHOR = "author"
    OTHER = "other"


class Disposition(StrEnum):
    """How an encounter ended, as far as rules differ by it."""

    HOME = "home"
    DIED = "died"
    AGAINST_ADVICE = "against-advice"
    TRANSFERRED = "transferred"
    OTHER = "other"


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"


@dataclass(frozen=True, slots=True)
class Party:
    """A practitioner: the id of the Practitioner (empty where only a name or an account is known), the account's
    key (``user:7``) where one is named, the name, the credentials as they stand behind it (``MD``, ``RN``), and the
    National Provider Identifier, each empty where it is not known."""

    id: str
    name: str = ""
    account: str = ""
    credentials: str = ""
    npi: str = ""

    @property
    def known(self) -> bool:
        return bool(self.id or self.account)

    def is_(self, other: Party) -> bool:
        """Whether two are one, as far as both are known."""
        return bool((self.id and self.id == other.id) or (self.account and self.account == other.account))


@dataclass(frozen=True, slots=True)
class Taking:
    """That a practitioner had a part in an encounter from ``since`` until before ``until``; None is open."""

    who: Party
    role: Role
    since: datetime | None = None
    until: datetime | None = None

    def covers(self, at: datetime) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Phase:
    """A level of care: as what the patient was there, from ``since`` until before ``until``."""

    kind: EncounterKind
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Where the patient was: a place's name, from ``since`` until before ``until``."""

    place: str
    since: datetime
    until: datetime | None = None


class Signature(NamedTuple):
    """Who authenticated a document and when, and what they said by it (``author``, ``co-signer`` …)."""

    who: Party
    at: datetime | None = None
    meaning: str = "authenticator"


class DocumentFact(NamedTuple):
    """A document as it stands in the chart; what was retracted or moved away is not among the facts.

    ``type`` is the resource's. ``piece`` is what part of a chart it is, None where its codes do not say.
    ``codings`` are (system, code). ``stage`` is ``dictated``, ``transcribed`` or ``verified`` where it says so,
    ``status`` and ``doc_status`` FHIR's words. ``authored`` is when it was written or dictated (what clocks go
    by), ``recorded`` when it came into the chart. ``unsigned`` says that it calls itself not authenticated.
    ``corrected`` is ``amended`` or ``""``. ``sides`` are left and right as the text has them beside what is
    operated on; ``operated_on`` the day of the operation a report tells. ``procedure`` is the operation it names,
    ``added_to`` are the documents it is an addendum to, ``number`` is its number at its sender.
    """

    id: str
    type: str
    version: int
    piece: str | None
    codings: tuple[tuple[str, str], ...] = ()
    title: str = ""
    stage: str = ""
    status: str = ""
    doc_status: str = ""
    authored: datetime | None = None
    recorded: datetime | None = None
    signatures: tuple[Signature, ...] = ()
    authors: tuple[Party, ...] = ()
    supervisor: Party | None = None
    unsigned: bool = False
    corrected: str = ""
    sides: frozenset[Side] = frozenset()
    operated_on: date | None = None
    procedure: str = ""
    added_to: tuple[str, ...] = ()
    number: str = ""


@dataclass(frozen=True, slots=True)
class ProcedureFact:
    """A procedure. ``operation``: it is one that a report is written about (an operation or another procedure of
    high risk). ``performers`` with their role. ``anesthesia`` is whether anesthesia services had a part,
    ``general`` whether it was general anesthesia, ``tissue`` whether tissue was taken out; None where nobody
    says. ``emergency``: the record says that it could not wait."""

    id: str
    title: str
    status: str
    operation: bool
    start: datetime | None = None
    end: datetime | None = None
    performers: tuple[tuple[Role, Party], ...] = ()
    side: Side | None = None
    anesthesia: bool | None = None
    general: bool | None = None
    tissue: bool | None = None
    emergency: bool = False

    @property
    def done(self) -> bool:
        """Whether it took place: cancelled cases ask for nothing."""
        return self.status in ("completed", "in-progress", "stopped")

    def by(self, role: Role) -> Party | None:
        """The first performer in that role."""
        return next((who for each, who in self.performers if each is role), None)


@dataclass(frozen=True, slots=True)
class OrderFact:
    """An order. ``verbal`` is whether it was given by word of mouth or telephone, None where nobody says;
    ``taken_by`` who wrote it down; ``authenticated`` when the orderer or another responsible practitioner
    signed."""

    id: str
    type: str
    title: str
    status: str
    verbal: bool | None = None
    ordered: datetime | None = None
    orderer: Party | None = None
    taken_by: Party | None = None
    authenticated: datetime | None = None

    @property
    def stands(self) -> bool:
        return self.status not in ("entered-in-error", "draft")


@dataclass(frozen=True, slots=True)
class ConsultFact:
    """A consultation that was asked for: of whom (None where only a service is named), and by whom."""

    id: str
    title: str
    status: str
    ordered: datetime | None = None
    asked_by: Party | None = None
    asked_of: Party | None = None

    @property
    def stands(self) -> bool:
        return self.status not in ("entered-in-error", "revoked", "draft")


@dataclass(frozen=True, slots=True)
class SpecimenFact:
    """A specimen of the encounter; ``tissue`` says that it is tissue."""

    id: str
    collected: datetime | None = None
    tissue: bool = False


@dataclass(frozen=True, slots=True)
class DiagnosisFact:
    """A diagnosis of the encounter; ``final`` says that it is one of discharge."""

    id: str
    code: str = ""
    final: bool = False
    principal: bool = False


@dataclass(frozen=True, slots=True)
class EncounterFacts:
    """All that rules look at of one encounter.

    ``row`` is the record's row of the Encounter, ``patient`` that of its source patient, ``person`` the person's.
    ``facility`` is the site's facility and ``facility_type`` what its rules go by; ``time_zone`` (IANA) is where
    its days begin. ``start`` is registration, ``admitted`` when it became an inpatient or observation stay.
    ``number`` is the visit's number at its sender, ``provider`` what the sender calls the facility, ``service`` the
    hospital service. ``labels`` are the record's label bits of the encounter.
    """

    id: str
    kind: EncounterKind
    status: str
    start: datetime | None = None
    end: datetime | None = None
    admitted: datetime | None = None
    disposition: Disposition | None = None
    row: int = 0
    patient: int = 0
    person: UUID | None = None
    facility: int | None = None
    facility_type: str = "hospital"
    time_zone: str = "UTC"
    number: str = ""
    provider: str = ""
    service: str = ""
    labels: int = 0
    phases: tuple[Phase, ...] = ()
    moves: tuple[Move, ...] = ()
    takings: tuple[Taking, ...] = ()
    documents: tuple[DocumentFact, ...] = ()
    procedures: tuple[ProcedureFact, ...] = ()
    orders: tuple[OrderFact, ...] = ()
    consults: tuple[ConsultFact, ...] = ()
    specimens: tuple[SpecimenFact, ...] = ()
    diagnoses: tuple[DiagnosisFact, ...] = ()

    def holding(self, role: Role, at: datetime) -> Party | None:
        """Who had a part at a moment; before the first, the first, and after the last, the last."""
        found = [each for each in self.takings if each.role is role]
        if not found:
            return None
        there = [each for each in found if each.covers(at)]
        if there:
            return max(there, key=lambda each: (each.since is not None, each.since or at)).who
        before = [each for each in found if each.since is not None and each.since <= at]
        if before:
            return max(before, key=lambda each: each.since or at).who
        return min(found, key=lambda each: each.since or at).who
