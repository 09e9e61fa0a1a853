"""The data types of CDA (HL7 V3 Data Types R1) as those of FHIR R4. What cannot be read is None, never an error."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from charthouse.exchange.numbers import decimal
from charthouse.exchange.times import date_time, later

from .systems import ABSENT, UCUM, code_system, identifier_system, is_uuid
from .tree import XSI_TYPE, Element

Json = dict[str, Any]

_NULL = {
    "UNK": ("unknown", "Unknown"),
    "NI": ("unknown", "No information"),
    "ASKU": ("asked-unknown", "Asked but unknown"),
    "NAV": ("temp-unknown", "Temporarily unknown"),
    "NASK": ("not-asked", "Not asked"),
    "NA": ("not-applicable", "Not applicable"),
    "MSK": ("masked", "Masked"),
    "NINF": ("negative-infinity", "Negative infinity"),
    "PINF": ("positive-infinity", "Positive infinity"),
    "OTH": ("unsupported", "Other"),
    "NP": ("not-performed", "Not performed"),
}


def absent_reason(flavor: str | None) -> Json:
    """A nullFlavor as CodeableConcept of FHIR's reasons why data is absent."""
    code, display = _NULL.get((flavor or "UNK").strip().upper(), _NULL["UNK"])
    return {"coding": [{"system": ABSENT, "code": code, "display": display}], "text": display}


def coded(system: str, code: str, display: str = "") -> Json:
    """One code as CodeableConcept."""
    coding = {"system": system, "code": code}
    if display:
        coding["display"] = display
    return {"coding": [coding]}


def said(text: str | None) -> str:
    """Text as one line, without what no string of FHIR may hold."""
    if not text:
        return ""
    if text.isprintable():
        return text if text[0] != " " != text[-1] and "  " not in text else " ".join(text.split())
    return " ".join(_CONTROL.sub(" ", text).split())


def written(text: str | None) -> str:
    """Text with its lines, without control characters."""
    if not text or text.isprintable():
        return text.strip() if text else ""
    return _CONTROL_BUT_LINES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


_CONTROL = re.compile("[\x00-\x1f\x7f]")
_CONTROL_BUT_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def xsi_type(element: Element) -> str:
    """The data type an element says it has, without its prefix."""
    given = element.get(XSI_TYPE)
    if given is None:
        given = next((value for key, value in element.attrib.items() if key.endswith("}type")), "")
    return given.rpartition(":")[2].strip()


# Codes


@lru_cache(maxsize=16384)
def coding(code: str, oid: str, name: str, display: str) -> tuple[tuple[str, str], ...]:
    """A code as the items of a Coding, none where it says nothing; the same codes stand in document after
    document."""
    code, display = said(code), said(display)
    if not code:
        return ()
    found = []
    system = code_system(oid, name)
    if system:
        found.append(("system", system))
    found.append(("code", code))
    if display:
        found.append(("display", display))
    return tuple(found)


def coding_of(element: Element) -> Json | None:
    """The Coding of a CD, CE or CV itself, without its translations; None without a code."""
    code = element.get("code")
    if not code or (element.get("nullFlavor") and not code.strip()):
        return None
    get = element.get
    known = coding(code, get("codeSystem") or "", get("codeSystemName") or "", get("displayName") or "")
    return dict(known) if known else None


def codings_of(element: Element) -> list[Json]:
    """The Codings of a CD with its translations, each once."""
    found: list[Json] = []
    own = coding_of(element)
    if own:
        found.append(own)
    for each in element.findall("translation"):
        for one in codings_of(each):
            if not any(one["code"] == held["code"] and one.get("system") == held.get("system") for held in found):
                found.append(one)
    return found


# Identifiers


def identifiers(elements: list[Element]) -> list[Json]:
    """II elements as Identifiers; those that are null are left out."""
    found: list[Json] = []
    for each in elements:
        root, extension = each.get("root") or "", each.get("extension") or ""
        if (known := _identifier(root, extension, bool(each.get("nullFlavor")))) and (
            one := dict(known)
        ) not in found:
            found.append(one)
    return found


