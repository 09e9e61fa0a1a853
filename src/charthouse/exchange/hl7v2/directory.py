"""People, places and organizations that messages mention: one draft each, filed once for all patients.

They are *partial* drafts: a message that gives a doctor's number only must not take the name away.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from . import tables
from .datatypes import Json, coded, contact_point, display_name, human_name, identifier_type
from .encoding import Encoding
from .keys import NPI_OID, assigner_of, normal_name, valid_npi
from .mapping import Mapping
from .message import Segment, Value
from .systems import NPI, authority

_PHYSICAL_TYPE = "http://terminology.hl7.org/CodeSystem/location-physical-type"
# PL components from the widest to the narrowest place: component, FHIR physical type, its display.
_LEVELS = (
    (4, "si", "Site"),
    (7, "bu", "Building"),
    (8, "lvl", "Level"),
    (1, "wa", "Ward"),
    (2, "ro", "Room"),
    (3, "bd", "Bed"),
)


@lru_cache(maxsize=8192)
def _person(raw: str, encoding: Encoding, zone: ZoneInfo) -> tuple[str, Json, str] | None:
    """An XCN as key, elements and display. The same people stand in message after message; read them once.

    The elements are shared by all drafts of the person and must not be changed.
    """
    value = Value(raw, encoding)
    number = value.get(1)
    name = human_name(value, zone, shift=1)
    if not number and name is None:
        return None
    if number and is_npi(number, value.get(13), value.get(9, 1), value.get(9, 2)):
        key = f"npi:{number}"
    elif number:
        key = f"{assigner_of(value, 9)}|{number}"
    else:
        key = "name:" + normal_name(value.get(2), value.get(3), value.get(4))
    elements: Json = {}
    if number:
        elements["identifier"] = [_practitioner_identifier(value, number, key)]
    if name:
        elements["name"] = [name]
    degree = value.get(7)
    if degree:
        elements["qualification"] = [{"code": {"text": degree}}]
    return key, elements, display_name(name)


def practitioner(mapping: Mapping, value: Value, segment: Segment) -> Json | None:
    """An XCN (or the older CN, CNN) as Reference to a Practitioner, filed along; None where it names nobody.

    The key is ``npi:`` and the number where a valid National Provider Identifier is given, else assigner and id,
    else the name.
    """
    if not value.raw:
        return None
    found = _person(value.raw, segment.encoding, mapping.zone)
    if found is None:
        return None
    key, elements, text = found
    draft = mapping.put("Practitioner", key, elements, segment, mode="partial", directory=True)
    result: Json = {"reference": draft.reference}
    if text:
        result["display"] = text
    return result


def is_npi(number: str, kind: str, namespace: str, universal: str) -> bool:
    """Whether an XCN or XON id is a National Provider Identifier: said to be one, and valid."""
    said = kind.upper() == "NPI" or universal == NPI_OID or namespace.upper() in ("NPI", "CMS NPI", "NPIID")
    return said and valid_npi(number)


def _practitioner_identifier(value: Value, number: str, key: str) -> Json:
    if key.startswith("npi:"):
        return {"type": identifier_type("NPI"), "system": NPI, "value": number}
    result: Json = {}
    kind = value.get(13)
    if kind:
        result["type"] = identifier_type(kind)
    system = authority(value.get(9, 1), value.get(9, 2), value.get(9, 3))
    if system and value.get(9, 2) != NPI_OID:
        result["system"] = system
    result["value"] = number
    return result


def practitioners(mapping: Mapping, segment: Segment, field: int) -> list[Json]:
    """All people of a repeating XCN field, each once."""
    found: list[Json] = []
    for value in segment.values(field):
        one = practitioner(mapping, value, segment)
        if one and one not in found:
            found.append(one)
    return found


def named_practitioner(mapping: Mapping, value: Value, segment: Segment) -> Json | None:
    """An NDL (a CNN within components, used by OBR-32 to 35) as Reference to a Practitioner."""
    inner = value.part(1)
    if not inner.raw:
        return None
    number, family, given, middle = inner.get(1), inner.get(2), inner.get(3), inner.get(4)
    if inner.components() == 1 and value.components() > 1 and value.get(2) and not value.get(3).isdigit():
        return practitioner(mapping, value, segment)  # sent as XCN, against the standard
    if not number and not family:
        return None
    key = f"{inner.get(9)}|{number}" if number else "name:" + normal_name(family, given, middle)
    if number and is_npi(number, "", inner.get(9), inner.get(10)):
        key = f"npi:{number}"
    elements: Json = {}
    if number:
        elements["identifier"] = (
            [{"type": identifier_type("NPI"), "system": NPI, "value": number}]
            if key.startswith("npi:")
            else [{"value": number}]
        )
    name = {"family": family} if family else {}
    if given or middle:
        name["given"] = [text for text in (given, middle) if text]  # type: ignore[assignment]
    if name:
        elements["name"] = [name]
    draft = mapping.put("Practitioner", key, elements, segment, mode="partial", directory=True)
    result: Json = {"reference": draft.reference}
    text = display_name(name)
    if text:
        result["display"] = text
    return result


def organization(
    mapping: Mapping, value: Value, segment: Segment, *, identifiers: list[Json] | None = None, **more: Any
) -> Json | None:
    """An XON as Reference to an Organization, filed along. ``more`` are further elements (address, telecom)."""
    name = value.get(1)
    number = value.get(10) or value.get(3)
    if not name and not number and not identifiers:
        return None
    elements: Json = {}
    if number:
        npi = is_npi(number, value.get(7), value.get(6, 1), value.get(6, 2))
        key = f"npi:{number}" if npi else f"{assigner_of(value, 6)}|{number}"
        one: Json = {}
        kind = value.get(7)
        if npi:
            one = {"type": identifier_type("NPI"), "system": NPI}
        else:
            if kind:
                one["type"] = identifier_type(kind)
            system = authority(value.get(6, 1), value.get(6, 2), value.get(6, 3))
            if system:
                one["system"] = system
        one["value"] = number
        elements["identifier"] = [one]
    elif identifiers:
        key = f"{identifiers[0].get('system', '')}|{identifiers[0]['value']}"
        elements["identifier"] = identifiers
    else:
        key = "name:" + normal_name(name)
    if name:
        elements["name"] = name
    elements.update({element: found for element, found in more.items() if found})
    draft = mapping.put("Organization", key, elements, segment, mode="partial", directory=True)
    result: Json = {"reference": draft.reference}
    if name:
        result["display"] = name
    return result


def named_organization(mapping: Mapping, name: str, segment: Segment) -> Json | None:
    """An organization known by its name only."""
    if not name:
        return None
    draft = mapping.put(
        "Organization", "name:" + normal_name(name), {"name": name}, segment, mode="partial", directory=True
    )
    return {"reference": draft.reference, "display": name}


def coded_organization(mapping: Mapping, value: Value, segment: Segment) -> Json | None:
    """A CWE that names an organization (OBX-15, RXA-17) as Reference."""
    code, name = value.get(1), value.get(2)
    if not code and not name:
        return None
    elements: Json = {}
    if code:
        elements["identifier"] = [{"value": code}]
        system = authority(value.get(3), "", "")
        if system:
            elements["identifier"][0]["system"] = system
    if name:
        elements["name"] = name
    key = f"{value.get(3)}|{code}" if code else "name:" + normal_name(name)
    draft = mapping.put("Organization", key, elements, segment, mode="partial", directory=True)
    return {"reference": draft.reference, "display": name or code}


@lru_cache(maxsize=8192)
def _path(raw: str, encoding: Encoding) -> tuple[tuple[str, Json, str], ...]:
    """A PL as its places from the widest to the narrowest: key, elements (shared, not to be changed), display."""
    value = Value(raw, encoding)
    path: list[str] = []
    places: list[tuple[str, Json, str]] = []
    for component, code, title in _LEVELS:
        text = value.get(component)
        path.append(text)
        if not text:
            continue
        key = "/".join(path)
        display = _place_name(value, component)
        elements: Json = {
            "status": "active",
            "name": display,
            "mode": "instance",
            "physicalType": coded(_PHYSICAL_TYPE, code, title),
            "identifier": [{"value": key.strip("/")}],
        }
        places.append((key, elements, display))
    description = value.get(9)
    if not places and description:
        elements = {"status": "active", "name": description, "mode": "instance"}
        places.append(("name:" + normal_name(description), elements, description))
    return tuple(places)


def location(mapping: Mapping, value: Value, segment: Segment) -> Json | None:
    """A PL as Reference to its narrowest Location, with the wider ones filed as ``partOf``; None where empty."""
    if not value.raw:
        return None
    parent: Json | None = None
    for key, elements, display in _path(value.raw, segment.encoding):
        known = mapping.drafts.get(("Location", key))
        if known is None:
            if parent:
                elements = {**elements, "partOf": parent}
            known = mapping.put("Location", key, elements, segment, mode="partial", directory=True)
        parent = {"reference": known.reference, "display": display}
    return parent


def _place_name(value: Value, component: int) -> str:
    """A place as people say it: "OMU B Bed 03", the ward before the room before the bed; else its own name."""
    if component in (1, 2, 3):
        shown = [text for number in (1, 2, 3)[:component] if (text := value.get(number))]
        return " ".join(shown)
    return value.get(component)


def facility_location(mapping: Mapping, name: str, segment: Segment) -> Json | None:
    """A place known by one name (DLD.1, a clinic's name)."""
    if not name:
        return None
    draft = mapping.put(
        "Location",
        name,
        {
            "status": "active",
            "name": name,
            "mode": "instance",
            "physicalType": coded(_PHYSICAL_TYPE, "si", "Site"),
            "identifier": [{"value": name}],
        },
        segment,
        mode="partial",
        directory=True,
    )
    return {"reference": draft.reference, "display": name}


def device(mapping: Mapping, value: Value, segment: Segment, kind: Json | None = None) -> Json | None:
    """An EI (or CWE) that names a device as Reference, filed along."""
    number, name = value.get(1), value.get(2)
    if not number:
        return None
    elements: Json = {"identifier": [{"value": number}]}
    if name:
        elements["deviceName"] = [{"name": name, "type": "user-friendly-name"}]
    if kind:
        elements["type"] = kind
    draft = mapping.put("Device", f"{name}|{number}", elements, segment, mode="partial", directory=True)
    return {"reference": draft.reference, "display": name or number}


def role_of(value: Value) -> Json | None:
    """A provider role (tables 0443, 0912) as CodeableConcept; the v3 code first where there is one."""
    code = value.get(1)
    if not code:
        return None
    mapped = tables.coding("provider-role", code)
    codings = [mapped] if mapped else []
    own: Json = {"system": "http://terminology.hl7.org/CodeSystem/v2-0443", "code": code}
    text = value.get(2)
    if text:
        own["display"] = text
    codings.append(own)
    return {"coding": codings}


def telecoms(mapping: Mapping, segment: Segment, field: int, use: str | None = None) -> list[Json]:
    """All repetitions of an XTN field."""
    return [found for value in segment.values(field) if (found := contact_point(value, mapping.zone, use))]
