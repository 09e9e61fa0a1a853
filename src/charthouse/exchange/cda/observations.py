"""Observations of every kind: results and their panels, vital signs, social history, status, directives.

After HL7's C-CDA on FHIR mapping of results, and US Core for the categories.
"""

from __future__ import annotations

from charthouse.foundation.base64 import from_base64

from .mapping import Json, Mapping, NotCoded, code_of, instant_of, negated, status_of, templates, without_empty
from .tree import Element
from .values import (
    absent_reason,
    boolean,
    bounded,
    coded,
    identifiers,
    interval_of,
    number_of,
    quantity,
    range_of,
    ratio,
    said,
    xsi_type,
)

_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_CATEGORY_WORDS = {
    "laboratory": "Laboratory", "vital-signs": "Vital Signs", "social-history": "Social History",
    "survey": "Survey", "exam": "Exam", "imaging": "Imaging", "procedure": "Procedure", "activity": "Activity",
    "therapy": "Therapy",
}  # fmt: skip
_STATUS = {
    "completed": "final", "active": "preliminary", "aborted": "cancelled", "cancelled": "cancelled",
    "held": "registered", "suspended": "registered", "nullified": "entered-in-error", "new": "registered",
    "obsolete": "amended", "corrected": "corrected",
}  # fmt: skip
_REPORT_STATUS = {
    "completed": "final", "active": "partial", "aborted": "cancelled", "cancelled": "cancelled",
    "held": "registered", "suspended": "registered", "nullified": "entered-in-error", "new": "registered",
}  # fmt: skip


def category(code: str) -> Json:
    """A category of observation; those R4 has no code for are said in words."""
    if code in _CATEGORY_WORDS:
        return coded(_CATEGORY, code, _CATEGORY_WORDS[code])
    return {"text": code.replace("-", " ").capitalize()}


def map_observation(
    mapping: Mapping,
    statement: Element,
    kind: str,
    *,
    outer: Element | None = None,
    report: Json | None = None,
) -> Json | None:
    """An observation as Observation. ``outer`` is the organizer it stands in."""
    what = mapping.concept(statement.find("code"))
    value_elements = statement.findall("value")
    found = [each for each in (value_of(mapping, value) for value in value_elements) if each]
    words = mapping.words_of(statement)
    if what is None and statement.find("code") is not None and code_null(statement) and words:
        what = {"text": said(words)}
    if what is None:
        if not found and not words:
            raise NotCoded("An observation says neither what was observed nor a value.")
        what = {"text": said(words)} if words else absent_reason(null_of(statement.find("code")))
    when = mapping.choice("effective", statement.find("effectiveTime"))
    if not when and outer is not None:
        when = mapping.choice("effective", outer.find("effectiveTime"))
    performer = mapping.performers(statement) or (mapping.performers(outer) if outer is not None else [])
    recorded, by = mapping.written(*(each for each in (statement, outer) if each is not None))
    if not performer and by:
        performer = [by]
    elements = without_empty(
        [
            ("status", _STATUS.get(status_of(statement), "final" if not status_of(statement) else "unknown")),
            ("category", [category(kind)]),
            ("code", what),
            ("subject", mapping.patient),
            ("encounter", mapping.encounter if kind in ("laboratory", "vital-signs") else None),
            *when.items(),
            ("issued", instant_of(recorded) if recorded else None),
            ("performer", [each for each in performer if "reference" in each]),
            (
                "interpretation",
                [said_so for each in statement.findall("interpretationCode") if (said_so := mapping.concept(each))],
            ),
            (
                "bodySite",
                next(
                    (site for each in statement.findall("targetSiteCode") if (site := mapping.concept(each))), None
                ),
            ),
            (
                "method",
                next((way for each in statement.findall("methodCode") if (way := mapping.concept(each))), None),
            ),
            ("referenceRange", _ranges(mapping, statement)),
            ("note", mapping.comments(statement)),
        ]
    )
    if negated(statement):
        elements["modifierExtension"] = [
            {"url": "urn:charthouse:fhir:StructureDefinition:negated", "valueBoolean": True}
        ]
        elements.setdefault("note", []).append(
            {"text": "The document says that this was not observed or is not so."}
        )
    if found:
        elements |= found[0]
        if len(found) > 1:
            elements["component"] = [{"code": what, **each} for each in found[1:]]
    elif value_elements and value_elements[0].get("nullFlavor"):
        elements["dataAbsentReason"] = absent_reason(value_elements[0].get("nullFlavor"))
    elif words and not found and said(words) != what.get("text"):
        elements["valueString"] = words[:20_000]
    members = _members(mapping, statement, kind)
    if members:
        elements["hasMember"] = members
    return mapping.put_entry("Observation", statement, elements)


def null_of(element: Element | None) -> str | None:
    """The nullFlavor of an element."""
    return element.get("nullFlavor") if element is not None else None


def code_null(statement: Element) -> bool:
    """Whether a statement's code says that it has none."""
    coded_element = statement.find("code")
    return coded_element is not None and not coded_element.get("code")


