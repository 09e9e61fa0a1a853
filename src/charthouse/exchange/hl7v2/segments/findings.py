"""DG1, PRB, AL1, IAM, PR1: diagnoses, problems, allergies, procedures."""

from __future__ import annotations

from typing import Final

from charthouse.exchange.drafts import Mode
from charthouse.exchange.hl7v2 import tables
from charthouse.exchange.hl7v2.datatypes import (
    Json,
    codings,
    concept,
    concepts,
    display_name,
    entity_identifier,
    human_name,
)
from charthouse.exchange.hl7v2.directory import location, practitioner, practitioners
from charthouse.exchange.hl7v2.keys import identifier_key, normal_name
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment, Value
from charthouse.exchange.times import later

_CONDITION = "http://terminology.hl7.org/CodeSystem/condition-"
_ALLERGY = "http://terminology.hl7.org/CodeSystem/allergyintolerance-"
_ROLE = "http://terminology.hl7.org/CodeSystem/diagnosis-role"
_ROLES = {
    "A": ("AD", "Admission diagnosis"),
    "D": ("DD", "Discharge diagnosis"),
    "DD": ("DD", "Discharge diagnosis"),
    "CC": ("CC", "Chief complaint"),
    "CM": ("CM", "Comorbidity diagnosis"),
    "B": ("billing", "Billing"),
}
_PROBLEM_STATUS = {
    "ACTIVE": "active",
    "A": "active",
    "INACTIVE": "inactive",
    "I": "inactive",
    "RESOLVED": "resolved",
    "R": "resolved",
    "RECURRENCE": "recurrence",
    "RELAPSE": "relapse",
    "REMISSION": "remission",
}
_ANESTHESIOLOGIST = {
    "coding": [{"system": "http://snomed.info/sct", "code": "88189002", "display": "Anesthesiologist"}]
}
#: Extension of Procedure: the kind of anesthesia, for which FHIR has no element (PR1-9).
ANESTHESIA: Final = "urn:charthouse:fhir:StructureDefinition:procedure-anesthesia"
_SURGEON = {"coding": [{"system": "http://snomed.info/sct", "code": "304292004", "display": "Surgeon"}]}


def coded_key(value: Value) -> str:
    """What a coded field speaks of, as part of a key: its code and system, else its text."""
    code = value.get(1)
    return f"{value.get(3).upper()}:{code}" if code else normal_name(value.get(2) or value.get(9))


