"""What of a resource a C-CDA document carries there and back, in a form that can be compared.

The fields are those that ``docs/cda.md`` lists. Left out is what C-CDA has no place for: who recorded it, an
order's intent, a status that C-CDA does not tell apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from charthouse.exchange.cda.writing.concerns import allergy_kind
from charthouse.exchange.cda.writing.medications import per_time
from charthouse.exchange.cda.writing.observations import parts_of

Json = dict[str, Any]
_SAME = {"amended": "final", "corrected": "final", "appended": "final", "partial": "preliminary"}


def moment(text: Any) -> Any:
    """A time as what it means, with its precision."""
    if not isinstance(text, str) or not text:
        return None
    if len(text) <= 10:
        return text
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def concept(value: Any) -> Any:
    """A CodeableConcept: its codes, and what it is called."""
    if not isinstance(value, dict):
        return None
    held = [each for each in value.get("coding", ()) if each.get("code")]
    said = value.get("text") or next((each["display"] for each in held if each.get("display")), "")
    # Sorted, for essentials are compared by how they are written.
    codes = sorted({(each.get("system"), each["code"]) for each in held}, key=str)
    return tuple(codes), " ".join(str(said).split())


def concepts(values: Any) -> Any:
    return tuple(sorted((str(concept(each)) for each in values or ()), key=str))


def quantity(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    number = value.get("value")
    return (
        Decimal(str(number)) if number is not None else None,
        value.get("code") or value.get("unit"),
        value.get("comparator"),
    )


def _time(resource: Json, name: str) -> Any:
    period = resource.get(f"{name}Period")
    if period:
        return moment(period.get("start")), moment(period.get("end"))
    return moment(resource.get(f"{name}DateTime"))


def _notes(resource: Json) -> Any:
    return tuple(sorted(" ".join(each["text"].split()) for each in resource.get("note") or ()))


def _status(value: Any) -> str:
    return next((each["code"] for each in (value or {}).get("coding", ())), "")


def _value(resource: Json) -> Any:
    for name, value in resource.items():
        match name:
            case "valueQuantity":
                return name, quantity(value)
            case "valueCodeableConcept":
                return name, concept(value)
            case "valueRange":
                return name, quantity(value.get("low")), quantity(value.get("high"))
            case "valueRatio":
                return name, quantity(value.get("numerator")), quantity(value.get("denominator"))
            case "valueString":
                return name, " ".join(value.split())
            case "valueDateTime":
                return name, moment(value)
            case _ if name.startswith("value"):
                return name, str(value)
    return None


def _range(each: Json) -> Any:
    return quantity(each.get("low")), quantity(each.get("high")), " ".join((each.get("text") or "").split())


def _observation(resource: Json, whole: Json) -> Any:
    status = whole.get("status")
    return (
        concept(resource.get("code")),
        _value(resource),
        _SAME.get(status, status) if status != "unknown" else None,
        _time(whole, "effective"),
        concepts(resource.get("interpretation")),
        tuple(sorted(map(str, map(_range, resource.get("referenceRange") or ())))),
        _notes(resource),
    )


def _dosage(resource: Json) -> Any:
    dosage = next(iter(resource.get("dosageInstruction") or resource.get("dosage") or ()), {})
    rate = next(iter(dosage.get("doseAndRate") or ()), {})
    repeat = (dosage.get("timing") or {}).get("repeat") or {}
    return (
        " ".join((dosage.get("text") or "").split()),
        concept(dosage.get("route")),
        quantity(rate.get("doseQuantity")),
        per_time(repeat),
        tuple(repeat.get("when") or ()),
        bool(dosage.get("asNeededBoolean") or dosage.get("asNeededCodeableConcept")),
    )


def essentials(resource: Json) -> list[Any]:
    """What of the resource must come back: usually one item, of an observation with components one for each."""
    kind = resource["resourceType"]
    r = resource
    match kind:
        case "AllergyIntolerance":
            refuted = _status(r.get("verificationStatus")) == "refuted"
            reactions = tuple(
                sorted(
                    str((concept(what), each.get("severity")))
                    for each in r.get("reaction") or ()
                    for what in each.get("manifestation") or ()
                )
            )
            none = "No known" in str(concept(r.get("code")))
            return [
                (
                    kind, concept(r.get("code")), refuted, _status(r.get("clinicalStatus")) or "active",
                    None if none else allergy_kind(r), r.get("criticality"), moment(r.get("onsetDateTime")),
                    reactions, _notes(r),
                )
            ]  # fmt: skip
        case "Condition":
            refuted = _status(r.get("verificationStatus")) == "refuted"
            state = _status(r.get("clinicalStatus")) or "active"
            return [
                (
                    kind, concept(r.get("code")), refuted, "recurrence" if state == "relapse" else state,
                    moment(r.get("onsetDateTime")), moment(r.get("abatementDateTime")),
                    concepts(r.get("bodySite")), moment(r.get("recordedDate")), _notes(r),
                )
            ]  # fmt: skip
        case "MedicationStatement" | "MedicationRequest":
            return [
                (
                    kind, concept(r.get("medicationCodeableConcept")), r.get("status"), _dosage(r),
                    _time(r, "effective") if kind == "MedicationStatement" else moment(r.get("authoredOn")),
                    concepts(r.get("reasonCode")), _notes(r),
                )
            ]  # fmt: skip
        case "MedicationDispense":
            status = r.get("status")
            return [
                (
                    kind, concept(r.get("medicationCodeableConcept")),
                    "cancelled" if status == "declined" else status, quantity(r.get("quantity")),
                    moment(r.get("whenHandedOver")), len(r.get("authorizingPrescription") or ()), _notes(r),
                )
            ]  # fmt: skip
        case "MedicationAdministration":
            dosage = r.get("dosage") or {}
            return [
                (
                    kind, concept(r.get("medicationCodeableConcept")), r.get("status"), _time(r, "effective"),
                    " ".join((dosage.get("text") or "").split()), concept(dosage.get("route")),
                    concept(dosage.get("site")), quantity(dosage.get("dose")), quantity(dosage.get("rateQuantity")),
                    concepts(r.get("reasonCode")), _notes(r),
                )
            ]  # fmt: skip
        case "Immunization":
            return [
                (
                    kind, concept(r.get("vaccineCode")), r.get("status"), moment(r.get("occurrenceDateTime")),
                    r.get("lotNumber"), quantity(r.get("doseQuantity")), concept(r.get("route")),
                    concept(r.get("site")), concept(r.get("statusReason")), _notes(r),
                )
            ]  # fmt: skip
        case "Procedure":
            return [
                (
                    kind, concept(r.get("code")), r.get("status"), _time(r, "performed"),
                    concepts(r.get("bodySite")), concepts(r.get("reasonCode")), _notes(r),
                )
            ]  # fmt: skip
        case "Observation":
            return [(kind, *_observation(part, r)) for part, _ in parts_of(r)]
        case "DiagnosticReport":
            status = r.get("status")
            return [
                (
                    kind, concept(r.get("code")), _SAME.get(status, status), _time(r, "effective"),
                    len(r.get("result") or ()),
                )
            ]  # fmt: skip
        case "Encounter":
            period = r.get("period") or {}
            status = r.get("status")
            return [
                (
                    kind, (r.get("class") or {}).get("code"), concepts(r.get("type")),
                    status if status in ("finished", "in-progress", "cancelled") else None,
                    moment(period.get("start")), moment(period.get("end")),
                )
            ]  # fmt: skip
        case "Appointment":
            what = next(iter(r.get("serviceType") or ()), None)
            return [(kind, concept(what), r.get("status"), moment(r.get("start")), moment(r.get("end")))]
        case "Coverage":
            period = r.get("period") or {}
            return [
                (
                    kind, concept(r.get("type")),
                    next((each.get("display") for each in r.get("payor") or ()), None),
                    r.get("subscriberId"), moment(period.get("start")), moment(period.get("end")), r.get("order"),
                )
            ]  # fmt: skip
    return []


def gathered(resources: Iterable[Json]) -> Counter[str]:
    """All essentials, counted."""
    return Counter(repr(each) for resource in resources for each in essentials(resource))
