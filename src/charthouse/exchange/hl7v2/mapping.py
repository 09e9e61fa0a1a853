"""The state of mapping one patient's part of a message: ids, drafts, warnings, and references between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from charthouse.exchange.drafts import Draft, Mode
from charthouse.exchange.times import date_time, day, instant

from .envelope import Envelope
from .message import Message, Segment
from .plan import Merge, RawSegment, VisitChange

Json = dict[str, Any]
Mint = Callable[[str, str], str]

MAX_WARNINGS = 200


class Mapping:
    """Collects what one patient's part of a message asks for. Used once, by one call of ``to_fhir``."""

    def __init__(self, message: Message, envelope: Envelope, zone: ZoneInfo, mint: Mint) -> None:
        self.message = message
        self.envelope = envelope
        self.zone = zone
        self.mint = mint
        self.warnings: list[str] = []
        self.lost: list[tuple[str, str]] = []
        self.drafts: dict[tuple[str, str], Draft] = {}
        self.merges: list[Merge] = []
        self.raw_segments: list[RawSegment] = []
        self.patient: Draft | None = None
        self.patient_key: str | None = None
        self.patient_reference: str | None = None
        self.visit: VisitChange | None = None
        self.visit_key: str | None = None
        self.encounter_reference: str | None = None
        self.account_key: str | None = None
        self.account_reference: str | None = None
        self.security: list[Json] = []
        self.event_time: str | None = None

    # Drafts

    def reference(self, kind: str, key: str) -> str:
        """``Type/id`` of a thing by its natural key, filed by this message or not."""
        return f"{kind}/{self.mint(kind, key)}"

    def put(
        self,
        kind: str,
        key: str,
        elements: Json,
        segment: Segment,
        *,
        mode: Mode = "snapshot",
        directory: bool = False,
        cleared: frozenset[str] = frozenset(),
    ) -> Draft:
        """File a resource. The same key twice in a message: what comes later fills and corrects what was there."""
        known = self.drafts.get((kind, key))
        if known is not None:
            if directory:
                for name, value in elements.items():
                    known.resource.setdefault(name, value)
            else:
                known.resource.update(elements)
            return known
        resource: Json = {"resourceType": kind, "id": self.mint(kind, key), **elements}
        draft = Draft(kind, key, resource, mode, segment.label, directory, cleared)
        self.drafts[kind, key] = draft
        return draft

    def secured(self, resource: Json) -> Json:
        """The resource with the message's security labels (patient's and visit's) on it."""
        if self.security:
            meta = resource.setdefault("meta", {})
            present = meta.setdefault("security", [])
            present += [coding for coding in self.security if coding not in present]
        return resource

    # Words about the message

    def warn(self, text: str, segment: Segment | None = None, field: int | None = None) -> None:
        """Note something strange; names the place, never the value."""
        if len(self.warnings) >= MAX_WARNINGS:
            return
        if segment is not None:
            text = f"{_place(segment, field)}: {text}"
        self.warnings.append(text)

    def lose(self, text: str, segment: Segment, field: int) -> None:
        """Note what is of the message and of nothing that is made of it, and who should be told of it."""
        self.warn(text, segment, field)
        if len(self.lost) < MAX_WARNINGS:
            self.lost.append((_place(segment, field), text))

    # Times

    def time(self, segment: Segment, field: int, component: int = 1) -> str | None:
        """A time field as FHIR dateTime; warns where it holds something that is no time."""
        text = segment.get(field, component)
        if not text:
            return None
        found = date_time(text, self.zone)
        if found is None:
            self.warn("The time cannot be read.", segment, field)
        return found

    def date(self, segment: Segment, field: int) -> str | None:
        """A time field as FHIR date."""
        text = segment.get(field)
        if not text:
            return None
        found = day(text, self.zone)
        if found is None:
            self.warn("The date cannot be read.", segment, field)
        return found

    def instant(self, segment: Segment, field: int) -> str | None:
        """A time field as FHIR instant; None where it has no clock time."""
        return instant(segment.get(field), self.zone)


def _place(segment: Segment, field: int | None) -> str:
    name = f"{segment.name}-{field}" if field is not None else segment.name
    return f"{name} (line {segment.index})"
