"""OBX and its NTE: Observations, and documents carried within results."""

from __future__ import annotations

from typing import Final

from charthouse.exchange.drafts import Mode
from charthouse.exchange.hl7v2 import tables
from charthouse.exchange.hl7v2.datatypes import (
    Json,
    annotation,
    coded,
    concept,
    concepts,
    date_range,
    encapsulated,
    entity_identifier,
    quantity,
    reference_pointer,
    units,
)
from charthouse.exchange.hl7v2.directory import coded_organization, device, organization, practitioners
from charthouse.exchange.hl7v2.mapping import Mapping
from charthouse.exchange.hl7v2.message import Segment, Value
from charthouse.exchange.numbers import decimal
from charthouse.exchange.times import clock_time, date_time

from .findings import coded_key

_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_CATEGORY_NAMES = {
    "laboratory": "Laboratory",
    "imaging": "Imaging",
    "vital-signs": "Vital Signs",
    "procedure": "Procedure",
    "survey": "Survey",
    "exam": "Exam",
}
# LOINC codes of the vital signs profile (FHIR R4, "Vital Signs"), and their usual variants.
_VITAL_SIGNS = frozenset(
    {
        "85353-1", "9279-1", "8867-4", "2708-6", "59408-5", "8310-5", "8302-2", "9843-4", "29463-7", "3141-9",
        "39156-5", "85354-9", "8480-6", "8462-4", "8478-0", "8287-5", "8289-1", "59576-9", "8328-7", "8331-1",
        "8333-7", "72514-3",
    }
)  # fmt: skip
_STATUS = {
    # The rows HL7's map leaves open, in plain sense.
    "B": "amended",
    "I": "registered",
    "N": "final",
    "O": "final",
    "R": "preliminary",
    "S": "preliminary",
    "U": "final",
    "V": "final",
}
_IMAGING = frozenset(
    {
        "RAD",
        "RX",
        "CT",
        "CUS",
        "NMR",
        "NMS",
        "RUS",
        "VUS",
        "XRC",
        "RT",
        "OUS",
        "MRI",
        "MR",
        "US",
        "NM",
        "MG",
        "CR",
        "IMG",
    }
)
_PROCEDURAL = frozenset({"EC", "EN", "CTH", "PF", "RC", "CARD", "EEG", "EMG"})
# What an Observation without a value may still say: by its status, or by one of these elements.
_WITHOUT_VALUE = frozenset({"registered", "preliminary", "cancelled", "entered-in-error"})
_SAYS = ("component", "dataAbsentReason", "interpretation", "note")
_TEXT_TYPES = frozenset({"TX", "FT"})
_DOCUMENT_TYPES = frozenset({"ED", "RP"})


def category_of(service: str, code: str) -> str | None:
    """An Observation category for OBR-24 (table 0074) and a LOINC code; None where neither says one."""
    if code in _VITAL_SIGNS:
        return "vital-signs"
    service = service.upper()
    if not service:
        return None
    if service in _IMAGING:
        return "imaging"
    if service in _PROCEDURAL:
        return "procedure"
    if service in ("LAB",) or tables.target("diagnostic-service", service):
        return "laboratory"
    return None


def category_concept(category: str) -> Json:
    """An Observation category as CodeableConcept."""
    return coded(_CATEGORY, category, _CATEGORY_NAMES[category])


def observation_status(code: str, default: str) -> str:
    """OBX-11 as Observation.status."""
    code = code.upper()
    if not code:
        return default
    return _STATUS.get(code) or tables.fhir_code("observation-status", code) or default


class Context:
    """What a group of OBX shares: the order they belong to, its specimen, time, category and status."""

    __slots__ = (
        "category",
        "default_status",
        "effective",
        "key",
        "order",
        "part_of",
        "performer",
        "seen",
        "specimen",
    )

    def __init__(
        self,
        key: str,
        *,
        order: str | None = None,
        specimen: str | None = None,
        effective: Json | None = None,
        category: str = "",
        default_status: str = "unknown",
        performer: list[Json] | None = None,
        part_of: str | None = None,
    ) -> None:
        self.key = key
        self.part_of = part_of
        self.order = order
        self.specimen = specimen
        self.effective = effective or {}
        self.category = category
        self.default_status = default_status
        self.performer = performer or []
        self.seen: dict[str, int] = {}


