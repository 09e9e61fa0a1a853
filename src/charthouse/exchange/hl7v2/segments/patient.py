"""PID, PD1, NK1, ARV and the patient's ROL/PRT: the Patient.

A Patient draft is always *partial*: what the message leaves out stays, what it sends as ``""`` goes (``cleared``).
"""

from __future__ import annotations

import re
from typing import Any

from charthouse.exchange.drafts import Draft
from charthouse.exchange.hl7v2 import tables
from charthouse.exchange.hl7v2.datatypes import (
    Json,
    address,
    coded,
    concept,
    confidential_use,
    contact_point,
    date_range,
    human_name,
    identifier,
    identifier_type,
    period,
)
from charthouse.exchange.hl7v2.directory import organization, practitioners
from charthouse.exchange.hl7v2.errors import Hl7Error
from charthouse.exchange.hl7v2.keys import identifier_key, record_number
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment, Value
from charthouse.exchange.hl7v2.systems import SSN, language_tag
from charthouse.exchange.times import date_time

from . import security

_EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
_CDCREC = "urn:oid:2.16.840.1.113883.6.238"
_OMB_RACE = {"1002-5", "2028-9", "2054-5", "2076-8", "2106-3"}
_OMB_ETHNICITY = {"2135-2", "2186-5"}
_ETHNICITY_0189 = {
    "H": ("2135-2", "Hispanic or Latino"),
    "N": ("2186-5", "Not Hispanic or Latino"),
    "NH": ("2186-5", "Not Hispanic or Latino"),
}
_CDC_CODE = re.compile(r"\d{4}-\d")
_NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"

# Elements that one field alone feeds: an explicit null there clears the element.
_CLEARS = {
    6: "extension:patient-mothersMaidenName",
    7: "birthDate",
    8: "gender",
    10: "extension:us-core-race",
    11: "address",
    15: "communication",
    16: "maritalStatus",
    17: "extension:patient-religion",
    22: "extension:us-core-ethnicity",
    23: "extension:patient-birthPlace",
    26: "extension:patient-citizenship",
    28: "extension:patient-nationality",
}


def map_patient(mapping: Mapping, pid: Segment, group: list[Segment]) -> Draft:
    """The Patient of ``pid``. ``group`` are the segments that belong to the patient: PD1, NK1, ARV, ROL, PRT.

    Raises Hl7Error where the patient has no identifier at all.
    """
    number = record_number(pid)
    if number is None:
        raise Hl7Error("The patient has no identifier; nothing can be filed without one.", "PID", pid.index, 3)
    key = identifier_key(number)
    mapping.patient_key = key
    mapping.patient_reference = mapping.reference("Patient", key)
    elements: Json = {}
    cleared: set[str] = {element for field, element in _CLEARS.items() if pid.is_null(field)}
    extensions: list[Json] = []

    _identifiers(mapping, pid, elements)
    _names(mapping, pid, elements, cleared)
    _telecom(mapping, pid, elements, cleared)
    _addresses(mapping, pid, elements)
    _birth(mapping, pid, elements, extensions, cleared)
    _death(mapping, pid, elements, cleared)
    _culture(pid, elements, extensions)

    labels: list[Json] = []
    contacts: list[Json] = []
    for segment in group:
        match segment.name:
            case "PD1":
                _additional(mapping, segment, elements, extensions, cleared)
                labels += security.protection(segment, 12)
                if segment.get(12).upper() == "N" or segment.is_null(12):
                    cleared.add("meta.security:R")
            case "NK1":
                contact = _contact(mapping, segment)
                if contact:
                    contacts.append(contact)
            case "ARV":
                labels += security.access_restriction(mapping, segment)
                if any(value.get(1).upper() in ("PID-11", "ADR") for value in segment.values(3)):
                    _conceal(elements)
            case "ROL" | "PRT":
                _role(mapping, segment, elements, extensions)
    if contacts:
        elements["contact"] = contacts
    if labels:
        mapping.security += security.distinct(labels)
        elements["meta"] = {"security": list(mapping.security)}
    if extensions:
        elements["extension"] = extensions
    return mapping.put("Patient", key, elements, pid, mode="partial", cleared=frozenset(cleared))


