"""RXO, RXE, RXD, RXA, RXR, RXC: medications ordered, dispensed and given; and vaccines."""

from __future__ import annotations

from typing import Any

from charthouse.exchange.drafts import Draft, Mode
from charthouse.exchange.hl7v2 import tables
from charthouse.exchange.hl7v2.datatypes import (
    Json,
    coded,
    concept,
    concepts,
    entity_identifier,
    quantity,
    units,
)
from charthouse.exchange.hl7v2.directory import coded_organization, location, organization, practitioners
from charthouse.exchange.hl7v2.keys import identifier_key, normal_name
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment, Value
from charthouse.exchange.numbers import decimal, whole_number

from .findings import coded_key
from .observation import Context, map_observations
from .order import Group, filler_of, order_identifiers, order_status, placer_of, put_mode
from .timing import timing

_V2_0443 = "http://terminology.hl7.org/CodeSystem/v2-0443"
_STOPPED = {"DC", "OD", "DR", "DF"}
_NO_ORDER = "9999"  # CDC's implementation guide: an immunization without an order number
_PUBLISHED = "29768-9"


def details(group: Group, name: str) -> list[Segment]:
    """The group's segments of this name."""
    return [segment for segment in group.details if segment.name == name]


def order_number(mapping: Mapping, group: Group, what: Value) -> str:
    """The key of a medication order: placer's, filler's or prescription number, else patient, drug and time."""
    placer, filler = identifier_key(placer_of(group), 2), identifier_key(filler_of(group), 2)
    if placer:
        return f"placer:{placer}/RX"
    if filler:
        return f"filler:{filler}/RX"
    for rxe in details(group, "RXE"):
        if rxe.get(15):
            return f"prescription:{rxe.get(15)}/RX"
    ordered = group.orc.get(9) if group.orc is not None else ""
    return f"{mapping.patient_key}/RX/{coded_key(what)}/{ordered}"


def map_request(mapping: Mapping, group: Group, *, mention: bool = False) -> Draft | None:
    """RXO and RXE as MedicationRequest. What the pharmacy encoded (RXE) counts before what was asked (RXO).

    ``mention`` in a dispense or administration: the order itself knows more, the draft is *partial*.
    """
    rxo = next(iter(details(group, "RXO")), None)
    rxe = next(iter(details(group, "RXE")), None)
    head = rxe or rxo
    if head is None:
        return None
    drug = rxe.first(2) if rxe is not None and rxe.has(2) else (rxo.first(1) if rxo is not None else head.first(2))
    medication = concept(drug)
    if medication is None and rxo is not None:
        drug = rxo.first(1)
        medication = concept(drug)
    if medication is None:
        mapping.warn("The order names no medication; it is not filed.", head, 2 if head is rxe else 1)
        return None
    elements: Json = {
        "status": _request_status(group),
        "intent": "order",
        "medicationCodeableConcept": medication,
        "subject": {"reference": mapping.patient_reference},
    }
    if mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
    numbers = order_identifiers(group)
    if rxe is not None and rxe.get(15):
        numbers.append({"type": {"text": "Prescription number"}, "value": rxe.get(15)})
    if numbers:
        elements["identifier"] = numbers
    orc = group.orc
    authored = mapping.time(orc, 9) if orc is not None else None
    if authored:
        elements["authoredOn"] = authored
    put_mode(mapping, orc, elements)
    requester = practitioners(mapping, orc, 12) if orc is not None else []
    if not requester and rxe is not None:
        requester = practitioners(mapping, rxe, 13)
    if not requester and rxo is not None:
        requester = practitioners(mapping, rxo, 14)
    if requester:
        elements["requester"] = requester[0]
    dosage = _dosage(mapping, group, rxo, rxe)
    if dosage:
        elements["dosageInstruction"] = [dosage]
    priority = next((t.get(9) for t in reversed(_timings(group)) if t.get(9)), "")
    urgency = tables.fhir_code("priority", priority)
    if urgency:
        elements["priority"] = urgency
    supply = _supply(rxo, rxe)
    if supply:
        elements["dispenseRequest"] = supply
    substitution = tables.coding(
        "substitution", (rxe.get(9) if rxe is not None else "") or (rxo.get(9) if rxo is not None else "")
    )
    if substitution:
        elements["substitution"] = {"allowedCodeableConcept": {"coding": [substitution]}}
    notes = [{"text": text} for rxc in details(group, "RXC") if (text := _component(rxc))]
    if notes:
        elements["note"] = notes
    mode: Mode = "partial" if mention else "snapshot"
    key = order_number(mapping, group, drug)
    known = mapping.drafts.get(("MedicationRequest", key))
    if known is not None and known.resource["medicationCodeableConcept"] != medication:
        key = f"{key}/{coded_key(drug)}"  # one order number for several drugs
    return mapping.put("MedicationRequest", key, mapping.secured(elements), head, mode=mode)


