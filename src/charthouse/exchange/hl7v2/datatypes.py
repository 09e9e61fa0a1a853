"""HL7 v2 data types to FHIR R4 data types, after HL7's data type maps.

Every function takes the value of one repetition and gives the FHIR JSON, or None where the value says nothing.
"""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from charthouse.exchange.numbers import decimal, whole_number
from charthouse.exchange.times import date_time
from charthouse.foundation.base64 import as_base64, from_base64

from . import tables
from .message import EMPTY, Segment, Value
from .systems import SSN, UCUM, authority, code_system, ucum_of

Json = dict[str, Any]

_CODINGS = ((1, 2, 3, 7, 14), (4, 5, 6, 8, 17), (10, 11, 12, 13, 20))
_V2_SYSTEM = "http://terminology.hl7.org/CodeSystem/v2-"
IDENTIFIER_TYPE = _V2_SYSTEM + "0203"


def code_text(text: str) -> str:
    """A FHIR code: no blanks at the ends, single blanks within."""
    return " ".join(text.split()) if " " in text or "\n" in text or "\t" in text else text


def coded(system: str | None, code: str, display: str = "") -> Json:
    """A CodeableConcept of one coding."""
    coding: Json = {"system": system} if system else {}
    coding["code"] = code
    if display:
        coding["display"] = display
    return {"coding": [coding]}


def codings(value: Value) -> list[Json]:
    """The codings of a CE, CWE or CNE, in the sender's order."""
    found: list[Json] = []
    count = value.components()
    for code_at, text_at, system_at, version_at, oid_at in _CODINGS:
        if code_at > count:
            break
        code = value.get(code_at)
        if not code:
            continue
        coding: Json = {}
        system = code_system(value.get(system_at), value.get(oid_at))
        if system:
            coding["system"] = system
            version = value.get(version_at)
            if version:
                coding["version"] = version
        coding["code"] = code_text(code)
        display = value.get(text_at)
        if display:
            coding["display"] = display
        found.append(coding)
    return found


def concept(value: Value, table: str | None = None) -> Json | None:
    """A CE, CWE, CNE, IS or ID as CodeableConcept. ``table`` names the concept map for its first code.

    The mapped coding comes first; the sender's own stays beside it where it says something else.
    """
    if not value.raw:
        return None
    found = codings(value)
    text = value.get(9) or value.get(2) or value.get(5)
    if table and found:
        _prefer(found, table)
    result: Json = {}
    if found:
        result["coding"] = found
    if text:
        result["text"] = text
    return result or None


def _prefer(found: list[Json], table: str) -> None:
    own = found[0]
    system = own.get("system")
    if system is not None and not system.startswith((_V2_SYSTEM, "urn:id:")):
        return  # coded in another system than HL7's table: not this map's business
    mapped = tables.coding(table, own["code"])
    if mapped is None:
        return
    if mapped["code"] == own["code"] and (system is None or system == mapped["system"]):
        own["system"] = mapped["system"]
        own.setdefault("display", mapped.get("display", own["code"]))
    elif system is None:
        own.pop("version", None)
        found.insert(0, mapped)
    elif system != mapped["system"]:
        found.insert(0, mapped)


def concepts(values: list[Value], table: str | None = None) -> list[Json]:
    """All repetitions of a coded field."""
    return [found for value in values if (found := concept(value, table))]


def plain_concept(text: str) -> Json | None:
    """Free text as CodeableConcept."""
    return {"text": text} if text else None


def identifier(value: Value, zone: ZoneInfo, default_type: str | None = None) -> Json | None:
    """A CX as Identifier. ``default_type`` is a code of table 0203 for senders that give none."""
    number = value.get(1)
    if not number:
        return None
    kind = value.get(5) or default_type or ""
    result: Json = {}
    if kind:
        result["type"] = identifier_type(kind)
    namespace, universal = value.get(4, 1), value.get(4, 2)
    system = SSN if kind.upper() == "SS" else authority(namespace, universal, value.get(4, 3))
    if system:
        result["system"] = system
    result["value"] = number
    assigner = value.get(6, 1) or namespace
    if assigner:
        result["assigner"] = {"display": assigner}
    validity = period(date_time(value.get(7), zone), date_time(value.get(8), zone))
    if validity:
        result["period"] = validity
    check = value.get(2)
    if check:
        result["extension"] = [
            {"url": "http://hl7.org/fhir/StructureDefinition/identifier-checkDigit", "valueString": check}
        ]
    return result


