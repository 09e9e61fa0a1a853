"""PV1, PV2 and the visit's ROL/PRT: what a message says about an Encounter, as a VisitChange."""

from __future__ import annotations

from charthouse.exchange.hl7v2 import tables
from charthouse.exchange.hl7v2.datatypes import (
    Json,
    coded,
    concept,
    concepts,
    identifier,
    identifier_type,
    quantity,
)
from charthouse.exchange.hl7v2.directory import (
    facility_location,
    location,
    named_organization,
    organization,
    practitioners,
    role_of,
)
from charthouse.exchange.hl7v2.keys import identifier_key
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment, Value
from charthouse.exchange.hl7v2.plan import Effect, Participant, Place, VisitChange

from . import security

_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_ROLES = (
    (7, "ATND", "attender"),
    (8, "REF", "referrer"),
    (9, "CON", "consultant"),
    (17, "ADM", "admitter"),
    (52, "PART", "participation"),
)
_ENCOUNTER = "http://hl7.org/fhir/StructureDefinition/"
# Table 0112 follows the patient discharge status codes of the UB-04 claim; FHIR's own list is coarser.
_DISPOSITION_SYSTEM = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
_DISPOSITION = {
    "01": ("home", "Home"),
    "02": ("other-hcf", "Other healthcare facility"),
    "03": ("snf", "Skilled nursing facility"),
    "04": ("other-hcf", "Other healthcare facility"),
    "05": ("other-hcf", "Other healthcare facility"),
    "06": ("home", "Home"),
    "07": ("aadvice", "Left against advice"),
    "20": ("exp", "Expired"),
    "40": ("exp", "Expired"),
    "41": ("exp", "Expired"),
    "42": ("exp", "Expired"),
    "43": ("other-hcf", "Other healthcare facility"),
    "50": ("hosp", "Hospice"),
    "51": ("hosp", "Hospice"),
    "61": ("other-hcf", "Other healthcare facility"),
    "62": ("rehab", "Rehabilitation"),
    "63": ("long", "Long-term care"),
    "64": ("long", "Long-term care"),
    "65": ("psy", "Psychiatric hospital"),
    "66": ("other-hcf", "Other healthcare facility"),
    "69": ("other-hcf", "Other healthcare facility"),
    "70": ("other-hcf", "Other healthcare facility"),
}


def visit_number(pv1: Segment | None) -> Value | None:
    """PV1-19, where it holds an id."""
    if pv1 is None:
        return None
    value = pv1.first(19)
    return value if value.get(1) else None


def visit_key(mapping: Mapping, pv1: Segment | None, effect: Effect) -> str | None:
    """The visit's natural key: its number, else the account's, else patient and admit time; None for no key.

    Only an event that begins a visit may name it by its own time.
    """
    number = visit_number(pv1)
    if number is not None:
        return identifier_key(number)
    if pv1 is None:
        return None
    if mapping.account_key:
        return f"account:{mapping.account_key}"
    admitted = mapping.time(pv1, 44)
    if admitted is None and effect in (Effect.ADMIT, Effect.REGISTER, Effect.PREADMIT):
        admitted = mapping.event_time
    return f"{mapping.patient_key}@{admitted}" if admitted else None