@lru_cache(maxsize=16384)
def _identifier(root: str, extension: str, null: bool) -> tuple[tuple[str, str], ...]:
    """An II as the items of an Identifier, none where it says nothing; a document repeats the same ones."""
    root, extension = root.strip(), said(extension)
    if extension:
        system = identifier_system(root) if root else None
        return (("system", system), ("value", extension)) if system else (("value", extension),)
    if not root or null:
        return ()
    if is_uuid(root):
        return (("system", "urn:ietf:rfc:3986"), ("value", f"urn:uuid:{root.lower()}"))
    if system := identifier_system(root):
        return (("system", "urn:ietf:rfc:3986"), ("value", system))
    return (("value", said(root)),)


def identity(elements: list[Element]) -> str:
    """The first II that names something, as ``root|extension``; empty where none does."""
    for each in elements:
        root, extension = (each.get("root") or "").strip(), (each.get("extension") or "").strip()
        if root and (extension or not each.get("nullFlavor")):
            return f"{root}|{extension}" if extension else root
        if extension and not each.get("nullFlavor"):
            return f"|{extension}"
    return ""


# Times

_ISO = re.compile(
    r"(\d{4})[-/](\d{1,2})(?:[-/](\d{1,2})"
    r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?)?",
    re.ASCII,
)
#: The basic form of ISO 8601: ``20140305T101500Z``.
_BASIC = re.compile(r"(\d{8})[Tt ]+(\d{2}.*)", re.ASCII)
_LOOSE = re.compile(r"(\d{4,14})(\.\d+)?\s*(Z|UTC|GMT|[+-]\d{1,4}|[+-]\d{2}:\d{2})?", re.ASCII)
_FEWER = (14, 12, 10, 8, 6, 4)


@lru_cache(maxsize=8192)
def moment_of(text: str, zone: ZoneInfo) -> str | None:
    """A TS value as FHIR dateTime, in its own precision; None where it is no time.

    Takes ISO 8601 with its separators, too, and zeros that stand for what is not known (``20120000``).
    """
    found = date_time(text, zone)
    if found is not None:
        return found
    text = text.strip()
    if basic := _BASIC.fullmatch(text):
        text = basic[1] + basic[2]
    if iso := _ISO.fullmatch(text):
        year, month, day, hour, minute, second, fraction, offset = iso.groups()
        text = year + month.zfill(2)
        if day:
            text += day.zfill(2)
        if hour:
            text += f"{hour.zfill(2)}{minute}{second or ''}{fraction or ''}"
            text += {"Z": "+0000"}.get(offset or "", (offset or "").replace(":", ""))
        return next(
            (known for each in (text, text[:8], text[:6], text[:4]) if (known := date_time(each, zone))), None
        )
    loose = _LOOSE.fullmatch(text)
    if loose is None:
        return None
    digits, fraction, offset = loose[1], loose[2] or "", loose[3] or ""
    if offset in ("Z", "UTC", "GMT"):
        offset = "+0000"
    elif offset:
        offset = offset[0] + offset[1:].replace(":", "").zfill(2).ljust(4, "0")
    if len(fraction) > 10:
        fraction = fraction[:10]
    for length in _FEWER:
        if len(digits) >= length:
            found = date_time(
                digits[:length] + (fraction if length == 14 else "") + (offset if length > 8 else ""), zone
            )
            if found is not None:
                return found
    return None


def time_of(element: Element | None, zone: ZoneInfo) -> str | None:
    """The value of a TS element as FHIR dateTime."""
    if element is None:
        return None
    value = element.get("value")
    return moment_of(value, zone) if value else None


def interval_of(element: Element | None, zone: ZoneInfo) -> tuple[str | None, str | None, str | None]:
    """An IVL_TS as (point, start, end). A point given by ``value`` or ``center`` has no start and end."""
    if element is None:
        return None, None, None
    point = time_of(element, zone)
    if not len(element):
        return point, None, None
    low, high = time_of(element.find("low"), zone), time_of(element.find("high"), zone)
    if point is None and low is None and high is None:
        point = time_of(element.find("center"), zone)
    if point is None and low is not None and high is None:
        high = _after(low, element.find("width"))
    return point, low, high


def _after(start: str, width: Element | None) -> str | None:
    """When what began at ``start`` and lasted some minutes, hours or days ended."""
    if width is None or len(start) <= 10:
        return None
    minutes = {"min": 1, "h": 60, "d": 1440, "wk": 10080, "s": 1 / 60}.get(width.get("unit") or "")
    try:
        return later(start, float(width.get("value") or "") * minutes) if minutes else None
    except ValueError:
        return None


