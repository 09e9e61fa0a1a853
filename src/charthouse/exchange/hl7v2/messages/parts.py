"""Cutting a message into patients, and a patient's part into the groups of segments that belong together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Message, Segment
from charthouse.exchange.hl7v2.plan import Effect
from charthouse.exchange.hl7v2.segments.account import ensure_account, keep_raw, map_account
from charthouse.exchange.hl7v2.segments.order import Group
from charthouse.exchange.hl7v2.segments.patient import map_patient, map_publicity, map_related
from charthouse.exchange.hl7v2.segments.visit import map_visit, visit_number
from charthouse.exchange.times import date_time

_WITH_PATIENT = frozenset({"PD1", "NK1", "ARV", "ROL", "PRT"})
_WITH_VISIT = frozenset({"PV2", "ARV", "ROL", "PRT"})


@dataclass(slots=True)
class Part:
    """One patient's segments, in order. ``head`` are the message's segments before the first PID."""

    pid: Segment
    head: list[Segment]
    body: list[Segment]
    pv1: Segment | None = None
    about_patient: list[Segment] = field(default_factory=list)
    about_visit: list[Segment] = field(default_factory=list)

    def all(self, name: str) -> list[Segment]:
        """The part's segments of this name."""
        return [segment for segment in self.body if segment.name == name]

    def first(self, name: str) -> Segment | None:
        """The part's first segment of this name."""
        return next((segment for segment in self.body if segment.name == name), None)


def patient_parts(message: Message) -> list[Part]:
    """The message cut at every PID. Segments before the first PID belong to the message as a whole.

    What stands between PID and PV1 is about the patient, what follows PV1 directly about the visit.
    """
    parts: list[Part] = []
    head: list[Segment] = []
    for segment in message:
        if segment.name == "PID":
            parts.append(Part(segment, head, []))
        elif parts:
            parts[-1].body.append(segment)
        else:
            head.append(segment)
    for part in parts:
        _sort(part)
    return parts


def _sort(part: Part) -> None:
    elsewhere: list[Segment] = []
    where = part.about_patient
    for segment in part.body:
        name = segment.name
        if name == "PV1":
            if part.pv1 is None:
                part.pv1 = segment
                where = part.about_visit
            continue
        if name in (_WITH_PATIENT if where is part.about_patient else _WITH_VISIT) and where is not elsewhere:
            where.append(segment)
        elif name == "NK1":
            part.about_patient.append(segment)
        elif name in ("OBX", "DB1", "NTE", "MRG"):
            continue  # may stand between; ends nothing
        else:
            where = elsewhere  # PRT and ROL after other segments belong to those


def begin(
    mapping: Mapping,
    part: Part,
    effect: Effect,
    *,
    at_field: bool = False,
    account_status: str = "active",
) -> None:
    """Map what every message has: patient, account, relatives, visit. ``at_field`` takes PV1's own times first."""
    event = next((segment for segment in part.head if segment.name == "EVN"), None)
    zone = mapping.zone
    sent = date_time(mapping.message.msh.get(7), zone)
    recorded = (date_time(event.get(2), zone) if event else None) or sent
    occurred = date_time(event.get(6), zone) if event else None
    mapping.event_time = occurred or recorded
    mapping.patient = map_patient(mapping, part.pid, part.about_patient)
    map_account(mapping, part.pid, status=account_status)
    keep_raw(mapping, part.body)
    number = visit_number(part.pv1)
    ensure_account(mapping, part.pv1 or part.pid, number)
    if any(segment.name == "NK1" for segment in part.about_patient):
        map_related(mapping, [segment for segment in part.about_patient if segment.name == "NK1"])
    at = mapping.event_time
    if at_field and part.pv1 is not None:
        if effect in (Effect.ADMIT, Effect.REGISTER):
            at = mapping.time(part.pv1, 44) or at
        elif effect is Effect.DISCHARGE:
            at = mapping.time(part.pv1, 45) or at
    mapping.visit = map_visit(
        mapping, part.pv1, part.about_visit, effect, mapping.envelope.trigger, at=at, recorded=recorded
    )
    for segment in part.about_patient:
        if segment.name == "PD1" and segment.has(11):
            map_publicity(mapping, segment, 11)
    for segment in part.about_visit:
        if segment.name == "PV2" and segment.has(21):
            map_publicity(mapping, segment, 21)


def loose_observations(part: Part) -> list[tuple[Segment, list[Segment]]]:
    """OBX (with their NTE) before the first order, procedure or financial segment of the part."""
    lines: list[tuple[Segment, list[Segment]]] = []
    for segment in part.body:
        if segment.name in ("ORC", "OBR", "SPM", "TXA", "RXA", "RXO", "RXE", "FT1"):
            break
        if segment.name == "OBX":
            lines.append((segment, []))
        elif segment.name == "NTE" and lines and lines[-1][0].index == segment.index - 1 - len(lines[-1][1]):
            lines[-1][1].append(segment)
    return lines


_DETAILS = frozenset({"RXO", "RXE", "RXD", "RXG", "RXA", "RXR", "RXC", "RXV", "ODS", "ODT", "RQD", "RQ1"})


def order_groups(segments: Iterable[Segment], *, orc_follows: bool = False) -> list[Group]:
    """Orders and results: each ORC or OBR with what follows, up to the next.

    ``orc_follows`` for OUL, where ORC stands after its OBR. An SPM before the first OBR (OUL^R22, R23) belongs to
    the OBR that follow it, an SPM after OBR to that OBR; OBX after an SPM are the specimen's and the order's.
    """
    groups: list[Group] = []
    group: Group | None = None
    pending: list[Segment] = []
    pending_lines: list[tuple[Segment, list[Segment]]] = []
    last: tuple[Segment, list[Segment]] | None = None
    for segment in segments:
        name = segment.name
        if name in ("ORC", "OBR"):
            start = (
                group is None
                or (name == "OBR" and (group.obr is not None))
                or (name == "ORC" and not (orc_follows and group.orc is None and group.obr is not None))
            )
            if start:
                group = Group()
                groups.append(group)
                group.specimens += pending
                group.observations += pending_lines
                pending_lines = []
            assert group is not None
            if name == "ORC":
                group.orc = segment
            else:
                group.obr = segment
            last = None
        elif name == "SPM":
            if group is None or (orc_follows and not _trailing(groups)):
                if group is not None:
                    pending, group = [], None
                pending.append(segment)
            else:
                group.specimens.append(segment)
            last = None
        elif name == "OBX":
            last = (segment, [])
            (group.observations if group is not None else pending_lines).append(last)
        elif name == "NTE":
            if last is not None:
                last[1].append(segment)
            elif group is not None:
                group.notes.append(segment)
        elif group is None:
            continue
        elif name in _DETAILS:
            group.details.append(segment)
            last = None
        elif name == "TQ1":
            group.timings.append(segment)
        elif name == "DG1":
            group.diagnoses.append(segment)
        elif name == "TXA":
            group.txa = segment
            if last is not None and group.observations and group.observations[-1] is last:
                group.document.append(group.observations.pop())  # the OBX before TXA is the document's content
            last = None
    return groups


def _trailing(groups: list[Group]) -> bool:
    """Whether OUL's SPM follows its OBR (R24): the message's first group began before any SPM."""
    if not groups:
        return False
    first = groups[0]
    return not first.specimens or first.specimens[0].index > first.head.index