def map_visit(
    mapping: Mapping,
    pv1: Segment | None,
    group: list[Segment],
    effect: Effect,
    trigger: str,
    *,
    at: str | None,
    recorded: str | None,
) -> VisitChange | None:
    """What the message says about the visit; None where it names none. Sets the mapping's encounter reference."""
    key = visit_key(mapping, pv1, effect)
    if key is None or pv1 is None:
        if pv1 is not None:
            mapping.warn("The visit has no number, account or admit time; it cannot be told from others.", pv1, 19)
        return None
    mapping.visit_key = key
    visit_id = mapping.mint("Encounter", key)
    mapping.encounter_reference = f"Encounter/{visit_id}"
    cleared: set[str] = set()
    elements: Json = {}
    _identify(mapping, pv1, elements)
    participants, roles = _people(mapping, pv1)
    _hospitalization(mapping, pv1, elements, cleared)
    labels = security.vip(pv1)
    service_provider = _provider(mapping, pv1)
    if service_provider:
        elements["serviceProvider"] = service_provider
    extensions: list[Json] = []
    for segment in group:
        if segment.name == "PV2":
            _additional(mapping, segment, elements, extensions, participants, roles)
            cleared |= {name for at, name in ((3, "reasonCode"), (25, "priority")) if segment.is_null(at)}
            labels += security.protection(segment, 22)
        elif segment.name == "ARV":
            labels += security.access_restriction(mapping, segment)
        elif segment.name in ("ROL", "PRT"):
            _role(mapping, segment, participants, roles)
    if extensions:
        elements["extension"] = extensions
    labels = security.distinct(mapping.security + labels)
    if labels:
        mapping.security = labels
        elements["meta"] = {"security": labels}
    admission_type = concept(pv1.first(4), "admission-type")
    if admission_type:
        elements["type"] = [admission_type]
    if mapping.account_reference:
        elements["account"] = [{"reference": mapping.account_reference}]
    class_ = encounter_class(pv1)
    return VisitChange(
        trigger=trigger,
        effect=effect,
        key=key,
        id=visit_id,
        patient=mapping.patient_reference or "",
        segment=pv1.label,
        at=at,
        recorded=recorded,
        class_=class_,
        status=tables.fhir_code("encounter-status", pv1.get(2)),
        service=concept(pv1.first(10), "hospital-service"),
        location=_place(mapping, pv1, 3, bed=pv1.get(40)),
        prior_location=_place(mapping, pv1, 6),
        temporary_location=_place(mapping, pv1, 11),
        pending_location=_place(mapping, pv1, 42),
        participants=tuple(participants),
        roles=frozenset(roles),
        admitted=mapping.time(pv1, 44),
        discharged=mapping.time(pv1, 45),
        elements=elements,
        cleared=frozenset(cleared),
    )


def encounter_class(pv1: Segment) -> Json | None:
    """PV1-2 as the Coding of Encounter.class; a local class keeps the sender's code."""
    code = pv1.get(2)
    if not code:
        return None
    mapped = tables.coding("encounter-class", code)
    if mapped:
        return mapped
    result: Json = {"system": "http://terminology.hl7.org/CodeSystem/v2-0004", "code": code}
    text = pv1.get(2, 2)
    if text:
        result["display"] = text
    return result


def _identify(mapping: Mapping, pv1: Segment, elements: Json) -> None:
    found: list[Json] = []
    number = identifier(pv1.first(19), mapping.zone, "VN")
    if number:
        found.append(number)
    for value in pv1.values(50):
        other = identifier(value, mapping.zone)
        if other and other not in found:
            found.append(other)
    if found:
        elements["identifier"] = found


def _people(mapping: Mapping, pv1: Segment) -> tuple[list[Participant], set[str]]:
    participants: list[Participant] = []
    roles: set[str] = set()
    for field, code, display in _ROLES:
        if pv1.is_null(field):
            roles.add(code)
        if not pv1.has(field):
            continue
        for person in practitioners(mapping, pv1, field):
            roles.add(code)
            participants.append(
                Participant(coded(_PARTICIPATION, code, display), person["reference"], person.get("display", ""))
            )
    return participants, roles


def _place(mapping: Mapping, pv1: Segment, field: int, bed: str = "") -> Place | None:
    where = location(mapping, pv1.first(field), pv1) if pv1.has(field) else None
    return Place(where["reference"], where["display"], bed) if where else None