class Outcome:
    """What a group of OBX became: references to results, the documents among them, and the prose in order."""

    __slots__ = ("attachments", "documents", "results", "statuses", "texts")

    def __init__(self) -> None:
        self.results: list[Json] = []
        self.documents: list[str] = []
        self.attachments: list[tuple[Segment, Json]] = []
        self.texts: list[tuple[Segment, str]] = []
        self.statuses: list[str] = []


def map_observations(mapping: Mapping, lines: list[tuple[Segment, list[Segment]]], context: Context) -> Outcome:
    """OBX with their NTE (each OBX and the notes after it) as Observations.

    Consecutive TX or FT lines of one OBX-3 are one text. ED and RP values are documents: ``attachments``.
    """
    outcome = Outcome()
    position = 0
    while position < len(lines):
        obx, notes = lines[position]
        position += 1
        kind = obx.get(2).upper()
        if kind in _DOCUMENT_TYPES and _attach(mapping, obx, kind, outcome):
            continue
        texts: list[str] | None = None
        if kind in _TEXT_TYPES:
            texts = [_prose(obx)]
            while position < len(lines) and _continues(obx, lines[position - 1][0], lines[position][0]):
                following, more = lines[position]
                texts.append(_prose(following))
                notes = notes + more
                position += 1
        _observe(mapping, obx, notes, context, outcome, texts)
    return outcome


def _prose(obx: Segment) -> str:
    return "\n".join(value.text for value in obx.values(5))


def _continues(first: Segment, last: Segment, obx: Segment) -> bool:
    """Whether ``obx`` goes on with the text of ``last``: same OBX-3, and OBX-4 the same or counting on."""
    if obx.get(2).upper() not in _TEXT_TYPES or obx.raw(3) != first.raw(3) or obx.raw(11) != first.raw(11):
        return False
    before, now = last.get(4), obx.get(4)
    return before == now or (before.isdigit() and now.isdigit() and int(now[:6]) == int(before[:6]) + 1)


def _attach(mapping: Mapping, obx: Segment, kind: str, outcome: Outcome) -> bool:
    """Take OBX-5 as documents; False for an RP that points nowhere, which is read as text."""
    found: list[Json] = []
    for value in obx.values(5):
        if kind == "ED":
            attachment, fault = encapsulated(value)
            if fault:
                mapping.lose(fault, obx, 5)
        else:
            attachment = reference_pointer(value)
        if attachment:
            title = obx.get(3, 2) or obx.get(3, 1)
            if title:
                attachment.setdefault("title", title)
            found.append(attachment)
    if kind == "RP" and not found and obx.has(5):
        return False
    outcome.attachments += [(obx, attachment) for attachment in found]
    if found:
        outcome.statuses.append(observation_status(obx.get(11), "unknown"))
    return True


def _observe(
    mapping: Mapping,
    obx: Segment,
    notes: list[Segment],
    context: Context,
    outcome: Outcome,
    texts: list[str] | None,
) -> None:
    code = concept(obx.first(3))
    if code is None:
        mapping.warn("The result does not say what was observed; it is not filed.", obx, 3)
        return
    flag = obx.get(11).upper()
    status = observation_status(flag, context.default_status)
    elements: Json = {"status": status}
    category = category_of(context.category, _loinc(code))
    if category:
        elements["category"] = [category_concept(category)]
    elements["code"] = code
    elements["subject"] = {"reference": mapping.patient_reference}
    if mapping.encounter_reference:
        elements["encounter"] = {"reference": mapping.encounter_reference}
    observed = mapping.time(obx, 14)
    if observed:
        elements["effectiveDateTime"] = observed
    else:
        elements.update(context.effective)
    if texts is not None:
        text = "\n".join(texts).strip("\n")
        if text.strip():
            elements["valueString"] = text
            outcome.texts.append((obx, text))
    else:
        _value(mapping, obx, elements)
    _details(mapping, obx, notes, context, elements, flag)
    if status not in _WITHOUT_VALUE and not any(name in elements for name in _SAYS) and not _has_value(elements):
        mapping.warn("The result has no value; it is not filed.", obx, 5)
        return
    key = _key(context, obx, observed)
    mode: Mode = "snapshot"
    if status == "entered-in-error":
        mode = "entered-in-error"
    elif flag == "U":
        mode = "partial"  # the status changes, the result sent before stays
    draft = mapping.put("Observation", key, mapping.secured(elements), obx, mode=mode)
    outcome.statuses.append(status)
    reference: Json = {"reference": draft.reference}
    shown = code.get("text") or (code.get("coding") or [{}])[0].get("display")
    if shown:
        reference["display"] = shown
    outcome.results.append(reference)