def _members(mapping: Mapping, statement: Element, kind: str) -> list[Json]:
    """Assessment scales and the like: the supporting observations within one."""
    found: list[Json] = []
    for each in mapping.related(statement, "COMP", "SPRT"):
        if each.tag == "observation" and code_of(each) != "33999-4" and each.find("value") is not None:
            try:
                member = map_observation(mapping, each, kind, outer=statement)
            except NotCoded as error:
                mapping.note(str(error))
                continue
            if member:
                found.append(member)
    return found


def value_of(mapping: Mapping, value: Element) -> Json | None:
    """A value of any type as ``value[x]``; None where it says nothing."""
    kind = xsi_type(value)
    if kind in ("PQ", "MO", ""):
        if amount := quantity(value):
            return {"valueQuantity": amount}
        if kind == "" and (what := mapping.concept(value)):
            return {"valueCodeableConcept": what} if "coding" in what else {"valueString": what["text"]}
        # What a sender could not write as a quantity stands there as words.
        words = mapping.text(value.find("originalText")) or said(value.text) or said(value.get("value"))
        return {"valueString": f"{words} {said(value.get('unit'))}".strip()} if words else None
    if kind in ("CD", "CE", "CV", "CO", "CS"):
        what = mapping.concept(value)
        return {"valueCodeableConcept": what} if what else None
    if kind in ("ST", "SC", "ON", "PN", "EN"):
        words = mapping.text(value) or said(value.get("value")) or said(value.get("displayName"))
        return {"valueString": words} if words else None
    if kind == "ED":
        return _encapsulated(mapping, value)
    if kind == "INT":
        number = value.get("value") or ""
        if number.lstrip("-").isdigit() and len(number) < 10:
            return {"valueInteger": int(number)}
        return {"valueString": number} if said(number) else None
    if kind == "REAL":
        number_found = number_of(value.get("value") or "")
        return {"valueQuantity": {"value": number_found}} if number_found is not None else None
    if kind == "BL":
        truth = boolean(value)
        return {"valueBoolean": truth} if truth is not None else None
    if kind == "TS":
        at = mapping.time(value)
        return {"valueDateTime": at} if at else None
    if kind == "IVL_TS":
        point, low, high = interval_of(value, mapping.zone)
        if point:
            return {"valueDateTime": point}
        period = {name: at for name, at in (("start", low), ("end", high)) if at}
        return {"valuePeriod": period} if period else None
    if kind in ("IVL_PQ", "IVL_REAL", "IVL_INT"):
        if one := bounded(value):
            return {"valueQuantity": one}
        if amount := quantity(value):
            return {"valueQuantity": amount}
        if both := range_of(value):
            return {"valueRange": both}
        return None
    if kind.startswith("RTO"):
        found = ratio(value)
        return {"valueRatio": found} if found else None
    if what := mapping.concept(value):
        return {"valueCodeableConcept": what} if "coding" in what else {"valueString": what["text"]}
    words = said(value.get("value"))
    return {"valueString": words} if words else None


def _encapsulated(mapping: Mapping, value: Element) -> Json | None:
    if (value.get("representation") or "").upper() == "B64":
        try:
            body = from_base64(value.text or "")
        except ValueError:
            return None
        if (value.get("mediaType") or "text/plain").startswith("text/"):
            return {"valueString": body.decode("utf-8", "replace").replace("\0", "").strip() or "(empty)"}
        return None
    words = mapping.text(value)
    return {"valueString": words} if words else None


def _ranges(mapping: Mapping, statement: Element) -> list[Json]:
    found = []
    for outer in statement.findall("referenceRange"):
        each = outer.find("observationRange")
        if each is None:
            continue
        value = each.find("value")
        one: Json = {}
        if value is not None:
            one |= range_of(value) or {}
            if not one and (words := mapping.text(value)):
                one["text"] = words
        words = mapping.text(each.find("text"))
        if words:
            one["text"] = words
        if meaning := mapping.concept(each.find("interpretationCode")):
            one["type"] = meaning
        if ("low" in one or "high" in one or "text" in one) and one not in found:
            found.append(one)
    return found


# Panels