def _hospitalization(mapping: Mapping, pv1: Segment, elements: Json, cleared: set[str]) -> None:
    stay: Json = {}
    preadmission = identifier(pv1.first(5), mapping.zone)
    if preadmission:
        stay["preAdmissionIdentifier"] = preadmission
    source = concept(pv1.first(14))
    if source:
        stay["admitSource"] = source
    again = concept(pv1.first(13), "readmission")
    if again:
        stay["reAdmission"] = again
    diet = concepts(pv1.values(38))
    if diet:
        stay["dietPreference"] = diet
    courtesy = concept(pv1.first(16))
    if courtesy:
        stay["specialCourtesy"] = [courtesy]
    arrangements = concepts(pv1.values(15), "ambulatory-status")
    if arrangements:
        stay["specialArrangement"] = arrangements
    to = pv1.get(37)
    destination = facility_location(mapping, to, pv1)
    if destination:
        stay["destination"] = destination
    disposition = discharge_disposition(pv1.first(36))
    if disposition:
        stay["dischargeDisposition"] = disposition
    if pv1.is_null(4):
        cleared.add("type")
    if pv1.is_null(36):
        cleared.add("hospitalization.dischargeDisposition")
    if pv1.is_null(37):
        cleared.add("hospitalization.destination")
    if stay:
        elements["hospitalization"] = stay


def discharge_disposition(value: Value) -> Json | None:
    """PV1-36 as CodeableConcept: FHIR's code for UB-04 statuses first, the sender's own beside it."""
    own = concept(value)
    if own is None or not own.get("coding"):
        return own
    code = own["coding"][0]["code"]
    own["coding"][0].setdefault("system", "http://terminology.hl7.org/CodeSystem/v2-0112")
    mapped = _DISPOSITION.get(code.zfill(2))
    if mapped:
        own["coding"].insert(0, {"system": _DISPOSITION_SYSTEM, "code": mapped[0], "display": mapped[1]})
    return own


def _provider(mapping: Mapping, pv1: Segment) -> Json | None:
    """The facility that gives the care: PV1-39, else the facility of the assigned location."""
    return named_organization(mapping, pv1.get(39) or pv1.get(3, 4), pv1)


def _additional(
    mapping: Mapping,
    pv2: Segment,
    elements: Json,
    extensions: list[Json],
    participants: list[Participant],
    roles: set[str],
) -> None:
    reason = concept(pv2.first(3))
    if reason:
        elements["reasonCode"] = [reason]
    urgency = concept(pv2.first(25), "encounter-priority")
    if urgency:
        elements["priority"] = urgency
    length = quantity(pv2.get(11))
    if length:
        elements["length"] = {**length, "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}
    expected_start, expected_end = mapping.time(pv2, 8), mapping.time(pv2, 9)
    # The R5 elements, carried back as HL7 publishes them.
    base = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter."
    if expected_start:
        extensions.append({"url": base + "plannedStartDate", "valueDateTime": expected_start})
    if expected_end:
        extensions.append({"url": base + "plannedEndDate", "valueDateTime": expected_end})
    arrival = tables.coding("mode-of-arrival", pv2.get(38))
    if arrival:
        extensions.append({"url": _ENCOUNTER + "encounter-modeOfArrival", "valueCoding": arrival})
    for person in practitioners(mapping, pv2, 13):
        if any(known.reference == person["reference"] and known.code == "REF" for known in participants):
            continue
        roles.add("REF")
        participants.append(
            Participant(coded(_PARTICIPATION, "REF", "referrer"), person["reference"], person.get("display", ""))
        )


def _role(mapping: Mapping, segment: Segment, participants: list[Participant], roles: set[str]) -> None:
    """ROL or PRT at visit level. Action D (delete) ends the role: it is spoken of, and nobody holds it."""
    old = segment.name == "ROL"
    role = role_of(segment.first(3 if old else 4))
    if role is None:
        return
    start, end = mapping.time(segment, 5 if old else 11), mapping.time(segment, 6 if old else 12)
    people = practitioners(mapping, segment, 4 if old else 5)
    for value in segment.values(14 if old else 8):
        organization(mapping, value, segment)
    if segment.get(2).upper() in ("DE", "D"):
        code = role["coding"][0]["code"]
        if not any(known.code == code for known in participants):
            roles.add(code)
        return
    for person in people:
        one = Participant(role, person["reference"], person.get("display", ""), start, end)
        if any(known.code == one.code and known.reference == one.reference for known in participants):
            continue
        roles.add(one.code)
        participants.append(one)


def account_identifier(mapping: Mapping, pid: Segment) -> Json | None:
    """PID-18 as Identifier."""
    found = identifier(pid.first(18), mapping.zone)
    if found:
        found.setdefault("type", identifier_type("AN"))
    return found