def _has_value(elements: Json) -> bool:
    return any(name.startswith("value") for name in elements)


def _loinc(code: Json) -> str:
    return next((c["code"] for c in code.get("coding", []) if c.get("system") == "http://loinc.org"), "")


def _key(context: Context, obx: Segment, observed: str | None) -> str:
    """Order, what, and sub-id; the time and then a number only where the message has the same again."""
    base = f"{context.key}/{coded_key(obx.first(3))}/{obx.raw(4)}"
    if context.order is None:
        base = f"{base}/{observed or context.effective.get('effectiveDateTime', '')}"
    count = context.seen.get(base, 0)
    context.seen[base] = count + 1
    if not count:
        return base
    timed = f"{base}/{observed or ''}"
    again = context.seen.get(timed, 0)
    context.seen[timed] = again + 1
    return timed if observed and not again else f"{timed}#{count + 1}"


def _details(
    mapping: Mapping, obx: Segment, notes: list[Segment], context: Context, elements: Json, flag: str
) -> None:
    if flag == "N":
        elements["dataAbsentReason"] = _absent("not-asked", "Not Asked")
    elif flag == "X":
        elements["dataAbsentReason"] = _absent("error", "Error")
    elif obx.is_null(5):
        elements["dataAbsentReason"] = _absent("unknown", "Unknown")
    if _has_value(elements):
        elements.pop("dataAbsentReason", None)
    flags = concepts(obx.values(8), "interpretation")
    if flags:
        elements["interpretation"] = flags
    ranges = reference_range(obx.first(7).text, obx.first(6))
    if ranges:
        elements["referenceRange"] = [ranges]
    performers: list[Json] = []
    producer = coded_organization(mapping, obx.first(15), obx) if obx.has(15) else None
    if producer:
        performers.append(producer)
    performers += practitioners(mapping, obx, 16)
    laboratory = organization(mapping, obx.first(23), obx) if obx.has(23) else None
    if laboratory and laboratory not in performers:
        performers.append(laboratory)
    performers = performers or list(context.performer)
    if performers:
        elements["performer"] = performers
    method = concept(obx.first(17))
    if method:
        elements["method"] = method
    instrument = device(mapping, obx.first(18), obx) if obx.has(18) else None
    if instrument:
        elements["device"] = instrument
    site = concept(obx.first(20))
    if site:
        elements["bodySite"] = site
    number = entity_identifier(obx.first(21))
    if number:
        elements["identifier"] = [number]
    if context.order:
        elements["basedOn"] = [{"reference": context.order}]
    if context.part_of:
        elements["partOf"] = [{"reference": context.part_of}]
    if context.specimen:
        elements["specimen"] = {"reference": context.specimen}
    remarks = [found for note in notes if (found := annotation(note, mapping.zone))]
    if remarks:
        elements["note"] = remarks
    extensions: list[Json] = []
    analysed = mapping.time(obx, 19)
    if analysed:
        extensions.append(
            {
                "url": "http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time",
                "valueDateTime": analysed,
            }
        )
    nature = tables.coding("nature-of-abnormal", obx.get(10))
    if nature:
        extensions.append(
            {
                "url": "http://hl7.org/fhir/StructureDefinition/observation-nature-of-abnormal-test",
                "valueCodeableConcept": {"coding": [nature]},
            }
        )
    if extensions:
        elements["extension"] = extensions


def _absent(code: str, display: str) -> Json:
    return coded("http://terminology.hl7.org/CodeSystem/data-absent-reason", code, display)


def _value(mapping: Mapping, obx: Segment, elements: Json) -> None:
    values = obx.values(5)
    if not values:
        return
    kind = obx.get(2).upper()
    if len(values) == 1 or kind in ("ST", "NA"):
        if kind == "ST" and len(values) > 1:
            elements["valueString"] = "\n".join(value.text for value in values)
            return
        found = value_of(mapping, obx, kind, values[0])
        if found:
            elements[found[0]] = found[1]
        return
    # A value that repeats: components of the same code, and no value of its own (FHIR R4, invariant obs-7).
    components: list[Json] = []
    for value in values:
        found = value_of(mapping, obx, kind, value)
        if found:
            components.append({"code": elements["code"], found[0]: found[1]})
    if components:
        elements["component"] = components