def _request_status(group: Group) -> str:
    status = order_status(group.orc)
    if status == "revoked":
        control = group.orc.get(1).upper() if group.orc is not None else ""
        return (
            "stopped"
            if control in _STOPPED or (group.orc is not None and group.orc.get(5).upper() == "DC")
            else "cancelled"
        )
    return status if status in ("active", "on-hold", "completed", "entered-in-error") else "active"


def _timings(group: Group) -> list[Segment]:
    """TQ1 in the order that counts: those after RXE before those after RXO."""
    encoded = details(group, "RXE")
    if not encoded:
        return group.timings
    after = [tq1 for tq1 in group.timings if tq1.index > encoded[0].index]
    return after or group.timings


def _dosage(mapping: Mapping, group: Group, rxo: Segment | None, rxe: Segment | None) -> Json:
    result: Json = {}
    words: list[str] = []
    if rxe is not None:
        words += [value.get(2) or value.get(1) for value in rxe.values(7)]
    if not words and rxo is not None:
        words += [value.get(2) or value.get(1) for value in rxo.values(7)]
    if words:
        result["text"] = " ".join(word for word in words if word)
    advice = [value.get(2) or value.get(1) for value in rxo.values(6)] if rxo is not None else []
    if advice:
        result["patientInstruction"] = " ".join(word for word in advice if word)
    timings = _timings(group)
    if timings:
        when = timing(mapping, timings[0])
        if when:
            result["timing"] = when
        condition = timings[0].get(10)
        if condition:
            result["additionalInstruction"] = [{"text": condition}]
    result.update(_route(group, rxe))
    amount = _amount(rxe, 3, 4, 5) if rxe is not None else None
    amount = amount or (_amount(rxo, 2, 3, 4) if rxo is not None else None)
    rate = quantity(rxe.get(23), rxe.first(24)) if rxe is not None else None
    dose: Json = dict(amount or {})
    if rate:
        dose["rateQuantity"] = rate
    if dose:
        result["doseAndRate"] = [dose]
    return result


def _amount(segment: Segment, low: int, high: int, unit: int) -> Json | None:
    least, most = decimal(segment.get(low)), decimal(segment.get(high))
    measure = units(segment.first(unit))
    if least is not None and most is not None:
        return {"doseRange": {"low": {"value": least, **measure}, "high": {"value": most, **measure}}}
    one = least if least is not None else most
    return {"doseQuantity": {"value": one, **measure}} if one is not None else None


def _route(group: Group, after: Segment | None) -> Json:
    """RXR: route, site, method; of several the one after ``after`` (RXE's own)."""
    routes = details(group, "RXR")
    if not routes:
        return {}
    rxr = next((r for r in routes if after is not None and r.index > after.index), routes[0])
    result: Json = {}
    for field, element, table in (
        (1, "route", "route"),
        (2, "site", "body-part"),
        (4, "method", "administration-method"),
    ):
        found = concept(rxr.first(field), table)
        if found:
            result[element] = found
    return result


