"""SCH, AIS, AIG, AIL, AIP: the Appointment."""

from __future__ import annotations

from datetime import UTC, datetime

from charthouse.exchange.drafts import Mode
from charthouse.exchange.hl7v2 import tables
from charthouse.exchange.hl7v2.datatypes import Json, concept, entity_identifier
from charthouse.exchange.hl7v2.directory import device, location, practitioner, practitioners
from charthouse.exchange.hl7v2.errors import Hl7Error
from charthouse.exchange.hl7v2.keys import identifier_key
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment
from charthouse.exchange.times import date_time, later, moment

from .timing import unit_code

_BY_TRIGGER = {"S15": "cancelled", "S16": "cancelled", "S17": "entered-in-error", "S26": "noshow"}
_PARTICIPANT_TYPE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_MINUTES = {"s": 1 / 60, "min": 1.0, "h": 60.0, "d": 1440.0, "wk": 10080.0}
# Where a resource segment keeps: what, start, duration, its units.
_RESOURCES = {"AIS": (3, 4, 7, 8), "AIG": (3, 8, 11, 12), "AIL": (3, 6, 9, 10), "AIP": (3, 6, 9, 10)}


def map_appointment(mapping: Mapping, sch: Segment, following: list[Segment], *, shared: bool = False) -> None:
    """SCH and the resources after it. ``shared`` where several patients have the appointment: one each is filed.

    Raises Hl7Error where the appointment has no number.
    """
    number = identifier_key(sch.first(2), 2) or identifier_key(sch.first(1), 2)
    if not number:
        raise Hl7Error("The appointment has neither a placer's nor a filler's number.", "SCH", sch.index, 1)
    kind = "filler" if sch.get(2) else "placer"
    key = f"{kind}:{number}" + (f"/{mapping.patient_key}" if shared else "")
    trigger = mapping.envelope.trigger
    status = _status(sch, following, trigger)
    elements: Json = {"status": status}
    numbers = [
        one for one in (entity_identifier(sch.first(1), "PLAC"), entity_identifier(sch.first(2), "FILL")) if one
    ]
    elements["identifier"] = numbers
    _why(sch, elements, status)
    participants: list[Json] = [{"actor": {"reference": mapping.patient_reference}, "status": "accepted"}]
    starts: list[tuple[str, str | None]] = []
    services: list[Json] = []
    for segment in following:
        if segment.name in _RESOURCES:
            _resource(mapping, segment, participants, services, starts, status)
    _contacts(mapping, sch, participants)
    elements["participant"] = participants
    if services:
        elements["serviceType"] = services
    _when(mapping, sch, following, starts, elements)
    comments = [
        text
        for segment in following
        if segment.name == "NTE" and (text := "\n".join(value.text for value in segment.values(3)))
    ]
    if comments:
        elements["comment"] = "\n".join(comments)
    orders = [
        mapping.reference("ServiceRequest", f"placer:{order}/")
        for value in sch.values(26)
        if (order := identifier_key(value, 2)) and value.components() > 2
    ]
    if orders:
        elements["basedOn"] = [{"reference": order} for order in dict.fromkeys(orders)]
    mode: Mode = "entered-in-error" if status == "entered-in-error" else "snapshot"
    mapping.put("Appointment", key, mapping.secured(elements), sch, mode=mode)


def _status(sch: Segment, following: list[Segment], trigger: str) -> str:
    """The trigger says it for cancelled, deleted and missed; else SCH-25, else the services' own status."""
    by_trigger = _BY_TRIGGER.get(trigger)
    if by_trigger:
        return by_trigger
    told = tables.fhir_code("appointment-status", sch.get(25))
    if told:
        return told
    for segment in following:
        if segment.name == "AIS":
            told = tables.fhir_code("appointment-status", segment.get(10))
            if told:
                return told
    return "booked"