# Codes of the FHIR code system v2-0203 that HL7's concept map leaves out.
_ORDER_NUMBERS = {
    "PLAC": "Placer Identifier",
    "FILL": "Filler Identifier",
    "PGN": "Placer Group Number",
    "FGN": "Filler Group Number",
}


def identifier_type(code: str) -> Json:
    """A code of table 0203 as CodeableConcept; a code it does not hold, as text."""
    if code in _ORDER_NUMBERS:
        return coded(IDENTIFIER_TYPE, code, _ORDER_NUMBERS[code])
    row = tables.target("identifier-type", code)
    return coded(row.system, row.code, row.display) if row else {"text": code}


def entity_identifier(value: Value, kind: str | None = None) -> Json | None:
    """An EI as Identifier. ``kind`` is a code of table 0203 (PLAC, FILL …)."""
    number = value.get(1)
    if not number:
        return None
    result: Json = {"type": identifier_type(kind)} if kind else {}
    system = authority(value.get(2), value.get(3), value.get(4))
    if system:
        result["system"] = system
    result["value"] = number
    return result


def human_name(value: Value, zone: ZoneInfo, shift: int = 0) -> Json | None:
    """An XPN as HumanName; with ``shift`` 1, the name part of an XCN (which begins with an id)."""
    at = value.get
    result: Json = {}
    if not shift:
        use = tables.fhir_code("name-use", at(7))
        if use:
            result["use"] = use
    family = at(1 + shift)
    if family:
        result["family"] = family
    given = [text for text in (at(2 + shift), *_words(at(3 + shift))) if text]
    if given:
        result["given"] = given
    prefix = at(5 + shift)
    if prefix:
        result["prefix"] = [prefix]
    suffix = [text for text in (at(4 + shift), at(6 + shift), at(21 if shift else 14)) if text]
    if suffix:
        result["suffix"] = suffix
    if not family and not given:
        return None
    validity = period(date_time(at(19 if shift else 12), zone), date_time(at(20 if shift else 13), zone))
    if validity:
        result["period"] = validity
    return result


def _words(text: str) -> list[str]:
    """Further given names: HL7 allows several in one component, blanks between."""
    return text.split() if text else []


def display_name(name: Json | None) -> str:
    """A HumanName in one line, family first."""
    if not name:
        return ""
    given = " ".join(name.get("given", []))
    return ", ".join(part for part in (name.get("family", ""), given) if part)


_CONFIDENTIAL = {"CF", "CONF", "CONFIDENTIAL"}


def address(value: Value, zone: ZoneInfo) -> Json | None:
    """An XAD as Address. A confidential address (local type CF or CONF) carries the v3 address use CONF."""
    at = value.get
    kind = at(7)
    result: Json = {}
    if kind:
        use = tables.fhir_code("address-use", kind)
        if use:
            result["use"] = use
        posted = tables.fhir_code("address-type", kind)
        if posted:
            result["type"] = posted
        if kind.upper() in _CONFIDENTIAL:
            result["extension"] = [confidential_use()]
    lines = [text for text in (at(1, 1), at(1, 2), at(1, 3), at(2), at(19)) if text]
    if lines:
        result["line"] = lines
    for component, element in ((3, "city"), (9, "district"), (4, "state"), (5, "postalCode"), (6, "country")):
        text = at(component)
        if text:
            result[element] = text
    if not any(element in result for element in ("line", "city", "state", "postalCode", "country", "district")):
        return None
    validity = period(date_time(at(13) or at(12, 1), zone), date_time(at(14) or at(12, 2), zone))
    if validity:
        result["period"] = validity
    return result