def _supply(rxo: Segment | None, rxe: Segment | None) -> Json:
    result: Json = {}
    for segment, amount, unit, refills in ((rxe, 10, 11, 12), (rxo, 11, 12, 13)):
        if segment is None:
            continue
        found = quantity(segment.get(amount), segment.first(unit))
        if found:
            result.setdefault("quantity", found)
        count = whole_number(segment.get(refills))
        if count is not None:
            result.setdefault("numberOfRepeatsAllowed", count)
    return result


def _component(rxc: Segment) -> str:
    name = rxc.get(2, 2) or rxc.get(2, 1)
    if not name:
        return ""
    role = {"A": "Additive", "B": "Base"}.get(rxc.get(1).upper(), "Component")
    amount = " ".join(word for word in (rxc.get(3), rxc.get(4, 2) or rxc.get(4, 1)) if word)
    return f"{role}: {name} {amount}".strip()


def map_dispense(mapping: Mapping, group: Group, request: Draft | None) -> None:
    """RXD as MedicationDispense."""
    for rxd in details(group, "RXD"):
        medication = concept(rxd.first(2))
        if medication is None:
            mapping.warn("The dispense names no medication; it is not filed.", rxd, 2)
            continue
        elements: Json = {
            "status": "completed",
            "medicationCodeableConcept": medication,
            "subject": {"reference": mapping.patient_reference},
        }
        if mapping.encounter_reference:
            elements["context"] = {"reference": mapping.encounter_reference}
        if request:
            elements["authorizingPrescription"] = [{"reference": request.reference}]
        given = mapping.time(rxd, 3)
        if given:
            elements["whenHandedOver"] = given
        amount = quantity(rxd.get(4), rxd.first(5))
        if amount:
            elements["quantity"] = amount
        number = rxd.get(7)
        if number:
            elements["identifier"] = [{"type": {"text": "Prescription number"}, "value": number}]
        performers = [{"actor": person} for person in practitioners(mapping, rxd, 10)]
        if performers:
            elements["performer"] = performers
        notes = [{"text": text} for value in rxd.values(9) if (text := value.text)]
        if notes:
            elements["note"] = notes
        where = location(mapping, rxd.first(13), rxd) if rxd.has(13) else None
        if where:
            elements["destination"] = where
        instruction = [value.get(2) or value.get(1) for value in rxd.values(15)]
        dosage: Json = {"text": " ".join(word for word in instruction if word)} if any(instruction) else {}
        dosage.update(_route(group, rxd))
        if dosage:
            elements["dosageInstruction"] = [dosage]
        base = order_number(mapping, group, rxd.first(2))
        key = f"{base}/RXD/{coded_key(rxd.first(2))}/{rxd.get(7)}/{rxd.get(1)}/{rxd.get(3)}"
        mapping.put("MedicationDispense", key, mapping.secured(elements), rxd)


def map_administration(mapping: Mapping, group: Group, request: Draft | None) -> None:
    """RXA in RAS as MedicationAdministration."""
    for rxa in details(group, "RXA"):
        medication = concept(rxa.first(5))
        given = mapping.time(rxa, 3)
        if medication is None or given is None:
            mapping.warn("An administration needs the drug and the time; it is not filed.", rxa, 5 if given else 3)
            continue
        status, mode = _given_status(rxa)
        elements: Json = {
            "status": status,
            "medicationCodeableConcept": medication,
            "subject": {"reference": mapping.patient_reference},
        }
        if mapping.encounter_reference:
            elements["context"] = {"reference": mapping.encounter_reference}
        until = mapping.time(rxa, 4)
        if until and until != given:
            elements["effectivePeriod"] = {"start": given, "end": until}
        else:
            elements["effectiveDateTime"] = given
        if request:
            elements["request"] = {"reference": request.reference}
        performers = [{"actor": person} for person in practitioners(mapping, rxa, 10)]
        if performers:
            elements["performer"] = performers
        reasons = concepts(rxa.values(18))
        if reasons:
            elements["statusReason"] = reasons
        why = concepts(rxa.values(19))
        if why:
            elements["reasonCode"] = why
        dosage = _route(group, rxa)
        amount = quantity(rxa.get(6), rxa.first(7)) if rxa.get(6) != "999" else None
        if amount:
            dosage["dose"] = amount
        if dosage:
            elements["dosage"] = dosage
        notes = [{"text": text} for value in rxa.values(9) if (text := value.get(2) or value.get(1))]
        if notes:
            elements["note"] = notes
        base = order_number(mapping, group, rxa.first(5))
        key = f"{base}/RXA/{rxa.get(2)}/{rxa.get(3)}"
        mapping.put("MedicationAdministration", key, mapping.secured(elements), rxa, mode=mode)


