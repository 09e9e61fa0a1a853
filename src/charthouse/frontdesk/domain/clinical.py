"""Encounters, allergies and coverage: read from forms, made into FHIR resources. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .forms import Reading

Resource = dict[str, Any]
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_VERIFIED = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
_RELATION = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"
_CLASS = "http://terminology.hl7.org/CodeSystem/coverage-class"
_SNOMED = "http://snomed.info/sct"


def _words(**choices: str) -> Mapping[str, str]:
    return MappingProxyType({name.replace("_", "-"): title for name, title in choices.items()})


#: v3 ActCode, as HL7's Encounter has it.
ENCOUNTER_CLASSES: Mapping[str, str] = MappingProxyType(
    {"AMB": "Ambulatory", "EMER": "Emergency", "IMP": "Inpatient", "OBSENC": "Observation", "VR": "Virtual"}
)
ENCOUNTER_STATES = _words(planned="Planned", arrived="Arrived", in_progress="Under way", finished="Over")
CRITICALITIES = _words(high="High: may threaten life", low="Low", unable_to_assess="Cannot be assessed")
ALLERGY_KINDS = _words(medication="Medicine", food="Food", environment="Environment", biologic="Biologic")
ALLERGY_STATEMENTS = _words(allergy="An allergy", none="No known allergy")
SEVERITIES = _words(mild="Mild", moderate="Moderate", severe="Severe")
CERTAINTIES = _words(confirmed="Confirmed", unconfirmed="Told, not confirmed")
RELATIONSHIPS = _words(
    self="The patient", spouse="Spouse", child="Child", parent="Parent", common="Partner", other="Another"
)
ORDERS: Mapping[str, str] = MappingProxyType({"1": "Primary", "2": "Secondary", "3": "Tertiary"})


def encounter_of(reading: Reading, common: Mapping[str, Any]) -> Resource:
    """An Encounter from ``class``, ``state``, ``start``, ``end``, ``reason``, ``number``; faults go to reading."""
    kind = reading.choice("class", ENCOUNTER_CLASSES, needed="Choose what kind of encounter it is.")
    state = reading.choice("state", ENCOUNTER_STATES, needed="Choose whether it is planned, under way or over.")
    start = reading.moment("start", future=state == "planned")
    made: Resource = {
        "resourceType": "Encounter",
        "status": state,
        "class": {"system": _ACT, "code": kind, "display": ENCOUNTER_CLASSES.get(kind, "")},
        "period": {"start": start.isoformat()},
        **common,
    }
    if reading.fields.get("end", "").strip() or reading.fields.get("end_time", "").strip():
        end = reading.moment("end")
        if end < start and not {"start", "start_time", "end", "end_time"} & set(reading.faults):
            reading.fault("end", "It ends before it begins. Check both.")
        made["period"]["end"] = end.isoformat()
        if state != "finished":
            reading.fault("state", "It has an end; so it is over.")
    elif state == "finished":
        reading.fault("end", "It is over; say when it ended.")
    if why := reading.text("why", longest=250):
        made["reasonCode"] = [{"text": why}]
    return made


def allergy_of(reading: Reading, common: Mapping[str, Any]) -> Resource:
    """An AllergyIntolerance from ``statement``, ``substance``, ``kind``, ``criticality``, ``reaction``,
    ``severity``, ``certainty``, ``onset``, ``note``; or the statement that none is known. Faults go to reading."""
    made: Resource = {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"system": _CLINICAL, "code": "active"}]},
        "recordedDate": reading.now.astimezone(reading.zone).replace(microsecond=0).isoformat(),
        **common,
    }
    certainty = reading.choice("certainty", CERTAINTIES) or "unconfirmed"
    made["verificationStatus"] = {"coding": [{"system": _VERIFIED, "code": certainty}]}
    if reading.choice("statement", ALLERGY_STATEMENTS) == "none":
        made["code"] = {
            "coding": [{"system": _SNOMED, "code": "716186003", "display": "No known allergy"}],
            "text": "No known allergy",
        }
        for name in ("substance", "reaction"):
            if reading.text(name):
                reading.fault(name, "No allergy is known, and this names one. Only one can hold.")
        return made
    made["code"] = {"text": reading.text("substance", needed="Name the substance.")}
    if kind := reading.choice("kind", ALLERGY_KINDS):
        made["category"] = [kind]
    criticality = reading.choice(
        "criticality",
        CRITICALITIES,
        needed="Choose how dangerous it is; that it cannot be assessed is a choice, too.",
    )
    made["criticality"] = criticality
    reaction, severity = reading.text("reaction", longest=250), reading.choice("severity", SEVERITIES)
    if reaction:
        made["reaction"] = [{"manifestation": [{"text": reaction}], **({"severity": severity} if severity else {})}]
    elif severity:
        reading.fault("reaction", "A severity is chosen, and no reaction named.")
    if onset := reading.day("onset"):
        made["onsetDateTime"] = onset
    if note := reading.text("note", longest=500):
        made["note"] = [{"text": note}]
    return made


def coverage_of(reading: Reading, common: Mapping[str, Any]) -> Resource:
    """A Coverage from a card's data: ``payer``, ``member``, ``group``, ``plan``, ``relationship``, ``order``,
    ``from``, ``until``; what is not on the card is left out. Faults go to reading."""
    made: Resource = {
        "resourceType": "Coverage",
        "status": "active",
        "payor": [{"display": reading.text("payer", needed="Name the payer, as the card does.")}],
        **common,
    }
    if member := reading.text("member", longest=60):
        made["subscriberId"] = member
    written = {name: reading.text(name, longest=80) for name in ("group", "plan")}
    classes = [
        {"type": {"coding": [{"system": _CLASS, "code": name}]}, "value": value, "name": value}
        for name, value in written.items()
        if value
    ]
    if classes:
        made["class"] = classes
    if relationship := reading.choice("relationship", RELATIONSHIPS):
        title = RELATIONSHIPS[relationship]
        made["relationship"] = {
            "coding": [{"system": _RELATION, "code": relationship, "display": title}],
            "text": title,
        }
    if holder := reading.text("holder"):
        made["subscriber"] = {"display": holder}
    elif relationship and relationship != "self":
        reading.fault("holder", "Name the one in whose name the policy is.")
    if order := reading.choice("order", ORDERS):
        made["order"] = int(order)
    period = {"start": reading.day("from", future=True), "end": reading.day("until", future=True)}
    if period["start"] and period["end"] and period["end"] < period["start"]:
        reading.fault("until", "It ends before it begins. Check both.")
    if any(period.values()):
        made["period"] = {name: value for name, value in period.items() if value}
    return made