def _why(sch: Segment, elements: Json, status: str) -> None:
    event, reason, kind = concept(sch.first(6)), concept(sch.first(7), "appointment-reason"), sch.first(8)
    if status in ("cancelled", "noshow") and event:
        elements["cancelationReason"] = event
    if reason:
        elements["reasonCode"] = [reason]
    type_ = concept(kind, "appointment-type")
    if type_:
        elements["appointmentType"] = type_


def _resource(
    mapping: Mapping,
    segment: Segment,
    participants: list[Json],
    services: list[Json],
    starts: list[tuple[str, str | None]],
    status: str,
) -> None:
    what, start_at, length_at, unit_at = _RESOURCES[segment.name]
    start = mapping.time(segment, start_at)
    end = _end(start, segment.get(length_at), segment.get(unit_at))
    if start and len(start) > 10:
        starts.append((start, end))
    if segment.name == "AIS":
        service = concept(segment.first(3))
        if service and service not in services:
            services.append(service)
        return
    actor: Json | None
    role = concept(segment.first(4)) if segment.name in ("AIG", "AIP") else None
    if segment.name == "AIL":
        actor = location(mapping, segment.first(what), segment)
    elif segment.name == "AIP":
        actor = practitioner(mapping, segment.first(what), segment)
    else:
        actor = device(mapping, segment.first(what), segment, role)
    if actor is None:
        return
    participant: Json = {"actor": actor, "status": "declined" if status == "cancelled" else "accepted"}
    if role:
        participant["type"] = [role]
    if start and len(start) > 10:
        participant["period"] = {"start": start, "end": end} if end else {"start": start}
    if participant not in participants:
        participants.append(participant)


def _contacts(mapping: Mapping, sch: Segment, participants: list[Json]) -> None:
    for field, text in ((12, "placer contact"), (16, "filler contact"), (20, "entered by")):
        for person in practitioners(mapping, sch, field):
            if not any(known["actor"] == person for known in participants):
                participants.append({"type": [{"text": text}], "actor": person, "status": "accepted"})


def _end(start: str | None, length: str, unit: str) -> str | None:
    minutes = _minutes(length, unit)
    return later(start, minutes) if start and minutes is not None else None


def _minutes(length: str, unit: str) -> float | None:
    if not length.isascii() or not length.isdigit() or len(length) > 7:
        return None
    code = unit_code(unit or "min")
    return int(length) * _MINUTES[code] if code in _MINUTES else None


def _when(
    mapping: Mapping,
    sch: Segment,
    following: list[Segment],
    starts: list[tuple[str, str | None]],
    elements: Json,
) -> None:
    """Start and end: TQ1, SCH-11, else the earliest start and latest end of the resources. FHIR wants both."""
    start: str | None = None
    end: str | None = None
    for segment in following:
        if segment.name == "TQ1":
            start, end = mapping.time(segment, 7), mapping.time(segment, 8)
            break
    if start is None and starts:
        start = min((s for s, _ in starts), key=_sortable)
        ends = [e for _, e in starts if e]
        end = max(ends, key=_sortable) if ends else None
    if start is None:
        start = date_time(sch.get(11, 4), mapping.zone)
        end = date_time(sch.get(11, 5), mapping.zone)
    minutes = _minutes(sch.get(9), sch.get(10))
    if start is None or len(start) <= 10:
        if minutes and minutes >= 1:
            elements["minutesDuration"] = int(minutes)
        return
    end = end or _end(start, sch.get(9), sch.get(10))
    first, last = moment(start), moment(end) if end and len(end) > 10 else None
    if first is None:
        return
    if last is None or last < first:
        end, last = start, first
    elements["start"], elements["end"] = start, end
    duration = (last - first).total_seconds() / 60
    if duration >= 1:
        elements["minutesDuration"] = int(duration)


def _sortable(time: str) -> datetime:
    return moment(time) or datetime.max.replace(tzinfo=UTC)