def _status(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def map_diagnosis(mapping: Mapping, dg1: Segment) -> Json | None:
    """DG1 as Condition; gives the entry for Encounter.diagnosis, None where there is no diagnosis in it.

    DG1-21 action D takes the diagnosis back.
    """
    code = concept(dg1.first(3))
    text = dg1.get(4)
    if code is None and not text:
        return None
    code = code or {}
    if text and not dg1.get(3, 9):
        code["text"] = text
    deleted = dg1.get(21).upper() == "D"
    elements: Json = {
        "subject": {"reference": mapping.patient_reference},
        "category": [
            {
                "coding": [
                    {
                        "system": _CONDITION + "category",
                        "code": "encounter-diagnosis",
                        "display": "Encounter Diagnosis",
                    }
                ]
            }
        ],
        "code": code,
    }
    if deleted:
        elements["verificationStatus"] = _status(_CONDITION + "ver-status", "entered-in-error")
    else:
        elements["clinicalStatus"] = _status(_CONDITION + "clinical", "active")
        working = dg1.get(6).upper() == "W"
        elements["verificationStatus"] = _status(
            _CONDITION + "ver-status", "provisional" if working else "confirmed"
        )
    if mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
    onset = mapping.time(dg1, 5)
    if onset:
        elements["onsetDateTime"] = onset
    attested = mapping.time(dg1, 19)
    if attested:
        elements["recordedDate"] = attested
    asserter = practitioner(mapping, dg1.first(16), dg1)
    if asserter:
        elements["asserter"] = asserter
    number = entity_identifier(dg1.first(20))
    if number:
        elements["identifier"] = [number]
    scope = mapping.visit_key or mapping.patient_key
    kind = dg1.get(6).upper()
    what = coded_key(dg1.first(3)) or normal_name(text)
    key = f"{scope}/DG1/{identifier_key(dg1.first(20), 2) or f'{kind}/{what}'}"
    mode: Mode = "entered-in-error" if deleted else "snapshot"
    draft = mapping.put("Condition", key, mapping.secured(elements), dg1, mode=mode)
    if deleted:
        return None
    entry: Json = {"condition": {"reference": draft.reference}}
    use = diagnosis_role(dg1.first(6))
    if use:
        entry["use"] = use
    rank = dg1.get(15)
    if rank.isascii() and rank.isdigit() and 0 < int(rank[:4]) < 1000:
        entry["rank"] = int(rank[:4])
    if display := code.get("text"):
        entry["condition"]["display"] = display
    return entry


def diagnosis_role(value: Value) -> Json | None:
    """DG1-6 (table 0052) as Encounter.diagnosis.use; working and final have no code of FHIR's."""
    own = concept(value)
    if own is None:
        return None
    code = value.get(1).upper()
    mapped = _ROLES.get(code)
    if mapped:
        return {"coding": [{"system": _ROLE, "code": mapped[0], "display": mapped[1]}]}
    for coding in own.get("coding", []):
        coding.setdefault("system", "http://terminology.hl7.org/CodeSystem/v2-0052")
        if code in ("F", "W"):
            coding.setdefault("display", {"F": "Final", "W": "Working"}[code])
    return own


def map_problem(mapping: Mapping, prb: Segment, notes: list[Json], *, deleted: bool = False) -> None:
    """PRB as Condition on the problem list. PRB-1: AD, CO, UP …; DE (or message PC3) takes the problem back."""
    code = concept(prb.first(3))
    if code is None:
        mapping.warn("The problem has neither code nor text; it is not filed.", prb, 3)
        return
    deleted = deleted or prb.get(1).upper() in ("DE", "D")
    elements: Json = {
        "subject": {"reference": mapping.patient_reference},
        "category": [
            {
                "coding": [
                    {"system": _CONDITION + "category", "code": "problem-list-item", "display": "Problem List Item"}
                ]
            }
        ],
        "code": code,
    }
    if deleted:
        elements["verificationStatus"] = _status(_CONDITION + "ver-status", "entered-in-error")
    else:
        word = (prb.get(14, 1) or prb.get(14, 2)).upper()
        resolved = mapping.time(prb, 9)
        status = _PROBLEM_STATUS.get(word, "resolved" if resolved else "active")
        elements["clinicalStatus"] = _status(_CONDITION + "clinical", status)
        elements["verificationStatus"] = _status(_CONDITION + "ver-status", "confirmed")
        if resolved and status in ("resolved", "inactive", "remission"):
            elements["abatementDateTime"] = resolved
    onset = mapping.time(prb, 16)
    if onset:
        elements["onsetDateTime"] = onset
    elif prb.get(17):
        elements["onsetString"] = prb.get(17)
    recorded = mapping.time(prb, 7) or mapping.time(prb, 2)
    if recorded:
        elements["recordedDate"] = recorded
    number = entity_identifier(prb.first(4))
    if number:
        elements["identifier"] = [number]
    if mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
    if notes:
        elements["note"] = notes
    key = f"{mapping.patient_key}/PRB/{identifier_key(prb.first(4), 2) or coded_key(prb.first(3))}"
    mapping.put(
        "Condition", key, mapping.secured(elements), prb, mode="entered-in-error" if deleted else "snapshot"
    )


def map_allergy(mapping: Mapping, segment: Segment) -> None:
    """AL1 or IAM as AllergyIntolerance. IAM-6 action D takes it back."""
    iam = segment.name == "IAM"
    code = concept(segment.first(3))
    if code is None:
        mapping.warn("The allergy names no substance; it is not filed.", segment, 3)
        return
    if iam and segment.has(27):
        code.setdefault("coding", []).extend(codings(segment.first(27)))
    action = segment.get(6).upper() if iam else ""
    deleted = action == "D"
    elements: Json = {"patient": {"reference": mapping.patient_reference}, "code": code}
    if deleted:
        elements["verificationStatus"] = _status(_ALLERGY + "verification", "entered-in-error")
    else:
        clinical, verification = _allergy_status(segment.get(17)) if iam else ("active", None)
        if verification != "entered-in-error":
            elements["clinicalStatus"] = _status(_ALLERGY + "clinical", clinical)
        if verification:
            elements["verificationStatus"] = _status(_ALLERGY + "verification", verification)
        deleted = verification == "entered-in-error"
    kind = segment.get(2)
    type_ = tables.fhir_code("allergy-type", kind)
    if iam and segment.get(9).upper() == "SE":
        type_ = "intolerance"
    if type_:
        elements["type"] = type_
    category = tables.fhir_code("allergy-category", kind)
    if category:
        elements["category"] = [category]
    severity = segment.get(4)
    criticality = tables.fhir_code("allergy-criticality", severity)
    if criticality:
        elements["criticality"] = criticality
    reactions = [text for value in segment.values(5) if (text := value.get(2) or value.text)]
    if reactions:
        reaction: Json = {"manifestation": [{"text": text} for text in reactions]}
        grade = tables.fhir_code("allergy-severity", severity)
        if grade:
            reaction["severity"] = grade
        elements["reaction"] = [reaction]
    onset = mapping.time(segment, 11 if iam else 6)
    if onset:
        elements["onsetDateTime"] = onset
    elif iam and segment.get(12):
        elements["onsetString"] = segment.get(12)
    if iam:
        recorded = mapping.time(segment, 13) or mapping.time(segment, 20)
        if recorded:
            elements["recordedDate"] = recorded
        number = entity_identifier(segment.first(7))
        if number:
            elements["identifier"] = [number]
        recorder = practitioner(mapping, segment.first(18), segment)
        if recorder:
            elements["recorder"] = recorder
        teller = display_name(human_name(segment.first(14), mapping.zone))
        if teller:
            elements["note"] = [{"text": f"Reported by {teller}."}]
    unique = identifier_key(segment.first(7), 2) if iam else ""
    key = f"{mapping.patient_key}/ALLERGY/{unique or coded_key(segment.first(3))}"
    mapping.put(
        "AllergyIntolerance",
        key,
        mapping.secured(elements),
        segment,
        mode="entered-in-error" if deleted else "snapshot",
    )


def _allergy_status(code: str) -> tuple[str, str | None]:
    """IAM-17 (table 0438) as clinical and verification status."""
    match code.upper():
        case "C":
            return "active", "confirmed"
        case "D":
            return "active", "refuted"
        case "E":
            return "active", "entered-in-error"
        case "I":
            return "inactive", "confirmed"
        case "P" | "S" | "U":
            return "active", "unconfirmed"
    return "active", None


def map_procedure(mapping: Mapping, pr1: Segment, roles: list[Segment]) -> None:
    """PR1 as Procedure. ``roles`` are the ROL or PRT that follow it."""
    code = concept(pr1.first(3))
    text = pr1.get(4)
    if code is None and not text:
        return
    code = code or {}
    if text and not pr1.get(3, 9):
        code["text"] = text
    deleted = pr1.get(20).upper() == "D"
    elements: Json = {
        "status": "entered-in-error" if deleted else "completed",
        "subject": {"reference": mapping.patient_reference},
        "code": code,
    }
    modifiers = concepts(pr1.values(16))
    if modifiers:
        base = code.get("coding", [{}])[0]
        for modifier in modifiers:
            extra = modifier.get("coding", [{}])[0].get("code")
            if extra and base.get("code"):
                # HL7's map: the modifier is written to the code, as 12345:26.
                joined = {**base, "code": f"{base['code']}:{extra}"}
                joined.pop("display", None)
                code["coding"].append(joined)
    start = mapping.time(pr1, 5)
    minutes = pr1.get(7)
    if start:
        end = later(start, int(minutes[:6])) if minutes.isascii() and minutes.isdigit() else None
        if end:
            elements["performedPeriod"] = {"start": start, "end": end}
        else:
            elements["performedDateTime"] = start
    if mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
    category = concept(pr1.first(6))
    if category:
        elements["category"] = category
    performers: list[Json] = []
    for field, function in ((8, _ANESTHESIOLOGIST), (11, _SURGEON), (12, None)):
        for person in practitioners(mapping, pr1, field):
            performer: Json = {"actor": person}
            if function:
                performer["function"] = function
            performers.append(performer)
    for role in roles:
        for person in practitioners(mapping, role, 4 if role.name == "ROL" else 5):
            if not any(known["actor"] == person for known in performers):
                performers.append({"actor": person})
    if performers:
        elements["performer"] = performers
    anesthesia = concept(pr1.first(9))
    if anesthesia:
        elements["extension"] = [{"url": ANESTHESIA, "valueCodeableConcept": anesthesia}]
    reasons = concepts(pr1.values(15))
    if reasons:
        elements["reasonCode"] = reasons
    number = entity_identifier(pr1.first(19))
    if number:
        elements["identifier"] = [number]
    where = location(mapping, pr1.first(23), pr1) if pr1.has(23) else None
    if where:
        elements["location"] = where
    scope = mapping.visit_key or mapping.patient_key
    what = coded_key(pr1.first(3)) or normal_name(text)
    key = f"{scope}/PR1/{identifier_key(pr1.first(19), 2) or f'{what}/{start or pr1.get(1)}'}"
    mapping.put(
        "Procedure", key, mapping.secured(elements), pr1, mode="entered-in-error" if deleted else "snapshot"
    )