def value_of(mapping: Mapping, obx: Segment, kind: str, value: Value) -> tuple[str, object] | None:
    """OBX-5 by the type in OBX-2, as the name and content of ``value[x]``."""
    unit = obx.first(6)
    match kind:
        case "NM":
            number = quantity(value.get(1), unit)
            if number:
                return "valueQuantity", number
            if value.get(1):
                mapping.warn("The value is said to be a number and is none; it is kept as text.", obx, 5)
        case "SN":
            structured = structured_numeric(value, unit)
            if structured:
                return structured
        case "CE" | "CWE" | "CNE" | "CF" | "IS" | "ID":
            code = concept(value)
            if code:
                return "valueCodeableConcept", code
        case "DT" | "TS" | "DTM":
            when = date_time(value.get(1), mapping.zone)
            if when:
                return "valueDateTime", when
            if value.get(1):
                mapping.warn("The value is said to be a time and is none; it is kept as text.", obx, 5)
        case "TM":
            clock = clock_time(value.get(1))
            if clock:
                return "valueTime", clock
        case "DR":
            between = date_range(value, mapping.zone)
            if between:
                return "valuePeriod", between
        case "NR":
            low, high = quantity(value.get(1), unit), quantity(value.get(2), unit)
            if low or high:
                return "valueRange", {name: q for name, q in (("low", low), ("high", high)) if q}
        case "CQ":
            number = quantity(value.get(1), value.part(2) if value.get(2) else unit)
            if number:
                return "valueQuantity", number
        case "VR":
            if value.get(1) or value.get(2):
                return "valueString", f"{value.get(1)}-{value.get(2)}"
    text = value.text.strip()
    return ("valueString", text) if text else None


def structured_numeric(value: Value, unit: Value) -> tuple[str, object] | None:
    """SN: comparator, number, separator, number. What FHIR cannot say as number, ratio or range is text."""
    comparator, first, separator, second = (value.get(part) for part in (1, 2, 3, 4))
    one, two = decimal(first), decimal(second)
    if one is not None and comparator in ("", "=", "<", ">", "<=", ">="):
        measured = units(unit)
        if not separator and not second:
            result: Json = {"value": one, **measured}
            if comparator in ("<", ">", "<=", ">="):
                result["comparator"] = comparator
            return "valueQuantity", result
        plain = comparator in ("", "=")
        if separator in (":", "/") and two is not None and plain:
            return "valueRatio", {
                "numerator": {"value": one, **measured},
                "denominator": {"value": two, **measured},
            }
        if separator == "-" and two is not None and plain:
            return "valueRange", {"low": {"value": one, **measured}, "high": {"value": two, **measured}}
    words = [comparator, first, separator, second, unit.get(2) or unit.get(1)]
    text = " ".join(word for word in words if word)
    return ("valueString", text) if text else None


def reference_range(text: str, unit: Value) -> Json | None:
    """OBX-7: the text as sent, and low and high where it is ``a-b``, ``<b``, ``>a`` or the like."""
    text = text.strip()
    if not text:
        return None
    result: Json = {}
    low, high = _bounds(text)
    measured = units(unit) if low or high else {}
    for name, number in (("low", low), ("high", high)):
        value = decimal(number) if number else None
        if value is not None:
            result[name] = {"value": value, **measured}
    result["text"] = text
    return result


def _bounds(text: str) -> tuple[str, str]:
    for mark in ("<=", "<", "≤"):
        if text.startswith(mark):
            return "", text[len(mark) :].strip()
    for mark in (">=", ">", "≥"):
        if text.startswith(mark):
            return text[len(mark) :].strip(), ""
    cut = text.find("-", 1)
    while 0 < cut < len(text) - 1:
        low, high = text[:cut].strip(), text[cut + 1 :].strip()
        if decimal(low) is not None and decimal(high) is not None:
            return low, high
        cut = text.find("-", cut + 1)
    return "", ""


def document_status(statuses: list[str]) -> Mode:
    """Documents within results that were all taken back are taken back too."""
    return "entered-in-error" if statuses and all(s == "entered-in-error" for s in statuses) else "snapshot"