def confidential_use() -> Json:
    """The extension that marks an address as confidential (v3 AddressUse CONF)."""
    return {"url": "http://hl7.org/fhir/StructureDefinition/iso21090-AD-use", "valueCode": "CONF"}


def contact_point(value: Value, zone: ZoneInfo, use: str | None = None) -> Json | None:
    """An XTN as ContactPoint. ``use`` stands in where the sender gives none."""
    at = value.get
    equipment = at(3)
    how = tables.target("telecom-equipment", equipment) if equipment else None
    system = how.code if how else None
    if system == "mobile":
        system, use = "phone", "mobile"
    number = ""
    if system == "email" or (system is None and (at(4) or at(2).upper() == "NET")):
        number = at(4) or at(1)
        system = "email" if "@" in number or at(4) else None
    number = number or at(12) or _dialled(value) or at(1) or at(4)
    if not number:
        return None
    result: Json = {"system": system or ("email" if "@" in number else "phone"), "value": number}
    given = tables.fhir_code("telecom-use", at(2)) or (use if use != "mobile" else None)
    if given and use != "mobile":
        result["use"] = given
    elif use:
        result["use"] = given if given == "work" else use
    rank = whole_number(at(18))
    if rank:
        result["rank"] = rank
    validity = period(date_time(at(13), zone), date_time(at(14), zone))
    if validity:
        result["period"] = validity
    return result


def _dialled(value: Value) -> str:
    country, area, local, extension = value.get(5), value.get(6), value.get(7), value.get(8)
    if not local:
        return ""
    number = f"{area} {local}" if area else local
    if country:
        number = f"+{country.lstrip('+')} {number}"
    return f"{number} X{extension}" if extension else number


def period(start: str | None, end: str | None) -> Json | None:
    """A Period of FHIR dateTimes; None where both are missing."""
    result: Json = {}
    if start:
        result["start"] = start
    if end:
        result["end"] = end
    return result or None


def date_range(value: Value, zone: ZoneInfo) -> Json | None:
    """A DR as Period."""
    return period(date_time(value.get(1), zone), date_time(value.get(2), zone))


def quantity(number: str, unit: Value = EMPTY) -> Json | None:
    """An NM with its unit (CWE) as Quantity; None where the text is no number."""
    value = decimal(number)
    if value is None:
        return None
    return {"value": value, **units(unit)}


def units(unit: Value) -> Json:
    """The unit elements of a Quantity: UCUM where the sender says so or the unit is a well-known one."""
    code, text, system = unit.get(1), unit.get(2), unit.get(3).upper()
    if not code and not text:
        return {}
    result: Json = {"unit": text or code}
    if system == "UCUM" and code:
        result["system"] = UCUM
        result["code"] = code_text(code)
        return result
    known = ucum_of(code) or ucum_of(text)
    if known:
        result["system"] = UCUM
        result["code"] = known
    elif code and system not in ("", "L"):
        uri = code_system(system)
        if uri:
            result["system"] = uri
            result["code"] = code_text(code)
    return result


def composite_quantity(value: Value) -> Json | None:
    """A CQ (number and units) as Quantity."""
    return quantity(value.get(1), value.part(2))


def annotation(segment: Segment, zone: ZoneInfo) -> Json | None:
    """An NTE as Annotation."""
    text = "\n".join(value.text for value in segment.values(3)).strip()
    if not text:
        return None
    result: Json = {"text": text}
    entered = date_time(segment.get(6), zone)
    if entered:
        result["time"] = entered
    author = display_name(human_name(segment.first(5), zone, shift=1))
    if author:
        result["authorString"] = author
    return result


