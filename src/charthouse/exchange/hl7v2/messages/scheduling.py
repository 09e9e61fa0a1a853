"""SIU: appointments."""

from __future__ import annotations

from charthouse.exchange.hl7v2.datatypes import Json
from charthouse.exchange.hl7v2.errors import Hl7Error, unsupported
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment
from charthouse.exchange.hl7v2.plan import Effect
from charthouse.exchange.hl7v2.segments.appointment import map_appointment
from charthouse.exchange.hl7v2.segments.findings import map_diagnosis
from charthouse.exchange.hl7v2.segments.order import map_loose_observations

from .parts import Part, begin

_FILED = {f"S{number}" for number in (12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 26)}
_SLOTS = {"S23", "S24"}


def check(trigger: str) -> None:
    """Raise Unsupported for a scheduling event that is not filed."""
    if trigger in _SLOTS:
        raise unsupported("SIU", trigger, "blocks or opens a calendar and concerns no patient; it is not filed")
    if trigger not in _FILED:
        raise unsupported("SIU", trigger)


def map_schedule(mapping: Mapping, part: Part) -> None:
    """One patient of SIU. What stands after the last patient (the resources) counts for all of them."""
    sch = next((segment for segment in part.head if segment.name == "SCH"), None) or part.first("SCH")
    if sch is None:
        raise Hl7Error("A scheduling message needs SCH, and it is missing.", "SCH")
    begin(mapping, part, Effect.MENTION)
    diagnoses: list[Json] = []
    for dg1 in part.all("DG1"):
        entry = map_diagnosis(mapping, dg1)
        if entry:
            diagnoses.append(entry)
    if diagnoses and mapping.visit is not None:
        mapping.visit.elements["diagnosis"] = diagnoses
    first = next((segment.index for segment in mapping.message if segment.name == "RGS"), None)
    lines: list[tuple[Segment, list[Segment]]] = [
        (segment, []) for segment in part.all("OBX") if first is None or segment.index < first
    ]
    map_loose_observations(mapping, lines, mapping.visit_key or mapping.patient_key or "")
    following = [
        segment
        for segment in mapping.message
        if segment.index > sch.index and segment.name in ("TQ1", "NTE", "AIS", "AIG", "AIL", "AIP")
    ]
    patients = len(mapping.message.all("PID"))
    map_appointment(mapping, sch, following, shared=patients > 1)
