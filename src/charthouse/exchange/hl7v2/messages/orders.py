"""ORM, OML, OMG, OMI, ORD: orders. RDE, RDS, RAS: pharmacy. VXU: vaccinations."""

from __future__ import annotations

from charthouse.exchange.hl7v2.datatypes import Json
from charthouse.exchange.hl7v2.errors import Hl7Error, unsupported
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment
from charthouse.exchange.hl7v2.plan import Effect
from charthouse.exchange.hl7v2.segments.account import map_charge, map_coverages, map_guarantor
from charthouse.exchange.hl7v2.segments.document import put_result_documents
from charthouse.exchange.hl7v2.segments.findings import map_allergy, map_diagnosis
from charthouse.exchange.hl7v2.segments.medication import (
    details,
    map_administration,
    map_dispense,
    map_immunization,
    map_request,
)
from charthouse.exchange.hl7v2.segments.observation import Context, map_observations
from charthouse.exchange.hl7v2.segments.order import (
    Group,
    map_loose_observations,
    map_order,
    order_key,
)
from charthouse.exchange.hl7v2.segments.referral import map_diet, map_supply
from charthouse.exchange.hl7v2.segments.specimen import specimen_of

from .parts import Part, begin, loose_observations, order_groups

_KNOWN = {
    "ORM": {"O01"},
    "OML": {"O21", "O33", "O35"},
    "OMG": {"O19"},
    "OMI": {"O23"},
    "OMP": {"O09"},
    "OMD": {"O03"},
    "OMS": {"O05"},
    "OMN": {"O07"},
    "RDE": {"O01", "O11", "O25"},
    "RDS": {"O01", "O13"},
    "RAS": {"O01", "O17"},
    "VXU": {"V04"},
}
KINDS = frozenset(_KNOWN)


def check(kind: str, trigger: str) -> None:
    """Raise Unsupported for an order event that is not filed."""
    if trigger not in _KNOWN[kind]:
        raise unsupported(kind, trigger)


def map_orders(mapping: Mapping, part: Part) -> None:
    """One patient of an order, pharmacy or vaccination message."""
    begin(mapping, part, Effect.MENTION)
    before = loose_observations(part)
    scope = mapping.visit_key or mapping.patient_key or ""
    map_loose_observations(mapping, before, scope)
    known = {obx.index for obx, _ in before}
    groups = order_groups(_with_bare_orders(part, known))
    if not groups:
        raise Hl7Error("The message carries no order: there is neither ORC nor OBR.", "ORC")
    surroundings(mapping, part)
    for group in groups:
        map_group(mapping, group)
    for ft1 in part.all("FT1"):
        map_charge(mapping, ft1)


def surroundings(mapping: Mapping, part: Part) -> None:
    """What may stand beside orders: allergies, insurance, guarantors."""
    for segment in part.body:
        if segment.name in ("AL1", "IAM"):
            map_allergy(mapping, segment)
        elif segment.name == "GT1":
            map_guarantor(mapping, segment)
    map_coverages(mapping, [segment for segment in part.body if segment.name in ("IN1", "IN2")])


def _with_bare_orders(part: Part, known: set[int]) -> list[Segment]:
    """The part's segments without those already mapped, and up to where the charges begin."""
    return [
        segment
        for segment in part.body
        if segment.index not in known and segment.name not in ("FT1", "BLG", "CTI", "CTD", "AL1")
    ]


def map_group(mapping: Mapping, group: Group) -> None:
    """One order: a medication, vaccine, diet, supply, or service."""
    for dg1 in group.diagnoses:
        map_diagnosis(mapping, dg1)
    kind = mapping.envelope.type
    if kind == "VXU":
        if details(group, "RXA"):
            map_immunization(mapping, group)
        else:
            mapping.warn("The order carries no RXA; there is no vaccination in it.", group.head)
        return
    if any(segment.name in ("RXO", "RXE", "RXD", "RXA", "RXG") for segment in group.details):
        request = map_request(mapping, group, mention=kind in ("RDS", "RAS"))
        map_dispense(mapping, group, request)
        map_administration(mapping, group, request)
        _answers(mapping, group, request.resource if request else None)
        return
    diets = details(group, "ODS")
    if diets:
        map_diet(mapping, group, diets)
        _answers(mapping, group, None)
        return
    supplies = details(group, "RQD")
    if supplies:
        for rqd in supplies:
            map_supply(mapping, group, rqd)
        _answers(mapping, group, None)
        return
    if group.obr is None:
        mapping.warn("The order names no service (OBR is missing); it cannot be told from others.", group.head)
        _answers(mapping, group, None)
        return
    draft = map_order(mapping, group)
    if draft is None:
        mapping.warn("The order has neither a number nor a service; it is not filed.", group.obr, 4)
        return
    specimens = [one for spm in group.specimens if (one := specimen_of(mapping, spm, group.obr, draft.key))]
    if not specimens:
        unlisted = specimen_of(mapping, None, group.obr, draft.key)
        specimens = [unlisted] if unlisted else []
    if specimens:
        draft.resource["specimen"] = [{"reference": one.reference} for one in specimens]
    _answers(mapping, group, draft.resource, specimens[0].reference if specimens else None, draft.reference)


def _answers(
    mapping: Mapping,
    group: Group,
    resource: Json | None,
    specimen: str | None = None,
    order: str | None = None,
) -> None:
    """OBX with an order: answers asked at order entry, and prior results; ``supportingInfo`` of the order."""
    if not group.observations:
        return
    key = order_key(mapping, group) or f"{mapping.patient_key}/{group.head.name}/{group.head.raw(2)}"
    context = Context(f"{key}/AOE", order=order, specimen=specimen, default_status="final")
    outcome = map_observations(mapping, group.observations, context)
    if resource is not None and outcome.results:
        resource[
            "supportingInformation" if resource["resourceType"] == "MedicationRequest" else "supportingInfo"
        ] = outcome.results
    put_result_documents(mapping, outcome, f"{key}/AOE", None, None, None, "final")
