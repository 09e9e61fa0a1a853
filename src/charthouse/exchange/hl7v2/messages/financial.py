"""DFT: charges. BAR: accounts."""

from __future__ import annotations

from itertools import pairwise

from charthouse.exchange.hl7v2.datatypes import Json
from charthouse.exchange.hl7v2.errors import Hl7Error, unsupported
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment
from charthouse.exchange.hl7v2.plan import Effect
from charthouse.exchange.hl7v2.segments.account import map_charge
from charthouse.exchange.hl7v2.segments.findings import map_diagnosis, map_procedure
from charthouse.exchange.hl7v2.segments.observation import Context, map_observations
from charthouse.exchange.hl7v2.segments.order import map_loose_observations, map_order, order_key

from .orders import surroundings
from .parts import Part, begin, loose_observations, order_groups

_KNOWN = {"DFT": {"P03", "P11"}, "BAR": {"P01", "P02", "P05", "P06", "P12"}}
_ENDS_ACCOUNT = {"P02", "P06"}


def check(kind: str, trigger: str) -> None:
    """Raise Unsupported for a financial event that is not filed."""
    if trigger not in _KNOWN[kind]:
        raise unsupported(kind, trigger)


def map_financial(mapping: Mapping, part: Part) -> None:
    """One patient (of BAR: one visit of one patient) of a financial message."""
    trigger = mapping.envelope.trigger
    charges = part.all("FT1")
    if mapping.envelope.type == "DFT" and not charges:
        raise Hl7Error("A charge message needs FT1, and it is missing.", "FT1")
    begin(mapping, part, Effect.MENTION, account_status="inactive" if trigger in _ENDS_ACCOUNT else "active")
    if trigger in _ENDS_ACCOUNT:
        mapping.warn(f"{trigger} ends the account; it is marked inactive and nothing is deleted.")
    before = loose_observations(part)
    map_loose_observations(mapping, before, mapping.visit_key or mapping.patient_key or "")
    known = {obx.index for obx, _ in before}
    surroundings(mapping, part)
    diagnoses: list[Json] = []
    for number, segment in enumerate(part.body):
        match segment.name:
            case "DG1":
                entry = map_diagnosis(mapping, segment)
                if entry and entry not in diagnoses:
                    diagnoses.append(entry)
            case "PR1":
                map_procedure(mapping, segment, _roles(part.body[number + 1 :]))
            case "FT1":
                map_charge(mapping, segment)
    if diagnoses and mapping.visit is not None:
        mapping.visit.elements["diagnosis"] = diagnoses
    _orders(mapping, part, known)


def _roles(following: list[Segment]) -> list[Segment]:
    roles: list[Segment] = []
    for segment in following:
        if segment.name not in ("ROL", "PRT"):
            break
        roles.append(segment)
    return roles


def _orders(mapping: Mapping, part: Part, known: set[int]) -> None:
    """Orders that a charge is for: mentioned, with their results where some are given."""
    segments = [s for s in part.body if s.index not in known and s.name in ("ORC", "OBR", "TQ1", "NTE", "OBX")]
    for group in order_groups(segments):
        order = map_order(mapping, group, result=True)
        key = order_key(mapping, group)
        if group.observations and key:
            context = Context(key, order=order.reference if order else None, default_status="unknown")
            map_observations(mapping, group.observations, context)


def visit_parts(part: Part) -> list[Part]:
    """A BAR part cut at every PV1: an account message may bring several visits of a patient."""
    starts = [number for number, segment in enumerate(part.body) if segment.name == "PV1"]
    if len(starts) < 2:
        return [part]
    cuts = [0, *starts[1:], len(part.body)]
    parts: list[Part] = []
    for begin_at, end_at in pairwise(cuts):
        own = part.body[begin_at:end_at]
        pv1 = next(segment for segment in own if segment.name == "PV1")
        about = _after(own, pv1)
        parts.append(Part(part.pid, part.head, own, pv1, part.about_patient, about))
    return parts


def _after(body: list[Segment], pv1: Segment) -> list[Segment]:
    found: list[Segment] = []
    for segment in body:
        if segment.index <= pv1.index:
            continue
        if segment.name not in ("PV2", "ROL", "PRT", "ARV"):
            break
        found.append(segment)
    return found