def period_of(element: Element | None, zone: ZoneInfo) -> Json | None:
    """An IVL_TS as Period; a point is a period that begins and ends with it."""
    point, low, high = interval_of(element, zone)
    found: Json = {}
    if point and not low and not high:
        return {"start": point, "end": point}
    if low or point:
        found["start"] = low or point
    if high:
        found["end"] = high
    return found or None


def is_ongoing(element: Element | None) -> bool:
    """Whether an IVL_TS does not say that it ended."""
    return element is None or element.find("high") is None or not element.find("high").get("value")  # type: ignore[union-attr]


# Quantities

_NUMBER = re.compile(r"\s*([+-]?)\s*(\d*)(?:[.,](\d*))?\s*(?:[eE]([+-]?\d{1,2}))?\s*", re.ASCII)


@lru_cache(maxsize=8192)
def number_of(text: str) -> orjson.Fragment | float | None:
    """A REAL as JSON number with its own digits; None where it is none."""
    found = decimal(text)
    if found is not None:
        plain_number = float(text)
        if repr(plain_number) == text:
            return plain_number
        return int(plain_number) if text.isdigit() and len(text) < 16 and text == str(int(text)) else found
    loose = _NUMBER.fullmatch(text)
    if loose is None or not (loose[2] or loose[3]) or len(text) > 40:
        return None
    plain = f"{loose[1]}{loose[2] or '0'}" + (f".{loose[3]}" if loose[3] else "")
    if loose[4] is None:
        return decimal(plain)
    try:
        return decimal(f"{float(plain + 'e' + loose[4]):.12f}".rstrip("0").rstrip("."))
    except (ValueError, OverflowError):
        return None


_UNIT_CODE = re.compile(r"[!-~]+(?: [!-~]+)*")


def quantity(element: Element | None) -> Json | None:
    """A PQ (or REAL, INT) as Quantity; None without a number."""
    if element is None:
        return None
    value = element.get("value")
    if not value or (number := number_of(value)) is None:
        translated = element.find("translation")
        return quantity(translated) if translated is not None else None
    found: Json = {"value": number}
    unit = said(element.get("unit"))
    if not unit:
        # A unit that UCUM does not know stands in the translation.
        other = element.find("translation")
        if other is not None and (words := said(other.findtext("originalText")) or said(other.get("displayName"))):
            found["unit"] = words
    elif unit != "1":
        found |= {"unit": unit, "system": UCUM, "code": unit}
    else:
        found |= {"unit": "1", "system": UCUM, "code": "1"}
    return found


def range_of(element: Element | None) -> Json | None:
    """An IVL_PQ as Range."""
    if element is None:
        return None
    found = {name: end for name in ("low", "high") if (end := quantity(element.find(name)))}
    return found or None


def bounded(element: Element) -> Json | None:
    """An IVL_PQ with one end as a Quantity with comparator; None where it has both or none."""
    low, high = element.find("low"), element.find("high")
    start, end = quantity(low), quantity(high)
    if start and not end:
        return {"value": start["value"], "comparator": ">=" if low.get("inclusive") != "false" else ">", **start}  # type: ignore[union-attr]
    if end and not start:
        return {"value": end["value"], "comparator": "<=" if high.get("inclusive") != "false" else "<", **end}  # type: ignore[union-attr]
    return None


def ratio(element: Element | None) -> Json | None:
    """An RTO as Ratio; None unless both of its parts are numbers."""
    if element is None:
        return None
    above, below = quantity(element.find("numerator")), quantity(element.find("denominator"))
    return {"numerator": above, "denominator": below} if above and below else None


def boolean(element: Element | None) -> bool | None:
    """A BL."""
    value = element.get("value") if element is not None else None
    return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower()) if value else None


# Names, addresses, telecoms

_NAME_USE = {"L": "official", "C": "usual", "P": "nickname", "A": "anonymous", "ABC": "official", "OR": "old"}
_ADDRESS_USE = {"H": "home", "HP": "home", "HV": "home", "WP": "work", "DIR": "work", "TMP": "temp", "BAD": "old"}
_TELECOM_USE = {"H": "home", "HP": "home", "HV": "home", "WP": "work", "DIR": "work", "MC": "mobile", "TMP": "temp"}


def _use(element: Element, known: dict[str, str]) -> str | None:
    for each in (element.get("use") or "").split():
        if each in known:
            return known[each]
    return None


