"""ORU and OUL: results of observations, and documents among them. MDM: documents."""

from __future__ import annotations

from charthouse.exchange.drafts import Draft
from charthouse.exchange.hl7v2.errors import Hl7Error, unsupported
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment
from charthouse.exchange.hl7v2.plan import Effect
from charthouse.exchange.hl7v2.segments.document import map_consent, map_document
from charthouse.exchange.hl7v2.segments.findings import map_diagnosis
from charthouse.exchange.hl7v2.segments.order import Group, map_loose_observations, map_order, map_report

from .parts import Part, begin, loose_observations, order_groups

_MDM = {f"T{number:02d}" for number in range(1, 12)}
_RESULTS = {"R01", "R03", "R22", "R23", "R24", "R30", "R31", "R32", "R40"}


def check(kind: str, trigger: str) -> None:
    """Raise Unsupported for a result or document event that is not filed."""
    known = _MDM if kind == "MDM" else _RESULTS
    if trigger not in known:
        raise unsupported(kind, trigger)


def map_results(mapping: Mapping, part: Part) -> None:
    """One patient of ORU or OUL."""
    begin(mapping, part, Effect.MENTION)
    outer = mapping.envelope.type == "OUL"
    scope = mapping.visit_key or mapping.patient_key or ""
    before = loose_observations(part)
    map_loose_observations(mapping, before, scope)
    known = {obx.index for obx, _ in before}
    groups = order_groups((segment for segment in part.body if segment.index not in known), orc_follows=outer)
    if not any(group.obr is not None for group in groups) and not before:
        raise Hl7Error("The message carries no results: there is neither OBR nor OBX.", "OBR")
    for group in groups:
        map_result_group(mapping, group)


def map_result_group(mapping: Mapping, group: Group) -> None:
    """One OBR with its results."""
    if group.obr is None:
        mapping.warn("An order without OBR carries no results.", group.head)
        return
    order = map_order(mapping, group, result=True) if _is_ordered(group) else None
    for dg1 in group.diagnoses:
        map_diagnosis(mapping, dg1)
    report = map_report(mapping, group, order=order)
    if group.txa is not None:
        _result_document(mapping, group, [report] if report else [])


def _is_ordered(group: Group) -> bool:
    """Whether the group names an order: a placer's or filler's number."""
    obr, orc = group.obr, group.orc
    numbered = obr is not None and (obr.get(2) or obr.get(3))
    return bool(numbered or (orc is not None and (orc.get(2) or orc.get(3))))


def _result_document(mapping: Mapping, group: Group, related: list[Draft]) -> None:
    """A TXA within a result describes the OBX before it; without content there it announces a document."""
    assert group.txa is not None
    map_document(mapping, group.txa, group.document, "T02", related)


def map_documents(mapping: Mapping, part: Part) -> None:
    """MDM: the document of TXA with the OBX after it, and the orders it belongs to."""
    begin(mapping, part, Effect.MENTION)
    trigger = mapping.envelope.trigger
    txa = part.first("TXA")
    if txa is None:
        raise Hl7Error("A document message needs TXA, the document's header, and it is missing.", "TXA")
    before = [segment for segment in part.body if segment.index < txa.index]
    orders = [
        draft for group in order_groups(before) if (draft := map_order(mapping, group, result=True)) is not None
    ]
    lines: list[tuple[Segment, list[Segment]]] = []
    for segment in part.body:
        if segment.index < txa.index:
            continue
        if segment.name == "OBX":
            lines.append((segment, []))
        elif segment.name == "NTE" and lines:
            lines[-1][1].append(segment)
        elif segment.name == "CON":
            map_consent(mapping, segment)
    map_document(mapping, txa, lines, trigger, orders)
