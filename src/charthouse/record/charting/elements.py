"""FHIR's data types in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from charthouse.record.chart import UNKNOWN, Code, Mark, When

Json = Mapping[str, Any]

#: Decimals as they came: 72.50 stays 72.50.
_exact = msgspec.json.Decoder(float_hook=Decimal)

_SYSTEMS = {
    "http://loinc.org": "LOINC",
    "http://snomed.info/sct": "SNOMED CT",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD-9-CM",
    "http://www.cms.gov/Medicare/Coding/ICD10": "ICD-10-PCS",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://hl7.org/fhir/sid/ndc": "NDC",
    "http://www.ama-assn.org/go/cpt": "CPT",
}


def exact(content: bytes) -> dict[str, Any]:
    """A resource's bytes parsed with decimals kept as they were written."""
    parsed: dict[str, Any] = _exact.decode(content)
    return parsed


def items(value: Any) -> list[Any]:
    """A repeating element as a list; a lone or missing one as a list, too."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def first(value: Any) -> dict[str, Any]:
    """The first object of a repeating element, else an empty one."""
    for each in items(value):
        if isinstance(each, dict):
            return each
    return {}


def when(text: Any) -> When:
    """A FHIR date, dateTime or instant as sent, with its beginning; unknown where it cannot be read."""
    if not isinstance(text, str) or not text:
        return UNKNOWN
    return When(text, instant(text))


def instant(text: str) -> datetime | None:
    """The beginning of a FHIR date or time; a date without offset begins at midnight UTC."""
    padded = text if len(text) > 7 else f"{text}-01-01"[:10] if len(text) == 4 else f"{text}-01"
    try:
        moment = datetime.fromisoformat(padded)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def first_when(resource: Json, *names: str) -> When:
    """The first of these elements that says when; a Period says its start."""
    for name in names:
        value = resource.get(name)
        if isinstance(value, dict):
            value = value.get("start") or value.get("end")
        if found := when(value):
            return found
    return UNKNOWN


def concept(value: Any) -> str:
    """A CodeableConcept in words: its text, else a coding's display, else a code."""
    for each in items(value):
        if not isinstance(each, dict):
            continue
        codings = [coding for coding in items(each.get("coding")) if isinstance(coding, dict)]
        text = each.get("text") or next((c["display"] for c in codings if c.get("display")), "")
        if text or codings:
            return str(text or codings[0].get("code") or "")
        if each.get("display") or each.get("code"):
            return str(each.get("display") or each.get("code"))
    return ""


def concepts(value: Any) -> str:
    """Every CodeableConcept of a repeating element in words."""
    return ", ".join(text for each in items(value) if (text := concept(each)))


def code(value: Any) -> Code | None:
    """The first coding that has a code, with its system's short title."""
    for each in items(value):
        if isinstance(each, dict):
            for coding in [*items(each.get("coding")), each]:
                if isinstance(coding, dict) and isinstance(coding.get("code"), str):
                    system = str(coding.get("system") or "")
                    return Code(_SYSTEMS.get(system, system.rpartition("/")[2] or system), coding["code"])
    return None


def status_code(value: Any) -> str:
    """The code of a status given as a CodeableConcept, which decides; its words only where it has no code."""
    found = code(value)
    return found.value if found else concept(value)


def codes(value: Any) -> set[str]:
    """Every code of a CodeableConcept or Coding, whatever its system."""
    found = set()
    for each in items(value):
        if isinstance(each, dict):
            for coding in [*items(each.get("coding")), each]:
                if isinstance(coding, dict) and isinstance(coding.get("code"), str):
                    found.add(coding["code"])
    return found


def reference(value: Any) -> str:
    """A reference in words; empty where it has no display."""
    for each in items(value):
        if isinstance(each, dict) and each.get("display"):
            return str(each["display"])
    return ""


