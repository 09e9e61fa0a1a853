"""Encounters and the class of an encounter."""

from __future__ import annotations

from .mapping import Json, Mapping, templates, without_empty
from .systems import ACT_CODE
from .tree import Element
from .values import coding_of, codings_of, period_of, said

_CLASSES = {
    "AMB": "ambulatory", "EMER": "emergency", "FLD": "field", "HH": "home health", "IMP": "inpatient encounter",
    "ACUTE": "inpatient acute", "NONAC": "inpatient non-acute", "OBSENC": "observation encounter",
    "PRENC": "pre-admission", "SS": "short stay", "VR": "virtual",
}  # fmt: skip
#: Codes that leave no doubt of the class: of SNOMED CT, and of the UB-04 and X12 kinds some senders write.
_TOLD = {
    "32485007": "IMP", "183452005": "EMER", "4525004": "EMER", "185345009": "AMB", "185347001": "AMB",
    "448337001": "VR", "439708006": "HH", "I": "IMP", "E": "EMER", "O": "AMB",
}  # fmt: skip
_UNKNOWN = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
    "code": "UNK",
    "display": "class unknown",
}


def class_of(coded: Element | None) -> Json:
    """Encounter.class from the code or one of its translations; unknown where none says it."""
    if coded is None:
        return dict(_UNKNOWN)
    found = codings_of(coded)
    for each in found:
        if each.get("system") in (ACT_CODE, None) and each["code"] in _CLASSES:
            return {"system": ACT_CODE, "code": each["code"], "display": _CLASSES[each["code"]]}
    for each in found:
        if code := _TOLD.get(each["code"]):
            return {"system": ACT_CODE, "code": code, "display": _CLASSES[code]}
    return dict(_UNKNOWN)


def types_of(mapping: Mapping, coded: Element | None, words: str = "") -> list[Json]:
    """Encounter.type: what the code says beside the class."""
    found = mapping.concept(coded, words)
    if found is None:
        return []
    kept = [each for each in found.get("coding", ()) if each.get("system") != ACT_CODE]
    if kept:
        found["coding"] = kept
    else:
        found.pop("coding", None)
    return [found] if found else []


_STATUSES = {"completed": "finished", "active": "in-progress", "cancelled": "cancelled", "aborted": "cancelled"}


def map_encounter_entry(mapping: Mapping, statement: Element) -> Json | None:
    """An encounter that took place as Encounter, its diagnoses as Conditions."""
    from .mapping import status_of
    from .problems import map_problem

    period = period_of(statement.find("effectiveTime"), mapping.zone)
    participants = [{"individual": each} for each in mapping.performers(statement) if "reference" in each]
    places = []
    for each in statement.findall("participant"):
        if each.get("typeCode") == "LOC":
            place = mapping.location(each.find("participantRole"))
            if place and "reference" in place:
                places.append({"location": place})
    diagnoses = []
    for each in mapping.related(statement):
        inner = [each] if each.tag == "observation" else list(mapping.related(each)) if each.tag == "act" else []
        for observation in inner:
            if observation.tag != "observation" or "2.16.840.1.113883.10.20.22.4.19" in templates(observation):
                continue
            value = observation.find("value")
            known = "2.16.840.1.113883.10.20.22.4.4" in templates(observation)
            if not known and (value is None or coding_of(value) is None):
                continue
            found = map_problem(mapping, observation, each, "encounter-diagnosis")
            if found and {"condition": found} not in diagnoses:
                diagnoses.append({"condition": found})
    status = _STATUSES.get(status_of(statement), "")
    disposition = mapping.concept(statement.find("sdtc:dischargeDispositionCode"))
    elements = without_empty(
        [
            ("status", status or ("finished" if period and ("end" in period) else "unknown")),
            ("class", class_of(statement.find("code"))),
            (
                "type",
                types_of(mapping, statement.find("code"), said(mapping.words_of(statement))),
            ),
            ("subject", mapping.patient),
            ("participant", participants),
            ("period", period),
            ("reasonCode", mapping.indication(statement)),
            ("diagnosis", diagnoses),
            ("hospitalization", {"dischargeDisposition": disposition} if disposition else None),
            ("location", places),
        ]
    )
    return mapping.put_entry("Encounter", statement, elements, mode="partial")