def _identifiers(mapping: Mapping, pid: Segment, elements: Json) -> None:
    found: list[Json] = []
    for field in (3, 2, 4):
        for value in pid.values(field):
            one = identifier(value, mapping.zone)
            if one and not any(_same(one, other) for other in found):
                found.append(one)
    social = pid.get(19)
    if social and social.strip("0-"):
        one = {"type": identifier_type("SS"), "system": SSN, "value": social}
        digits = re.sub(r"\D", "", social)
        if not any(other.get("system") == SSN and re.sub(r"\D", "", other["value"]) == digits for other in found):
            found.append(one)
    licence = pid.first(20)
    if licence.get(1):
        one = {"type": identifier_type("DL"), "value": licence.get(1)}
        if licence.get(2):
            one["assigner"] = {"display": licence.get(2)}
        until = date_time(licence.get(3), mapping.zone)
        if until:
            one["period"] = {"end": until}
        found.append(one)
    if found:
        elements["identifier"] = found


def _same(one: Json, other: Json) -> bool:
    return one["value"] == other["value"] and one.get("system") == other.get("system")


def _names(mapping: Mapping, pid: Segment, elements: Json, cleared: set[str]) -> None:
    names: list[Json] = []
    for value in pid.values(5):
        name = human_name(value, mapping.zone)
        if name:
            names.append(name)
        called = value.get(15)
        if called:
            names.append({"use": "nickname", "given": [called]})
    for value in pid.values(9):
        alias = human_name(value, mapping.zone)
        if alias:
            # PID-9: names the patient has been known by. Without a type that is FHIR's "old".
            alias.setdefault("use", "old")
            names.append(alias)
    if names:
        elements["name"] = names
    if pid.is_null(9):
        cleared.add("name:alias")


def _telecom(mapping: Mapping, pid: Segment, elements: Json, cleared: set[str]) -> None:
    found: list[Json] = []
    for field, use in ((13, "home"), (14, "work"), (40, None)):
        for value in pid.values(field):
            one = contact_point(value, mapping.zone, use)
            if one and one not in found:
                found.append(one)
    if found:
        elements["telecom"] = found
    if pid.is_null(13):
        cleared.add("telecom:home")
    if pid.is_null(14):
        cleared.add("telecom:work")


def _addresses(mapping: Mapping, pid: Segment, elements: Json) -> None:
    found = [one for value in pid.values(11) if (one := address(value, mapping.zone))]
    county = pid.get(12)
    if county and found and "district" not in found[0]:
        found[0]["district"] = county
    if found:
        elements["address"] = found


def _birth(mapping: Mapping, pid: Segment, elements: Json, extensions: list[Json], cleared: set[str]) -> None:
    born = mapping.time(pid, 7)
    if born:
        elements["birthDate"] = born[:10]
        if len(born) > 10:
            elements["_birthDate"] = {
                "extension": [{"url": _EXTENSION + "patient-birthTime", "valueDateTime": born}]
            }
    sex = pid.get(8)
    if sex:
        gender = tables.fhir_code("sex", sex)
        if gender is None:
            mapping.warn("The sex is not one of table 0001.", pid, 8)
        elements["gender"] = gender or "unknown"
    order = pid.get(25)
    if order.isascii() and order.isdigit() and int(order[:4]) > 0:
        elements["multipleBirthInteger"] = int(order[:4])
    elif pid.get(24).upper() in ("Y", "N"):
        elements["multipleBirthBoolean"] = pid.get(24).upper() == "Y"
    if pid.is_null(24) or pid.is_null(25):
        cleared.add("multipleBirth")
    mother = human_name(pid.first(6), mapping.zone)
    if mother:
        maiden = mother.get("family") or " ".join(mother.get("given", []))
        extensions.append({"url": _EXTENSION + "patient-mothersMaidenName", "valueString": maiden})
    place = pid.get(23)
    if place:
        extensions.append({"url": _EXTENSION + "patient-birthPlace", "valueAddress": {"text": place}})


def _death(mapping: Mapping, pid: Segment, elements: Json, cleared: set[str]) -> None:
    died, indicator = mapping.time(pid, 29), pid.get(30).upper()
    if died:
        elements["deceasedDateTime"] = died
    elif indicator in ("Y", "N"):
        elements["deceasedBoolean"] = indicator == "Y"
    if pid.is_null(29) or pid.is_null(30):
        cleared.add("deceased")