def map_result_entry(mapping: Mapping, statement: Element, kind: str = "laboratory") -> bool:
    """A result organizer as DiagnosticReport with its Observations, or a bare observation; whether it was one."""
    if statement.tag == "observation":
        return map_observation(mapping, statement, kind) is not None
    if statement.tag in ("act", "procedure"):
        # Old documents put the battery, or the procedure of drawing it, around its results.
        inner = [each for each in mapping.related(statement) if each.tag in ("observation", "organizer")]
        return mapping.each_of(inner, lambda each: map_result_entry(mapping, each, kind))
    if statement.tag != "organizer":
        return False
    results: list[Json] = []
    deeper = False
    specimen: Json | None = None
    for component in statement.findall("component"):
        for each in component:
            if each.tag == "observation":
                try:
                    found = map_observation(mapping, each, kind, outer=statement)
                except NotCoded as error:
                    mapping.note(str(error))
                    continue
                if found:
                    results.append(found)
            elif each.tag == "organizer":
                try:
                    deeper = map_result_entry(mapping, each, kind) or deeper
                except NotCoded as error:
                    mapping.note(str(error))
            elif each.tag == "procedure" and specimen is None:
                specimen = _specimen(each, mapping)
    if deeper and not results:
        return True
    what = mapping.concept(statement.find("code"))
    if what is None and not results:
        raise NotCoded("A panel names no code and holds no result.")
    if what is None:
        what = {"text": "Results"}
    if specimen is None:
        specimen = _specimen(statement, mapping)
    when = mapping.choice("effective", statement.find("effectiveTime"))
    if not when and results:
        when = _earliest(mapping, results)
    recorded, by = mapping.written(statement)
    performer = mapping.performers(statement) or ([by] if by else [])
    elements = without_empty(
        [
            ("status", _REPORT_STATUS.get(status_of(statement), "final" if results else "unknown")),
            ("category", [_report_category(kind)]),
            ("code", what),
            ("subject", mapping.patient),
            ("encounter", mapping.encounter),
            *when.items(),
            ("issued", instant_of(recorded) if recorded else None),
            ("performer", [each for each in performer if "reference" in each]),
            ("specimen", [specimen] if specimen else None),
            ("result", results),
            ("conclusion", "\n".join(each["text"] for each in mapping.comments(statement))),
        ]
    )
    return mapping.put_entry("DiagnosticReport", statement, elements) is not None


def _report_category(kind: str) -> Json:
    if kind == "laboratory":
        return coded("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory")
    return {"text": kind.replace("-", " ").capitalize()}


def _earliest(mapping: Mapping, results: list[Json]) -> Json:
    for each in results:
        kind, _, number = each["reference"].partition("/")
        for draft in mapping.drafts.values():
            if draft.type == kind and draft.id == number:
                for name in ("effectiveDateTime", "effectivePeriod"):
                    if name in draft.resource:
                        return {name: draft.resource[name]}
    return {}


def _specimen(statement: Element, mapping: Mapping) -> Json | None:
    """The specimen in words, as a display; where it comes from is known by the report alone."""
    for outer in statement.findall("specimen"):
        each = outer.find("specimenRole")
        if each is None:
            continue
        entity = each.find("specimenPlayingEntity")
        what = mapping.concept(entity.find("code")) if entity is not None else None
        if what:
            words = what.get("text") or next(
                (one["display"] for one in what.get("coding", ()) if "display" in one), ""
            )
            if words:
                found: Json = {"display": words}
                if numbers := identifiers(each.findall("id")):
                    found["identifier"] = numbers[0]
                return found
    return None


def map_vitals_entry(mapping: Mapping, statement: Element) -> bool:
    """A vital signs organizer as its Observations; whether there were some."""
    if statement.tag == "observation":
        return map_observation(mapping, statement, "vital-signs") is not None
    if statement.tag in ("act", "procedure"):
        return mapping.each_of(
            (each for each in mapping.related(statement) if each.tag in ("observation", "organizer")),
            lambda each: map_vitals_entry(mapping, each),
        )
    if statement.tag != "organizer":
        return False

    def act(each: Element) -> bool:
        if each.tag == "observation":
            return map_observation(mapping, each, "vital-signs", outer=statement) is not None
        return each.tag == "organizer" and map_vitals_entry(mapping, each)

    return mapping.each_of((each for part in statement.findall("component") for each in part), act)


def map_status_entry(mapping: Mapping, statement: Element, kind: str) -> bool:
    """Observations one by one, or gathered in an organizer or an act; problems among them are Conditions."""
    from .problems import map_problem

    if statement.tag == "observation":
        if "2.16.840.1.113883.10.20.22.4.4" in templates(statement) and kind not in ("social-history",):
            return map_problem(mapping, statement, None, "problem-list-item") is not None
        return map_observation(mapping, statement, kind) is not None
    inner = [*mapping.related(statement)]
    for component in statement.findall("component"):
        inner += list(component)
    return mapping.each_of(
        (each for each in inner if each.tag in ("observation", "organizer", "act")),
        lambda each: map_status_entry(mapping, each, kind),
    )


def map_birth_sex(mapping: Mapping, statement: Element) -> None:
    """The sex assigned at birth, which stands in social history, on the patient too (US Core)."""
    if code_of(statement) != "76689-9":
        return
    value = statement.find("value")
    code = ((value.get("code") or value.get("nullFlavor") or "") if value is not None else "").strip().upper()
    if code not in ("M", "F", "UNK", "OTH", "ASKU"):
        return
    for draft in mapping.drafts.values():
        if draft.type == "Patient":
            draft.resource.setdefault("extension", []).append(
                {
                    "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
                    "valueCode": code,
                }
            )
            return
