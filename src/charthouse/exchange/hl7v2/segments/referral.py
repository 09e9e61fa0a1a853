"""RF1 and PRD: a referral. ODS and RQD: orders for diets and supplies."""

from __future__ import annotations

from charthouse.exchange.drafts import Draft
from charthouse.exchange.hl7v2 import tables
from charthouse.exchange.hl7v2.datatypes import (
    Json,
    address,
    coded,
    concept,
    concepts,
    contact_point,
    display_name,
    entity_identifier,
    human_name,
    quantity,
)
from charthouse.exchange.hl7v2.directory import practitioners
from charthouse.exchange.hl7v2.keys import NPI_OID, identifier_key, normal_name, valid_npi
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment
from charthouse.exchange.hl7v2.systems import NPI

from .order import Group, order_identifiers, order_key, order_status

_STATUS = {"A": "active", "P": "draft", "R": "revoked", "E": "revoked", "X": "revoked"}
_PRIORITY = {"S": "stat", "A": "asap", "R": "routine"}


def map_referral(mapping: Mapping, rf1: Segment, providers: list[Segment]) -> Draft | None:
    """RF1 with its PRD as ServiceRequest. I14 cancels it."""
    number = identifier_key(rf1.first(6), 2) or identifier_key(rf1.first(11), 2)
    if not number:
        mapping.warn("The referral has no number; it is not filed.", rf1, 6)
        return None
    cancelled = mapping.envelope.trigger == "I14"
    elements: Json = {
        "status": "revoked" if cancelled else _STATUS.get(rf1.get(1).upper(), "active"),
        "intent": "order",
        "subject": {"reference": mapping.patient_reference},
        "category": [coded("http://snomed.info/sct", "3457005", "Patient referral (procedure)")],
    }
    kind = concept(rf1.first(3))
    if kind:
        elements["code"] = kind
    numbers = [
        one for one in (entity_identifier(rf1.first(6), "PLAC"), entity_identifier(rf1.first(11), "FILL")) if one
    ]
    if numbers:
        elements["identifier"] = numbers
    priority = _PRIORITY.get(rf1.get(2).upper())
    if priority:
        elements["priority"] = priority
    if mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
    authored = mapping.time(rf1, 9) or mapping.time(rf1, 7)
    if authored:
        elements["authoredOn"] = authored
    start, end = mapping.time(rf1, 7), mapping.time(rf1, 8)
    if start and end:
        elements["occurrencePeriod"] = {"start": start, "end": end}
    reasons = concepts(rf1.values(10))
    if reasons:
        elements["reasonCode"] = reasons
    note = rf1.get(23) or rf1.get(22)
    if note and not note.isdigit() and len(note) > 1:
        elements["note"] = [{"text": note}]
    for prd in providers:
        role = prd.get(1).upper()
        person = _provider(mapping, prd)
        if person is None:
            continue
        if role == "RP":
            elements["requester"] = person
        elif role == "RT":
            elements.setdefault("performer", []).append(person)
    return mapping.put("ServiceRequest", f"referral:{number}", mapping.secured(elements), rf1)


def _provider(mapping: Mapping, prd: Segment) -> Json | None:
    """PRD as Practitioner: known by the NPI or number of PRD-7, else by name."""
    name = human_name(prd.first(2), mapping.zone)
    key = ""
    identifiers: list[Json] = []
    for value in prd.values(7):
        number, kind = value.get(1), value.get(2)
        if not number:
            continue
        if (kind.upper() == "NPI" or value.get(3) == NPI_OID) and valid_npi(number):
            identifiers.append({"system": NPI, "value": number})
            key = f"npi:{number}"
            continue
        identifiers.append({"type": {"text": kind}, "value": number} if kind else {"value": number})
        key = key or f"{kind}|{number}"
    if name is None and not key:
        return None
    key = key or "name:" + normal_name(prd.get(2, 1), prd.get(2, 2), prd.get(2, 3))
    elements: Json = {}
    if identifiers:
        elements["identifier"] = identifiers
    if name:
        elements["name"] = [name]
    where = [one for value in prd.values(3) if (one := address(value, mapping.zone))]
    if where:
        elements["address"] = where
    telecom = [one for value in prd.values(5) if (one := contact_point(value, mapping.zone, "work"))]
    if telecom:
        elements["telecom"] = telecom
    draft = mapping.put("Practitioner", key, elements, prd, mode="partial", directory=True)
    result: Json = {"reference": draft.reference}
    text = display_name(name)
    if text:
        result["display"] = text
    return result


def map_diet(mapping: Mapping, group: Group, ods: list[Segment]) -> None:
    """ODS as NutritionOrder: D diet, S supplement, P preference."""
    key = order_key(mapping, group)
    ordered = mapping.time(group.orc, 9) if group.orc is not None else None
    ordered = ordered or mapping.event_time
    if key is None or ordered is None:
        mapping.warn("The diet order has no number or no time; it is not filed.", ods[0])
        return
    elements: Json = {
        "status": order_status(group.orc),
        "intent": "order",
        "patient": {"reference": mapping.patient_reference},
        "dateTime": ordered,
    }
    numbers = order_identifiers(group)
    if numbers:
        elements["identifier"] = numbers
    if mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
    orderer = practitioners(mapping, group.orc, 12) if group.orc is not None else []
    if orderer:
        elements["orderer"] = orderer[0]
    diets: list[Json] = []
    for segment in ods:
        codes = concepts(segment.values(3))
        match segment.get(1).upper():
            case "P":
                elements.setdefault("foodPreferenceModifier", []).extend(codes)
            case "S":
                elements.setdefault("supplement", []).extend({"type": code} for code in codes)
            case _:
                diets += codes
        notes = [{"text": text} for value in segment.values(4) if (text := value.text)]
        if notes:
            elements.setdefault("note", []).extend(notes)
    if diets:
        elements["oralDiet"] = {"type": diets}
    mapping.put("NutritionOrder", f"{key}ODS", mapping.secured(elements), ods[0])


def map_supply(mapping: Mapping, group: Group, rqd: Segment) -> None:
    """RQD as SupplyRequest."""
    key = order_key(mapping, group)
    item = concept(rqd.first(2)) or concept(rqd.first(3)) or concept(rqd.first(4))
    amount = quantity(rqd.get(5), rqd.first(6))
    if key is None or item is None or amount is None:
        mapping.warn("The supply order needs a number, an item and a quantity; it is not filed.", rqd, 2)
        return
    status = {"revoked": "cancelled", "on-hold": "suspended"}.get(order_status(group.orc), order_status(group.orc))
    elements: Json = {
        "status": status,
        "itemCodeableConcept": item,
        "quantity": amount,
        "deliverTo": {"reference": mapping.patient_reference},
    }
    numbers = order_identifiers(group)
    if numbers:
        elements["identifier"] = numbers
    authored = mapping.time(group.orc, 9) if group.orc is not None else None
    if authored:
        elements["authoredOn"] = authored
    needed = mapping.time(rqd, 10)
    if needed:
        elements["occurrenceDateTime"] = needed
    requester = practitioners(mapping, group.orc, 12) if group.orc is not None else []
    if requester:
        elements["requester"] = requester[0]
    urgency = tables.fhir_code("priority", group.orc.get(7, 6) if group.orc is not None else "")
    if urgency:
        elements["priority"] = urgency
    mapping.put("SupplyRequest", f"{key}RQD/{rqd.get(1)}", mapping.secured(elements), rqd)
