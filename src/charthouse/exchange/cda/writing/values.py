"""FHIR data types as those of CDA, as XML elements. The inverse of :mod:`charthouse.exchange.cda.values`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5
from xml.etree import ElementTree

from charthouse.exchange.cda.systems import UCUM, is_uuid, oid_of

Json = dict[str, Any]
Element = ElementTree.Element
#: The space in which an identifier's system that has no OID gets one of its own.
_SPACE = UUID("6f0c1f3e-8f0a-5d0c-9a55-0c6a3c6d2b11")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def element(
    name: str, attributes: Mapping[str, str | None] | None = None, *children: Element | str | None
) -> Element:
    """An element with its attributes (those that are None are left out), its text and its children."""
    made = ElementTree.Element(
        name, {key: clean(value) for key, value in (attributes or {}).items() if value is not None}
    )
    last: Element | None = None
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            if last is None:
                made.text = (made.text or "") + clean(child)
            else:
                last.tail = (last.tail or "") + clean(child)
        else:
            made.append(child)
            last = child
    return made


def clean(text: str) -> str:
    """Text without the characters XML does not know."""
    return _NO_XML.sub("", text)


def template(root: str, extension: str | None = None) -> Element:
    """A templateId."""
    return element("templateId", {"root": root, "extension": extension})


def null(name: str, flavor: str = "UNK", **more: str) -> Element:
    """An element that says why it says nothing."""
    return element(name, {**more, "nullFlavor": flavor})


# Codes


def codings(concept: object) -> list[Json]:
    """The Codings of a CodeableConcept that hold a code."""
    found = concept.get("coding") if isinstance(concept, dict) else None
    return [each for each in found or () if isinstance(each, dict) and each.get("code")]


def words(concept: object) -> str:
    """What a CodeableConcept is called: its text, else the first display, else the first code."""
    if not isinstance(concept, dict):
        return ""
    if concept.get("text"):
        return str(concept["text"])
    held = codings(concept)
    return next(
        (str(each["display"]) for each in held if each.get("display")), str(held[0]["code"]) if held else ""
    )


def _attributes(coding: Json) -> dict[str, str | None]:
    system = coding.get("system")
    oid = oid_of(str(system)) if system else None
    return {
        "code": str(coding["code"]),
        "codeSystem": oid,
        # A system without an OID is named by its URI, so that it is not lost.
        "codeSystemName": str(system) if system and oid is None else None,
        "displayName": str(coding["display"]) if coding.get("display") else None,
    }


def coded(name: str, concept: object, *, kind: str = "", reference: str = "", prefer: str = "") -> Element:
    """A CodeableConcept as CD: the first code whose system has an OID (or is ``prefer``), others as translations;
    ``reference`` points at its words in the narrative."""
    held = codings(concept)
    main = next((each for each in held if prefer and each.get("system") == prefer), None)
    if main is None:
        main = next((each for each in held if each.get("system") and oid_of(str(each["system"]))), None)
    attributes: dict[str, str | None] = {"xsi:type": kind or None}
    if main is not None:
        attributes |= _attributes(main)
    else:
        attributes["nullFlavor"] = "OTH" if held or words(concept) else "UNK"
    made = element(name, attributes)
    said = concept.get("text") if isinstance(concept, dict) else None
    if reference and (said or (main is None and words(concept))):
        made.append(element("originalText", None, element("reference", {"value": f"#{reference}"})))
    elif said:
        made.append(element("originalText", None, str(said)))
    for each in held:
        if each is not main:
            made.append(element("translation", _attributes(each)))
    return made


def code(name: str, value: str, system: str, display: str = "", *, kind: str = "") -> Element:
    """One code whose system is given by its OID."""
    return element(
        name,
        {"xsi:type": kind or None, "code": value, "codeSystem": system, "displayName": display or None},
    )


# Identifiers


def root_of(system: str) -> str:
    """The root that stands for an identifier's system: its OID or UUID, else a UUID made of its name."""
    if found := oid_of(system):
        return found
    if system.startswith("urn:uuid:") and is_uuid(system[9:]):
        return system[9:]
    return str(uuid5(_SPACE, system))