def references(value: Any) -> Iterable[str]:
    """The ``Type/id`` of each reference."""
    for each in items(value):
        if isinstance(each, dict) and isinstance(each.get("reference"), str):
            yield each["reference"]


def person_name(value: Any) -> str:
    """A HumanName as "Family, Given Middle Suffix": the official or usual one of several."""
    names = [each for each in items(value) if isinstance(each, dict)]
    if not names:
        return ""
    order = {"official": 0, "usual": 1, None: 2, "": 2}
    name = min(names, key=lambda each: order.get(each.get("use"), 3))
    given = " ".join(str(each) for each in items(name.get("given")))
    suffix = " ".join(str(each) for each in items(name.get("suffix")))
    family = str(name.get("family") or "")
    rest = " ".join(part for part in (given, suffix) if part)
    return ", ".join(part for part in (family, rest) if part) or str(name.get("text") or "")


def address(value: Json) -> str:
    """An Address on one line."""
    if value.get("text"):
        return str(value["text"])
    town = " ".join(str(value[name]) for name in ("city", "state", "postalCode") if value.get(name))
    return ", ".join([*(str(each) for each in items(value.get("line"))), *([town] if town else [])])


def phone(value: Any) -> str:
    """The first telephone number of a repeating ContactPoint."""
    for each in items(value):
        if isinstance(each, dict) and each.get("system") in {"phone", "sms", None} and each.get("value"):
            return str(each["value"])
    return ""


def quantity(value: Json) -> str:
    """A Quantity's number as it was written, with its comparator."""
    number = value.get("value")
    return "" if number is None else f"{value.get('comparator', '')}{number}"


def amount(value: Any) -> str:
    """A Quantity with its unit."""
    if not isinstance(value, dict):
        return ""
    return f"{quantity(value)} {value.get('unit') or value.get('code') or ''}".strip()


def span_words(value: Any) -> str:
    """A Range or Quantity range: "low to high", "≥ low", "≤ high"."""
    if not isinstance(value, dict):
        return ""
    low, high = amount(value.get("low")), amount(value.get("high"))
    if low and high:
        return f"{quantity(value['low'])}\u2013{high}"
    return f"\u2265 {low}" if low else f"\u2264 {high}" if high else ""


def notes(value: Any) -> str:
    """Annotations, one after the other."""
    return " ".join(str(each["text"]) for each in items(value) if isinstance(each, dict) and each.get("text"))


def extension(resource: Json, url: str) -> dict[str, Any]:
    """The extension whose url ends in ``url``, else an empty object."""
    for each in items(resource.get("extension")):
        if isinstance(each, dict) and str(each.get("url", "")).endswith(url):
            return each
    return {}


def age(born: str, on: date) -> int | None:
    """Completed years from a FHIR birth date to a day; None where the date does not say enough."""
    try:
        birth = date.fromisoformat(
            born if len(born) == 10 else f"{born}-01-01"[:10] if len(born) == 4 else f"{born}-01"
        )
    except ValueError:
        return None
    years = on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))
    return years if years >= 0 else None


def mark_of(resource: Json) -> Mark:
    """The one mark of an item that is not to be read as final: screen, print, export and API ask here."""
    kind = resource.get("resourceType")
    status = str(resource.get("status") or "")
    verification = codes(resource.get("verificationStatus"))
    if (
        status == "entered-in-error"
        or "entered-in-error" in verification
        or (status == "cancelled" and kind in _REPORTS)
    ):
        return Mark.RETRACTED
    document = str(resource.get("docStatus") or "")
    if document == "entered-in-error":
        return Mark.RETRACTED
    if document == "preliminary" or status in {"preliminary", "draft", "partial", "registered"}:
        return Mark.UNSIGNED if document else Mark.DRAFT
    if document in {"amended", "appended"} or status in {"corrected", "amended", "appended", "superseded"}:
        return Mark.CORRECTED
    return Mark.NONE


_REPORTS = frozenset({"Observation", "DiagnosticReport"})