def human_name(element: Element, zone: ZoneInfo) -> Json | None:
    """A PN as HumanName; what is not divided into parts is its text."""
    found: Json = {}
    use = _use(element, _NAME_USE)
    if use:
        found["use"] = use
    parts: dict[str, list[str]] = {"given": [], "prefix": [], "suffix": []}
    family = ""
    maiden = False
    for each in element:
        text = said(each.text)
        if not text or each.get("nullFlavor"):
            continue
        if each.tag == "family":
            if each.get("qualifier") == "BR":
                if family:
                    continue
                maiden = True
            family = f"{family} {text}".strip()
        elif each.tag in parts:
            parts[each.tag].append(text)
    if family:
        found["family"] = family
    found |= {name: texts for name, texts in parts.items() if texts}
    if maiden and "use" not in found:
        found["use"] = "maiden"
    if len(found) == (1 if "use" in found else 0):
        text = said(" ".join(element.itertext()))
        if not text or element.get("nullFlavor"):
            return None
        found["text"] = text
    period = period_of(element.find("validTime"), zone)
    if period:
        found["period"] = period
    return found


def display_name(name: Json | None) -> str:
    """A HumanName as it is said."""
    if not name:
        return ""
    if "text" in name:
        return str(name["text"])
    return " ".join(
        [
            *name.get("prefix", ()),
            *name.get("given", ()),
            *filter(None, [name.get("family")]),
            *name.get("suffix", ()),
        ]
    )


def address(element: Element, zone: ZoneInfo) -> Json | None:
    """An AD as Address."""
    found: Json = {}
    use = _use(element, _ADDRESS_USE)
    lines: list[str] = []
    for each in element:
        text = said(each.text)
        if not text or each.get("nullFlavor"):
            continue
        match each.tag:
            case (
                "streetAddressLine"
                | "additionalLocator"
                | "deliveryAddressLine"
                | "unitID"
                | "streetName"
                | "houseNumber"
            ):
                lines.append(text)
            case "city":
                found["city"] = text
            case "state":
                found["state"] = text
            case "postalCode":
                found["postalCode"] = text
            case "country":
                found["country"] = text
            case "county":
                found["district"] = text
    if lines:
        found["line"] = lines
    if not found:
        text = said(" ".join(element.itertext()))
        if not text or element.get("nullFlavor"):
            return None
        found["text"] = text
    if use:
        found["use"] = use
    period = period_of(element.find("useablePeriod"), zone)
    if period:
        found["period"] = period
    return found


_SCHEMES = {"tel": "phone", "fax": "fax", "mailto": "email", "http": "url", "https": "url", "sms": "sms"}


def telecom(element: Element, zone: ZoneInfo) -> Json | None:
    """A TEL as ContactPoint."""
    value = said(element.get("value"))
    if not value:
        return None
    scheme, colon, rest = value.partition(":")
    system = _SCHEMES.get(scheme.lower()) if colon else None
    if system is None:
        system, rest = ("email", value) if "@" in value else ("phone", value)
    elif system == "url":
        rest = value
    rest = rest.strip()
    if not rest:
        return None
    found: Json = {"system": system, "value": rest}
    use = _use(element, _TELECOM_USE)
    if use:
        found["use"] = use
    period = period_of(element.find("useablePeriod"), zone)
    if period:
        found["period"] = period
    return found


def names(parent: Element, zone: ZoneInfo) -> list[Json]:
    """The names of a person."""
    return [found for each in parent.findall("name") if (found := human_name(each, zone))]


def addresses(parent: Element, zone: ZoneInfo) -> list[Json]:
    """The addresses of a role."""
    return _each_once([found for each in parent.findall("addr") if (found := address(each, zone))])


def telecoms(parent: Element, zone: ZoneInfo) -> list[Json]:
    """The telecoms of a role."""
    return _each_once([found for each in parent.findall("telecom") if (found := telecom(each, zone))])


def _each_once(found: list[Json]) -> list[Json]:
    kept: list[Json] = []
    for each in found:
        if each not in kept:
            kept.append(each)
    return kept


def is_code(concept: Json | None, system: str, *codes: str) -> bool:
    """Whether a CodeableConcept holds one of these codes."""
    return any(
        each.get("system") == system and each.get("code") in codes for each in (concept or {}).get("coding", ())
    )