def _culture(pid: Segment, elements: Json, extensions: list[Json]) -> None:
    language = concept(pid.first(15))
    if language:
        code = pid.get(15, 1) or pid.get(15, 2)
        tag = language_tag(code) or language_tag(pid.get(15, 4))
        if tag:
            codings: list[Json] = language.setdefault("coding", [])
            codings.insert(0, {"system": "urn:ietf:bcp:47", "code": tag})
        elements["communication"] = [{"language": language, "preferred": True}]
    marital = concept(pid.first(16), "marital-status")
    if marital:
        elements["maritalStatus"] = marital
    religion = concept(pid.first(17), "religion")
    if religion:
        extensions.append({"url": _EXTENSION + "patient-religion", "valueCodeableConcept": religion})
    race = _omb(pid.values(10), "us-core-race", _OMB_RACE)
    if race:
        extensions.append(race)
    ethnicity = _omb(pid.values(22), "us-core-ethnicity", _OMB_ETHNICITY)
    if ethnicity:
        extensions.append(ethnicity)
    citizenship = [concept(value) for field in (26, 39) for value in pid.values(field)]
    extensions += [
        {
            "url": _EXTENSION + "patient-citizenship",
            "extension": [{"url": "code", "valueCodeableConcept": found}],
        }
        for found in citizenship
        if found
    ]
    nationality = concept(pid.first(28))
    if nationality:
        extensions.append(
            {
                "url": _EXTENSION + "patient-nationality",
                "extension": [{"url": "code", "valueCodeableConcept": nationality}],
            }
        )
    species, breed = concept(pid.first(35)), concept(pid.first(36))
    if species:
        parts: list[Json] = [{"url": "species", "valueCodeableConcept": species}]
        if breed:
            parts.append({"url": "breed", "valueCodeableConcept": breed})
        extensions.append({"url": _EXTENSION + "patient-animal", "extension": parts})


def _omb(values: list[Value], name: str, categories: set[str]) -> Json | None:
    """Race or ethnicity in the US Core form, its codes those of the CDC (tables 0005 and 0189 carry them too)."""
    parts: list[Json] = []
    texts: list[str] = []
    for value in values:
        code, text = value.get(1), value.get(2) or value.get(9)
        if name == "us-core-ethnicity" and code.upper() in _ETHNICITY_0189:
            code, text = _ETHNICITY_0189[code.upper()][0], text or _ETHNICITY_0189[code.upper()][1]
        if code in categories:
            coding: Json = {"system": _CDCREC, "code": code}
            if text:
                coding["display"] = text
            parts.append({"url": "ombCategory", "valueCoding": coding})
        elif _CDC_CODE.fullmatch(code):
            coding = {"system": _CDCREC, "code": code}
            if text:
                coding["display"] = text
            parts.append({"url": "detailed", "valueCoding": coding})
        elif code.upper() in ("U", "UNK", "UN"):
            parts.append({"url": "ombCategory", "valueCoding": {"system": _NULL_FLAVOR, "code": "UNK"}})
            text = text or "Unknown"
        if text or code:
            texts.append(text or code)
    if not texts:
        return None
    parts.append({"url": "text", "valueString": ", ".join(texts)})
    return {"url": _US_CORE + name, "extension": parts}


def _additional(mapping: Mapping, pd1: Segment, elements: Json, extensions: list[Json], cleared: set[str]) -> None:
    carers: list[Json] = []
    for value in pd1.values(3):
        facility = organization(mapping, value, pd1)
        if facility:
            carers.append(facility)
    carers += practitioners(mapping, pd1, 4)
    if carers:
        elements["generalPractitioner"] = carers
    if pd1.is_null(4):
        cleared.add("generalPractitioner")
    disability = concept(pd1.first(6))
    if disability:
        extensions.append({"url": _EXTENSION + "patient-disability", "valueCodeableConcept": disability})
    worship = pd1.get(14)
    if worship:
        extensions.append({"url": _EXTENSION + "patient-congregation", "valueString": worship})


def _contact(mapping: Mapping, nk1: Segment) -> Json | None:
    """NK1 as Patient.contact."""
    result: Json = {}
    relationship = [
        found for found in (concept(nk1.first(3), "relationship"), concept(nk1.first(7), "contact-role")) if found
    ]
    if relationship:
        result["relationship"] = relationship
    name = human_name(nk1.first(2), mapping.zone)
    if name:
        result["name"] = name
    telecom = [
        one
        for field, use in ((5, None), (6, "work"), (40, None))
        for value in nk1.values(field)
        if (one := contact_point(value, mapping.zone, use))
    ]
    if telecom:
        result["telecom"] = telecom
    where = address(nk1.first(4), mapping.zone)
    if where:
        result["address"] = where
    gender = tables.fhir_code("sex", nk1.get(15))
    if gender:
        result["gender"] = gender
    employer = organization(mapping, nk1.first(13), nk1) if nk1.has(13) else None
    if employer:
        result["organization"] = employer
    validity = period(mapping.time(nk1, 8), mapping.time(nk1, 9))
    if validity:
        result["period"] = validity
    return result if any(part in result for part in ("name", "telecom", "address", "organization")) else None