def identifier(value: Json) -> Element | None:
    """An Identifier as II."""
    number, system = value.get("value"), value.get("system")
    if not number:
        return None
    number = str(number)
    if system == "urn:ietf:rfc:3986":
        if number.startswith("urn:uuid:") and is_uuid(number[9:]):
            return element("id", {"root": number[9:]})
        if number.startswith("urn:oid:"):
            return element("id", {"root": number[8:]})
    return element("id", {"root": root_of(str(system or "urn:charthouse:no-system")), "extension": number})


def ids(resource: Json) -> list[Element]:
    """The id of a resource in this record, then those it had at its sender."""
    own = str(resource.get("id") or "")
    found = [
        element("id", {"root": own})
        if is_uuid(own)
        else element("id", {"root": root_of("urn:charthouse"), "extension": own})
    ]
    found += [made for each in listed(resource.get("identifier")) if (made := identifier(each)) is not None]
    return found


# Times


def timestamp(fhir: object) -> str | None:
    """A FHIR date, dateTime or instant as the value of a TS; None for what is none."""
    if not isinstance(fhir, str) or not _FHIR.fullmatch(fhir):
        return None
    day, _, clock = fhir.partition("T")
    text = day.replace("-", "")
    if clock:
        offset = ""
        if clock.endswith("Z"):
            clock, offset = clock[:-1], "+0000"
        elif len(clock) > 6 and clock[-6] in "+-":
            clock, offset = clock[:-6], clock[-6:].replace(":", "")
        text += clock.replace(":", "") + offset
    return text


_FHIR = re.compile(
    r"\d{4}(?:-\d{2}(?:-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})?)?)?)?", re.ASCII
)


def time(name: str, fhir: object, **more: str) -> Element:
    """A TS; unknown where there is none."""
    value = timestamp(fhir)
    return element(name, {**more, "value": value}) if value else null(name, **more)


def interval(name: str, start: object, end: object = None, *, kind: str = "") -> Element:
    """An IVL_TS from its ends; what is not known is left out, a start that is not known says so."""
    made = element(name, {"xsi:type": kind or None})
    low, high = timestamp(start), timestamp(end)
    made.append(element("low", {"value": low}) if low else null("low"))
    if high:
        made.append(element("high", {"value": high}))
    return made


def choice(resource: Json, name: str, *, tag: str = "effectiveTime", kind: str = "") -> Element:
    """``nameDateTime`` or ``namePeriod`` of a resource as IVL_TS."""
    period = resource.get(f"{name}Period")
    if isinstance(period, dict) and (period.get("start") or period.get("end")):
        return interval(tag, period.get("start"), period.get("end"), kind=kind)
    value = timestamp(resource.get(f"{name}DateTime") or resource.get(f"{name}Instant"))
    if value:
        return element(tag, {"xsi:type": kind or None, "value": value})
    return element(tag, {"xsi:type": kind or None, "nullFlavor": "UNK"})


# Quantities


