"""Allergies, flags, problems, medications, immunizations, procedures, appointments and coverage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from charthouse.record.chart import (
    UNKNOWN,
    Allergy,
    Appointment,
    Coverage,
    Flag,
    Immunization,
    Medication,
    Problem,
    Procedure,
    When,
)

from .elements import (
    Json,
    amount,
    code,
    concept,
    concepts,
    first,
    first_when,
    items,
    notes,
    reference,
    status_code,
    when,
)
from .item import Item


def detail(**fields: str) -> dict[str, str]:
    """Labelled text in reading order, without what is empty; underscores become spaces."""
    return {name.replace("_", " ").capitalize(): text for name, text in fields.items() if text}


def allergies(found: Iterable[Item]) -> list[Allergy]:
    """AllergyIntolerance, the critical first."""
    rows = []
    for item in found:
        r = item.resource
        reactions = [
            " ".join(
                part
                for part in (
                    concepts(each.get("manifestation")),
                    f"({each['severity']})" if each.get("severity") else "",
                )
                if part
            )
            for each in items(r.get("reaction"))
            if isinstance(each, dict)
        ]
        rows.append(
            Allergy(
                **item.row(),
                title=concept(r.get("code")) or concept(first(r.get("reaction")).get("substance")),
                status=status_code(r.get("clinicalStatus")),
                when=first_when(r, "onsetDateTime", "onsetPeriod", "recordedDate"),
                code=code(r.get("code")),
                kind=", ".join([*map(str, items(r.get("category"))), *([str(r["type"])] if r.get("type") else [])]),
                criticality=str(r.get("criticality") or ""),
                verification=status_code(r.get("verificationStatus")),
                reactions=tuple(each for each in reactions if each),
                detail=detail(note=notes(r.get("note"))),
            )
        )
    order = {"high": 0, "unable-to-assess": 1, "low": 2}
    return sorted(rows, key=lambda row: (order.get(row.criticality, 1), row.title.casefold()))


def flags(found: Iterable[Item]) -> list[Flag]:
    """Flag."""
    return [
        Flag(
            **item.row(),
            title=concept(item.resource.get("code")),
            status=str(item.resource.get("status") or ""),
            when=first_when(item.resource, "period"),
            urgent="safety" in str(item.resource.get("category", "")).casefold(),
        )
        for item in found
    ]


def problems(found: Iterable[Item]) -> list[Problem]:
    """Condition."""
    rows = []
    for item in found:
        r = item.resource
        onset = first_when(r, "onsetDateTime", "onsetPeriod")
        rows.append(
            Problem(
                **item.row(),
                title=concept(r.get("code")),
                status=status_code(r.get("clinicalStatus")),
                when=onset or when(r.get("recordedDate")),
                code=code(r.get("code")),
                verification=status_code(r.get("verificationStatus")),
                category=concepts(r.get("category")),
                onset=onset,
                abated=first_when(r, "abatementDateTime", "abatementPeriod"),
                recorder=reference(r.get("recorder")) or reference(r.get("asserter")),
                detail=detail(
                    severity=concept(r.get("severity")),
                    body_site=concepts(r.get("bodySite")),
                    note=notes(r.get("note")),
                ),
            )
        )
    return rows


def once(rows: Iterable[Problem]) -> list[Problem]:
    """Each problem once, by its code or else its words, in the order given: a confirmed row before others."""
    kept: dict[tuple[str, str], Problem] = {}
    for row in rows:
        key = (row.code.system, row.code.value) if row.code else ("", " ".join(row.title.casefold().split()))
        before = kept.get(key)
        if before is None or (row.verification == "confirmed" and before.verification != "confirmed"):
            kept[key] = row
    return list(kept.values())


_MEDICATION_KINDS = {
    "MedicationRequest": "Order",
    "MedicationStatement": "Statement",
    "MedicationDispense": "Dispensing",
    "MedicationAdministration": "Administration",
}


def medications(found: Iterable[Item], named: dict[str, str]) -> list[Medication]:
    """Orders, statements, dispensings and administrations. ``named`` gives the names of Medication resources by
    their ``Type/id``."""
    rows = []
    for item in found:
        r = item.resource
        coded = r.get("medicationCodeableConcept")
        pointed = r.get("medicationReference") or {}
        title = concept(coded) or reference(pointed) or named.get(str(pointed.get("reference")), "")
        rows.append(
            Medication(
                **item.row(),
                title=title,
                status=str(r.get("status") or ""),
                when=first_when(
                    r, "authoredOn", "effectiveDateTime", "effectivePeriod", "whenHandedOver", "whenPrepared"
                ),
                code=code(coded),
                kind=_MEDICATION_KINDS.get(item.type, item.type),
                dosage=_dosage(r),
                prescriber=reference(r.get("requester"))
                or reference([first(each).get("actor") or {} for each in items(r.get("performer"))]),
                reason=concepts(r.get("reasonCode")) or reference(r.get("reasonReference")),
                end=_end(r.get("effectivePeriod")),
                detail=detail(intent=str(r.get("intent") or ""), note=notes(r.get("note"))),
            )
        )
    return rows


def _end(period: Any) -> When:
    return when(period.get("end")) if isinstance(period, dict) else UNKNOWN


def _dosage(resource: Json) -> str:
    """The instructions in words: the text given, else dose, route and timing."""
    found = []
    for each in items(resource.get("dosageInstruction") or resource.get("dosage")):
        if not isinstance(each, dict):
            continue
        if each.get("text"):
            found.append(str(each["text"]))
            continue
        dose = amount(first(each.get("doseAndRate")).get("doseQuantity")) or amount(each.get("dose"))
        timing = each.get("timing") or {}
        repeat = timing.get("repeat") or {}
        often = concept(timing.get("code")) or (
            f"{repeat['frequency']} \u00d7 per {repeat.get('period', 1)} {repeat.get('periodUnit', '')}".strip()
            if repeat.get("frequency")
            else ""
        )
        needed = "as needed" if each.get("asNeededBoolean") is True or each.get("asNeededCodeableConcept") else ""
        found.append(" ".join(part for part in (dose, concept(each.get("route")), often, needed) if part))
    return "; ".join(each for each in found if each)


def immunizations(found: Iterable[Item]) -> list[Immunization]:
    """Immunization."""
    rows = []
    for item in found:
        r = item.resource
        rows.append(
            Immunization(
                **item.row(),
                title=concept(r.get("vaccineCode")),
                status=str(r.get("status") or ""),
                when=when(r.get("occurrenceDateTime")),
                code=code(r.get("vaccineCode")),
                dose=amount(r.get("doseQuantity")),
                site=" ".join(part for part in (concept(r.get("site")), concept(r.get("route"))) if part),
                lot=str(r.get("lotNumber") or ""),
                performer=reference(
                    [each.get("actor") for each in items(r.get("performer")) if isinstance(each, dict)]
                ),
                reason_not_done=concept(r.get("statusReason")),
                detail=detail(
                    given_at=reference(r.get("location")),
                    manufacturer=reference(r.get("manufacturer")),
                    expires=str(r.get("expirationDate") or ""),
                    note=notes(r.get("note")),
                ),
            )
        )
    return rows


def procedures(found: Iterable[Item]) -> list[Procedure]:
    """Procedure."""
    rows = []
    for item in found:
        r = item.resource
        rows.append(
            Procedure(
                **item.row(),
                title=concept(r.get("code")),
                status=str(r.get("status") or ""),
                when=first_when(r, "performedDateTime", "performedPeriod"),
                code=code(r.get("code")),
                end=_end(r.get("performedPeriod")),
                performer=reference(
                    [each.get("actor") for each in items(r.get("performer")) if isinstance(each, dict)]
                ),
                body_site=concepts(r.get("bodySite")),
                location=reference(r.get("location")),
                reason=concepts(r.get("reasonCode")) or reference(r.get("reasonReference")),
                detail=detail(outcome=concept(r.get("outcome")), note=notes(r.get("note"))),
            )
        )
    return rows


def appointments(found: Iterable[Item]) -> list[Appointment]:
    """Appointment."""
    rows = []
    for item in found:
        r = item.resource
        actors = [
            each["actor"]
            for each in items(r.get("participant"))
            if isinstance(each, dict) and isinstance(each.get("actor"), dict)
        ]
        who = [each for each in actors if "Practitioner" in str(each.get("reference"))]
        where = [each for each in actors if str(each.get("reference", "")).startswith("Location")]
        rows.append(
            Appointment(
                **item.row(),
                title=concept(r.get("appointmentType"))
                or concept(r.get("serviceType"))
                or str(r.get("description") or "Appointment"),
                status=str(r.get("status") or ""),
                when=first_when(r, "start", "requestedPeriod"),
                end=when(r.get("end")),
                practitioner=", ".join(str(each["display"]) for each in who if each.get("display")),
                location=", ".join(str(each["display"]) for each in where if each.get("display")),
                reason=concepts(r.get("reasonCode")) or str(r.get("comment") or ""),
                detail=detail(
                    service=concepts(r.get("serviceCategory")), instructions=str(r.get("patientInstruction") or "")
                ),
            )
        )
    return rows


def coverages(found: Iterable[Item]) -> list[Coverage]:
    """Coverage, the primary first."""
    rows = []
    for item in found:
        r = item.resource
        classes = {
            value: str(each.get("name") or each.get("value") or "")
            for each in items(r.get("class"))
            if isinstance(each, dict)
            for value in [concept(each.get("type")) and first(items(each["type"].get("coding"))).get("code", "")]
        }
        order = r.get("order")
        rows.append(
            Coverage(
                **item.row(),
                title=reference(r.get("payor")) or concept(r.get("type")) or "Coverage",
                status=str(r.get("status") or ""),
                when=first_when(r, "period"),
                payer=reference(r.get("payor")),
                order=order if isinstance(order, int) else None,
                member=str(r.get("subscriberId") or first(r.get("identifier")).get("value") or ""),
                group=classes.get("group", ""),
                plan=classes.get("plan", "") or concept(r.get("type")),
                subscriber=reference(r.get("subscriber")),
                relationship=concept(r.get("relationship")),
                end=_end(r.get("period")),
            )
        )
    return sorted(rows, key=lambda row: (row.order is None, row.order or 0))