def _given_status(rxa: Segment) -> tuple[str, Mode]:
    """RXA-20 and RXA-21: an action D takes it back."""
    if rxa.get(21).upper() == "D":
        return "entered-in-error", "entered-in-error"
    return tables.fhir_code("completion-status", rxa.get(20)) or "completed", "snapshot"


def map_immunization(mapping: Mapping, group: Group) -> None:
    """RXA in VXU as Immunization, with RXR and the OBX that are elements of it; other OBX are Observations."""
    for rxa in details(group, "RXA"):
        vaccine = concept(rxa.first(5))
        given = mapping.time(rxa, 3)
        if vaccine is None or given is None:
            mapping.warn("An immunization needs the vaccine and the time; it is not filed.", rxa, 5 if given else 3)
            continue
        if rxa.get(5) == "998" and rxa.get(5, 3).upper() == "CVX":
            _only_observations(mapping, group, rxa)
            continue  # CVX 998: no vaccine administered; the segment carries observations only
        status, mode = _given_status(rxa)
        elements: Json = {
            "status": status,
            "vaccineCode": vaccine,
            "patient": {"reference": mapping.patient_reference},
            "occurrenceDateTime": given,
        }
        if mapping.encounter_reference:
            elements["encounter"] = {"reference": mapping.encounter_reference}
        numbers = [
            one
            for one in (entity_identifier(placer_of(group), "PLAC"), entity_identifier(filler_of(group), "FILL"))
            if one and one["value"] != _NO_ORDER
        ]
        if numbers:
            elements["identifier"] = numbers
        if rxa.get(20).upper() == "PA":
            elements["isSubpotent"] = True
        _source(rxa, elements)
        _product(mapping, rxa, elements)
        _vaccinators(mapping, group, rxa, elements)
        reasons = concept(rxa.first(18))
        if reasons and status == "not-done":
            elements["statusReason"] = reasons
        why = concepts(rxa.values(19))
        if why:
            elements["reasonCode"] = why
        recorded = mapping.time(rxa, 22) or (mapping.time(group.orc, 9) if group.orc is not None else None)
        if recorded:
            elements["recorded"] = recorded
        where = location(mapping, rxa.first(27), rxa) if rxa.has(27) else None
        where = where or (location(mapping, rxa.first(11), rxa) if rxa.has(11) else None)
        if where:
            elements["location"] = where
        route = _route(group, rxa)
        route.pop("method", None)
        elements.update(route)
        key = _immunization_key(mapping, group, rxa)
        rest = _facts(mapping, group, elements)
        draft = mapping.put("Immunization", key, mapping.secured(elements), rxa, mode=mode)
        if rest:
            context = Context(key, effective={"effectiveDateTime": given}, part_of=draft.reference)
            map_observations(mapping, rest, context)


def _only_observations(mapping: Mapping, group: Group, rxa: Segment) -> None:
    if group.observations:
        scope = f"{mapping.patient_key}/VXU/{rxa.get(3)}"
        map_observations(mapping, group.observations, Context(scope))