_SNIFF = (
    (b"%PDF", "application/pdf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"{\\rtf", "application/rtf"),
    (b"<?xml", "application/xml"),
    (b"PK\x03\x04", "application/zip"),
)
_SUBTYPES = {
    "PDF": "application/pdf",
    "JPEG": "image/jpeg",
    "JPG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "TIF": "image/tiff",
    "PICT": "image/x-pict",
    "DICOM": "application/dicom",
    "RTF": "application/rtf",
    "HTML": "text/html",
    "XML": "application/xml",
    "SGML": "text/sgml",
    "XHTML": "application/xhtml+xml",
    "OCTET-STREAM": "application/octet-stream",
    "BASIC": "audio/basic",
    "X-HL7-CDA-LEVEL-ONE": "application/hl7-cda+xml",
    "X-HL7-CDA-LEVEL-ONE-MULTIPART": "application/hl7-cda+xml",
    "FAX": "image/tiff",
    "PLAIN": "text/plain",
}
_MAIN_TYPES = {"application", "audio", "image", "text", "video", "multipart"}
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*")


def content_type(kind: str, subtype: str) -> str | None:
    """A media type from table 0191 (type of data) and 0291 (subtype); None where they say none."""
    if "/" in kind and _TOKEN.fullmatch(kind.split("/")[0]):
        return kind.lower()
    known = _SUBTYPES.get(subtype.upper()) or _SUBTYPES.get(kind.upper())
    if known:
        return known
    main = kind.lower()
    if main in _MAIN_TYPES and _TOKEN.fullmatch(subtype):
        return f"{main}/{subtype.lower()}"
    if main == "text" or kind.upper() in ("TX", "FT", "TEXT"):
        return "text/plain"
    return None


def encapsulated(value: Value) -> tuple[Json | None, str | None]:
    """An ED as Attachment with its data, and what was wrong with it, if anything."""
    body = value.rest(5)
    if not body:
        return None, None
    kind, subtype, encoding = value.get(2), value.get(3), value.get(4).upper()
    if encoding in ("BASE64", "") or encoding.startswith("BASE"):
        packed = "".join(body.split())
        raw = _base64(packed)
        if raw is None:
            if encoding:
                return None, "The embedded document is not valid base64; it is kept in the original message only."
            raw = body.encode("utf-8")
    elif encoding == "HEX":
        try:
            raw = bytes.fromhex("".join(body.split()))
        except ValueError:
            return None, "The embedded document is not valid hexadecimal; it is kept in the original message only."
    else:
        raw = body.encode("utf-8")
    media = content_type(kind, subtype)
    if media in (None, "application/octet-stream"):
        media = next((name for head, name in _SNIFF if raw.startswith(head)), media)
    result: Json = {}
    if media:
        result["contentType"] = media
    result["data"] = as_base64(raw)
    result["size"] = len(raw)
    return result, None


def _base64(packed: str) -> bytes | None:
    if not _BASE64.fullmatch(packed):
        return None
    packed = packed.rstrip("=")
    try:
        return from_base64(packed + "=" * (-len(packed) % 4))
    except ValueError:
        return None


def reference_pointer(value: Value) -> Json | None:
    """An RP as Attachment: the document is elsewhere, at ``url``. None where the pointer cannot be one."""
    pointer = value.get(1)
    if not any(mark in pointer for mark in "/:.\\"):
        return None  # a bare word points nowhere
    result: Json = {}
    media = content_type(value.get(3), value.get(4))
    if media:
        result["contentType"] = media
    if any(character.isspace() for character in pointer):
        result["title"] = pointer
    else:
        result["url"] = pointer
    return result


def text_attachment(text: str, title: str | None = None) -> Json:
    """Prose as Attachment: plain text, RTF, HTML or XML, told by how it begins."""
    raw = text.encode("utf-8")
    head = text.lstrip()[:14].lower()
    media = "text/plain; charset=utf-8"
    if head.startswith("{\\rtf"):
        media = "application/rtf"
    elif head.startswith(("<html", "<!doctype html")):
        media = "text/html"
    elif head.startswith("<?xml"):
        media = "application/xml"
    result: Json = {"contentType": media, "data": as_base64(raw), "size": len(raw)}
    if title:
        result["title"] = title
    return result
