"""What a message asks to be filed: the hand-over from this codec to intake, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from charthouse.exchange.drafts import Draft

from .envelope import Envelope

SERVICE_HISTORY: Final = "urn:charthouse:fhir:StructureDefinition:encounter-service-history"
"""Extension of Encounter: a service the patient was under (``service``, CodeableConcept) and when (``period``)."""


@dataclass(frozen=True, slots=True)
class RawSegment:
    """A financial segment as sent (unescaped neither), kept with the account for billing and coding."""

    name: str
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Two of the sender's records that are one, one that moved, or one that changed its number.

    *merge*: ``prior`` was the same as ``survivor`` and ends. *move*: ``survivor`` goes from the owner
    ``prior_owner`` to ``owner``, keeping its number. *change*: the record known as ``prior`` is now ``survivor``.
    Keys are natural keys, references ``Type/id``; ``identifiers`` are FHIR Identifiers.
    """

    kind: Literal["patient", "account", "visit"]
    action: Literal["merge", "move", "change"]
    survivor_key: str
    prior_key: str
    survivor: str
    prior: str
    survivor_identifiers: tuple[dict[str, Any], ...]
    prior_identifiers: tuple[dict[str, Any], ...]
    segment: str
    owner: str | None = None
    prior_owner: str | None = None


class Effect(StrEnum):
    """What an event does to a visit."""

    ADMIT = "admit"
    REGISTER = "register"
    PREADMIT = "preadmit"
    PEND_ADMIT = "pend-admit"
    TRANSFER = "transfer"
    PEND_TRANSFER = "pend-transfer"
    TRACK = "track"
    DISCHARGE = "discharge"
    PEND_DISCHARGE = "pend-discharge"
    CLASS = "class"
    UPDATE = "update"
    LEAVE = "leave"
    RETURN = "return"
    CANCEL_ADMIT = "cancel-admit"
    CANCEL_TRANSFER = "cancel-transfer"
    CANCEL_DISCHARGE = "cancel-discharge"
    CANCEL_PEND_ADMIT = "cancel-pend-admit"
    CANCEL_PEND_TRANSFER = "cancel-pend-transfer"
    CANCEL_PEND_DISCHARGE = "cancel-pend-discharge"
    CANCEL_LEAVE = "cancel-leave"
    CANCEL_RETURN = "cancel-return"
    MENTION = "mention"
    """The message names the visit without being about it (a result, an order): it fills gaps only."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the patient is: a reference to a Location, its name, and the bed's status (table 0116)."""

    reference: str
    display: str
    bed_status: str = ""


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody with a role in the visit. ``role`` is a FHIR CodeableConcept; its first code tells roles apart."""

    role: dict[str, Any]
    reference: str
    display: str
    start: str | None = None
    end: str | None = None

    @property
    def code(self) -> str:
        """The role's code, e.g. ATND."""
        codings = self.role.get("coding") or [{}]
        return str(codings[0].get("code") or self.role.get("text") or "")


@dataclass(frozen=True, slots=True)
class VisitChange:
    """What a message says about one visit; ``intake.domain.visits.apply_visit`` makes it an Encounter.

    ``at`` is when the event happened, ``recorded`` when it was entered (FHIR dateTimes): the first orders the
    visit's history, the second tells a late message. ``elements`` holds the Encounter elements without a history
    (identifier, type, hospitalization …); what is absent there stays as it was, unless named in ``cleared``.
    ``roles`` are the role codes the message spoke about: of these, people who are not in ``participants`` have
    ended. ``class_`` and ``service`` are None where the message says nothing of them.
    """

    trigger: str
    effect: Effect
    key: str
    id: str
    patient: str
    segment: str
    at: str | None = None
    recorded: str | None = None
    class_: dict[str, Any] | None = None
    status: str | None = None
    service: dict[str, Any] | None = None
    location: Place | None = None
    prior_location: Place | None = None
    temporary_location: Place | None = None
    pending_location: Place | None = None
    participants: tuple[Participant, ...] = ()
    roles: frozenset[str] = frozenset()
    admitted: str | None = None
    discharged: str | None = None
    elements: dict[str, Any] = field(default_factory=dict)
    cleared: frozenset[str] = frozenset()

    @property
    def reference(self) -> str:
        """``Encounter/id``."""
        return f"Encounter/{self.id}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one message asks for, for one patient; ``others`` holds the further patients of the message.

    ``patient`` also stands in ``drafts``. The Encounter is not among them: ``visit`` says what happens to it, and
    its public id is ``visit.id``. ``occurred`` is the event's time (aware), from EVN-6, EVN-2 or MSH-7.
    """

    envelope: Envelope
    patient: Draft | None
    patient_key: str | None
    drafts: list[Draft]
    visit: VisitChange | None
    merges: list[Merge]
    account_segments: list[RawSegment]
    account_key: str | None
    occurred: datetime | None
    warnings: list[str]
    others: tuple[Plan, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    """(place, reason) of what nothing could be made of, and a person should know."""

    def all(self) -> Iterator[Plan]:
        """This plan and those of the message's further patients."""
        yield self
        yield from self.others