def _immunization_key(mapping: Mapping, group: Group, rxa: Segment) -> str:
    """ORC-3 with the vaccine, else (none, or CDC's 9999) patient, vaccine and day."""
    filler = filler_of(group)
    what = coded_key(rxa.first(5))
    if filler.get(1) and filler.get(1) != _NO_ORDER:
        return f"filler:{identifier_key(filler, 2)}/{what}"
    return f"{mapping.patient_key}/RXA/{what or normal_name(rxa.get(5, 2))}/{rxa.get(3)[:8]}"


def _source(rxa: Segment, elements: Json) -> None:
    """RXA-9 (NIP001): 00 is given here, others are told from elsewhere."""
    told = rxa.first(9)
    code = told.get(1)
    if code:
        elements["primarySource"] = code == "00"
        if code != "00":
            origin = concept(told)
            if origin:
                elements["reportOrigin"] = origin


def _product(mapping: Mapping, rxa: Segment, elements: Json) -> None:
    amount = rxa.get(6)
    if amount and amount != "999":
        dose = quantity(amount, rxa.first(7))
        if dose:
            elements["doseQuantity"] = dose
    lot = rxa.get(15)
    if lot:
        elements["lotNumber"] = lot
    expires = mapping.date(rxa, 16)
    if expires:
        elements["expirationDate"] = expires
    maker = coded_organization(mapping, rxa.first(17), rxa) if rxa.has(17) else None
    if maker:
        elements["manufacturer"] = maker


def _vaccinators(mapping: Mapping, group: Group, rxa: Segment, elements: Json) -> None:
    performers: list[Json] = [
        {"function": coded(_V2_0443, "AP", "Administering Provider"), "actor": person}
        for person in practitioners(mapping, rxa, 10)
    ]
    if group.orc is not None:
        performers += [
            {"function": coded(_V2_0443, "OP", "Ordering Provider"), "actor": person}
            for person in practitioners(mapping, group.orc, 12)
        ]
        if group.orc.has(21):
            organization(mapping, group.orc.first(21), group.orc)
    if performers:
        elements["performer"] = performers


def _facts(mapping: Mapping, group: Group, elements: Json) -> list[tuple[Segment, list[Segment]]]:
    """Fill the Immunization's elements from its OBX; gives the OBX that are none of them.

    LOINC codes of CDC's implementation guide: 30963-3 funding source, 64994-7 programme eligibility, 69764-9 and
    30956-7 information sheet, 29768-9 its publication and 29769-7 its presentation, 30973-2 dose number. OBX-4
    says which belong together.
    """
    education: dict[str, dict[str, Any]] = {}
    rest: list[tuple[Segment, list[Segment]]] = []
    for obx, notes in group.observations:
        code = obx.get(3)
        value = obx.first(5)
        match code:
            case "30963-3":
                found = concept(value)
                if found:
                    elements["fundingSource"] = found
            case "64994-7":
                found = concept(value)
                if found:
                    elements.setdefault("programEligibility", []).append(found)
            case "69764-9":
                education.setdefault(obx.raw(4), {})["documentType"] = value.get(2) or value.get(1)
            case "29768-9" | "29769-7":
                when = mapping.time(obx, 5)
                name = "publicationDate" if code == _PUBLISHED else "presentationDate"
                if when:
                    education.setdefault(obx.raw(4), {})[name] = when
            case "30973-2" if value.get(1).isascii() and value.get(1).isdigit() and int(value.get(1)[:4]) > 0:
                elements["protocolApplied"] = [{"doseNumberPositiveInt": int(value.get(1)[:4])}]
            case "30956-7":
                described = value.get(2) or value.get(1)
                if described:
                    education.setdefault(obx.raw(4), {}).setdefault("documentType", described)
            case _:
                rest.append((obx, notes))
    if education:
        elements["education"] = list(education.values())
    return rest
