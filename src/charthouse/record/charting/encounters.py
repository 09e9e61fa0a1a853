"""Encounters with what changed in them over time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from charthouse.exchange.hl7v2.api import SERVICE_HISTORY
from charthouse.record.chart import Encounter, Span, SpanKind

from .clinical import detail
from .elements import codes, concept, concepts, first, first_when, items, reference, when
from .item import Item

_CLASSES = {
    "IMP": "Inpatient",
    "ACUTE": "Inpatient, acute",
    "NONAC": "Inpatient, non-acute",
    "AMB": "Ambulatory",
    "EMER": "Emergency",
    "OBSENC": "Observation",
    "PRENC": "Pre-admission",
    "SS": "Short stay",
    "HH": "Home health",
    "VR": "Virtual",
    "FLD": "Field",
}
_ATTENDING = {"ATND", "PPRF"}
#: How a patient was admitted (PV1-4), which HL7 v2 messages put beside the types of care. A patient admitted as an
#: emergency is an inpatient all the same.
_ADMISSION_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0007"


def encounters(found: Iterable[Item]) -> list[Encounter]:
    """Encounter, with periods of class, service, location and attending practitioner."""
    return [_encounter(item) for item in found]


def _encounter(item: Item) -> Encounter:
    r = item.resource
    period = r.get("period") or {}
    kind = class_title(r.get("class"))
    identifier = first(r.get("identifier"))
    stay = r.get("hospitalization") or {}
    admissions = [each for each in items(r.get("type")) if _is_admission_type(each)]
    types = [each for each in items(r.get("type")) if each not in admissions]
    return Encounter(
        **item.row(),
        title=concepts(types) or kind or concepts(admissions) or "Encounter",
        status=str(r.get("status") or ""),
        when=when(period.get("start")) or when(period.get("end")),
        code=None,
        number=str(identifier.get("value") or ""),
        class_title=kind,
        end=when(period.get("end")),
        reason=concepts(r.get("reasonCode")) or reference(r.get("reasonReference")),
        disposition=concept(stay.get("dischargeDisposition")),
        facility=reference(r.get("serviceProvider"))
        or reference([each.get("location") for each in items(r.get("location"))[:1]]),
        spans=tuple(_spans(r, kind)),
        detail=detail(
            service=concept(r.get("serviceType")),
            priority=concept(r.get("priority")),
            admission=concepts(admissions),
            admitted_from=concept(stay.get("admitSource")),
            discharged_to=reference(stay.get("destination")),
            preadmission_number=str((stay.get("preAdmissionIdentifier") or {}).get("value") or ""),
        ),
    )


def _is_admission_type(value: Any) -> bool:
    return isinstance(value, dict) and any(
        isinstance(coding, dict) and coding.get("system") == _ADMISSION_TYPE
        for coding in items(value.get("coding"))
    )


def class_title(value: Any) -> str:
    """An Encounter's class (v3 ActCode) in words."""
    if not isinstance(value, dict):
        return ""
    return _CLASSES.get(str(value.get("code")), str(value.get("display") or value.get("code") or ""))


def _spans(r: dict[str, Any], current_class: str) -> Iterable[Span]:
    period = r.get("period") or {}
    classes = [
        (class_title(each.get("class")), each.get("period"))
        for each in items(r.get("classHistory"))
        if isinstance(each, dict)
    ]
    yield from _line(SpanKind.CLASS, classes, current_class, period)
    yield from _line(SpanKind.SERVICE, list(_past_services(r)), concept(r.get("serviceType")), period)
    for each in items(r.get("location")):
        if isinstance(each, dict):
            yield _span(SpanKind.LOCATION, reference(each.get("location")), each.get("period") or period)
    for each in items(r.get("participant")):
        if isinstance(each, dict) and codes(each.get("type")) & _ATTENDING:
            yield _span(SpanKind.ATTENDING, reference(each.get("individual")), each.get("period") or period)


def _past_services(r: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """The services an Encounter was under before the present one, each with its period."""
    for each in items(r.get("extension")):
        if isinstance(each, dict) and each.get("url") == SERVICE_HISTORY:
            parts = {part.get("url"): part for part in items(each.get("extension")) if isinstance(part, dict)}
            service = parts.get("service", {}).get("valueCodeableConcept")
            yield concept(service), parts.get("period", {}).get("valuePeriod")


def _line(kind: SpanKind, past: list[tuple[str, Any]], current: str, period: dict[str, Any]) -> Iterable[Span]:
    """What was, then what is: it began when the last before it ended, and ends with the encounter."""
    for title, lasted in past:
        yield _span(kind, title, lasted)
    if not current:
        return
    title, lasted = past[-1] if past else ("", {})
    ended = lasted.get("end") if isinstance(lasted, dict) else None
    if not past:
        yield _span(kind, current, period)
    elif ended or title != current:
        yield _span(kind, current, {"start": ended, "end": period.get("end")})


def _span(kind: SpanKind, title: str, period: Any) -> Span:
    period = period if isinstance(period, dict) else {}
    return Span(
        kind, title or "not stated", first_when({"start": period.get("start")}, "start"), when(period.get("end"))
    )