def _conceal(elements: Json) -> None:
    for where in elements.get("address", []):
        marks: list[Json] = where.setdefault("extension", [])
        if confidential_use() not in marks:
            marks.append(confidential_use())


def _role(mapping: Mapping, segment: Segment, elements: Json, extensions: list[Json]) -> None:
    """ROL or PRT at patient level: the primary care provider, and whether an interpreter is needed."""
    role = segment.get(3 if segment.name == "ROL" else 4).upper()
    if role in ("PP", "FHCP"):
        people = practitioners(mapping, segment, 4 if segment.name == "ROL" else 5)
        known: list[Any] = elements.setdefault("generalPractitioner", [])
        known += [one for one in people if one not in known]
        if not known:
            del elements["generalPractitioner"]
    elif role in ("PI", "AI"):
        extensions.append({"url": _EXTENSION + "patient-interpreterRequired", "valueBoolean": True})


def map_related(mapping: Mapping, segments: list[Segment]) -> None:
    """NK1 as RelatedPerson as well: somebody who can be asked, told, or referred to."""
    for nk1 in segments:
        name = human_name(nk1.first(2), mapping.zone)
        if name is None:
            continue
        elements: Json = {"patient": {"reference": mapping.patient_reference}, "active": True, "name": [name]}
        relationship = [
            found
            for found in (concept(nk1.first(3), "relationship"), concept(nk1.first(7), "contact-role"))
            if found
        ]
        if relationship:
            elements["relationship"] = relationship
        telecom = [
            one
            for field, use in ((5, None), (6, "work"), (40, None))
            for value in nk1.values(field)
            if (one := contact_point(value, mapping.zone, use))
        ]
        if telecom:
            elements["telecom"] = telecom
        where = [one for value in nk1.values(4) if (one := address(value, mapping.zone))]
        if where:
            elements["address"] = where
        gender = tables.fhir_code("sex", nk1.get(15))
        if gender:
            elements["gender"] = gender
        born = mapping.date(nk1, 16)
        if born:
            elements["birthDate"] = born
        validity = period(mapping.time(nk1, 8), mapping.time(nk1, 9))
        if validity:
            elements["period"] = validity
        identifiers = [
            one for field in (33, 12) for value in nk1.values(field) if (one := identifier(value, mapping.zone))
        ]
        if identifiers:
            elements["identifier"] = identifiers
        key = f"{mapping.patient_key}/NK1/{nk1.get(3, 1).upper()}/{_person_key(nk1.first(2))}"
        mapping.put("RelatedPerson", key, mapping.secured(elements), nk1)


def _person_key(name: Value) -> str:
    return "^".join(name.get(number).upper() for number in (1, 2, 3)).rstrip("^")


def map_publicity(mapping: Mapping, segment: Segment, field: int) -> None:
    """PD1-11 or PV2-21, who may be told that the patient is here, as a Flag for the banner.

    Codes of table 0215 only: in PD1-11 immunization registries write how they may remind, which is no such wish.
    """
    what = concept(segment.first(field), "publicity")
    if what is None or segment.get(field).upper() not in ("F", "N", "O"):
        return
    elements: Json = {
        "status": "active",
        "category": [coded("http://terminology.hl7.org/CodeSystem/flag-category", "admin", "Administrative")],
        "code": what,
        "subject": {"reference": mapping.patient_reference},
    }
    owner = mapping.patient_key
    if segment.name == "PV2" and mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
        owner = mapping.visit_key
    since = mapping.time(segment, 18) if segment.name == "PD1" else None
    if since:
        elements["period"] = {"start": since}
    mapping.put("Flag", f"{owner}/publicity", mapping.secured(elements), segment)


def restriction_period(mapping: Mapping, arv: Segment) -> Json | None:
    """ARV-6: from when to when a restriction holds."""
    return date_range(arv.first(6), mapping.zone)