def number(value: object) -> str | None:
    """A decimal with the digits it has."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    text = format(value, "f") if isinstance(value, Decimal) else repr(value)
    return format(Decimal(text), "f") if "e" in text or "E" in text else text


def quantity(name: str, value: object, *, kind: str = "") -> Element | None:
    """A Quantity as PQ, with a comparator as IVL_PQ; None without a number."""
    if not isinstance(value, dict) or (amount := number(value.get("value"))) is None:
        return None
    comparator = value.get("comparator")
    if comparator:
        end = "low" if str(comparator).startswith(">") else "high"
        inclusive = None if "=" in str(comparator) else "false"
        inner = element(end, {"inclusive": inclusive, "value": amount, **_unit(value)})
        return element(name, {"xsi:type": "IVL_PQ" if kind else None}, inner)
    made = element(name, {"xsi:type": kind or None, "value": amount, **_unit(value)})
    if "unit" not in made.attrib and value.get("unit"):
        made.append(element("translation", {"value": amount}, element("originalText", None, str(value["unit"]))))
    return made


def _unit(value: Json) -> dict[str, str | None]:
    """The unit by its UCUM code; others stand in a translation."""
    if value.get("system") in (UCUM, None) and value.get("code"):
        return {"unit": str(value["code"])}
    return {}


def limits(name: str, value: object, *, kind: str = "") -> Element | None:
    """A Range as IVL_PQ."""
    if not isinstance(value, dict):
        return None
    ends = [made for end in ("low", "high") if (made := quantity(end, value.get(end))) is not None]
    return element(name, {"xsi:type": kind or None}, *ends) if ends else None


def amount(value: object) -> str:
    """A Quantity in words."""
    if not isinstance(value, dict):
        return ""
    unit = value.get("unit") or value.get("code") or ""
    return f"{value.get('comparator') or ''}{number(value.get('value')) or ''} {unit}".strip()


# Names, addresses, telecoms

_NAME_USE = {"official": "L", "usual": "L", "nickname": "P", "anonymous": "A"}
_ADDRESS_USE = {"home": "HP", "work": "WP", "temp": "TMP", "old": "BAD"}
_TELECOM_USE = {"home": "HP", "work": "WP", "mobile": "MC"}
_SCHEMES = {"phone": "tel", "fax": "fax", "email": "mailto", "sms": "sms"}


def name(value: Json) -> Element:
    """A HumanName as PN."""
    made = element("name", {"use": _NAME_USE.get(str(value.get("use")))})
    for part in ("prefix", "given"):
        for each in value.get(part) or ():
            made.append(element(part, None, str(each)))
    if value.get("family"):
        qualifier = "BR" if value.get("use") == "maiden" else None
        made.append(element("family", {"qualifier": qualifier}, str(value["family"])))
    for each in value.get("suffix") or ():
        made.append(element("suffix", None, str(each)))
    if not len(made):
        if not value.get("text"):
            return null("name")
        made.text = clean(str(value["text"]))
    return made


def names(values: object) -> list[Element]:
    """All names; unknown where there is none."""
    found = [name(each) for each in values if isinstance(each, dict)] if isinstance(values, list) else []
    return found or [null("name")]


def address(value: Json) -> Element:
    """An Address as AD."""
    made = element("addr", {"use": _ADDRESS_USE.get(str(value.get("use")))})
    for each in value.get("line") or ():
        made.append(element("streetAddressLine", None, str(each)))
    for field, tag in (("city", "city"), ("state", "state"), ("postalCode", "postalCode"), ("country", "country")):
        if value.get(field):
            made.append(element(tag, None, str(value[field])))
    if not len(made):
        if not value.get("text"):
            return null("addr")
        made.text = clean(str(value["text"]))
    return made


def addresses(values: object) -> list[Element]:
    """All addresses; unknown where there is none."""
    found = [address(each) for each in values if isinstance(each, dict)] if isinstance(values, list) else []
    return found or [null("addr")]


def telecoms(values: object) -> list[Element]:
    """All telecoms; unknown where there is none."""
    found = []
    for each in values if isinstance(values, list) else ():
        if isinstance(each, dict) and each.get("value"):
            scheme = _SCHEMES.get(str(each.get("system")))
            text = str(each["value"])
            found.append(
                element(
                    "telecom",
                    {
                        "use": _TELECOM_USE.get(str(each.get("use"))),
                        "value": f"{scheme}:{text}" if scheme else text,
                    },
                )
            )
    return found or [null("telecom")]


def listed(values: object) -> Iterable[Json]:
    """The objects of a list, whatever else stands in it."""
    return (each for each in values if isinstance(each, dict)) if isinstance(values, list) else ()
