"""Medications, their orders and supplies, and immunizations.

A medication activity that took place (EVN) is a MedicationStatement, in the section of what was administered a
MedicationAdministration; one that is intended is a MedicationRequest. After HL7's C-CDA on FHIR mappings.
"""

from __future__ import annotations

from .mapping import Json, Mapping, NotCoded, code_of, negated, status_of, templates, without_empty
from .systems import SNOMED
from .tree import Element
from .values import coded, interval_of, number_of, period_of, quantity, range_of, ratio, said, xsi_type

_STATEMENT = {
    "active": "active", "completed": "completed", "aborted": "stopped", "suspended": "on-hold", "held": "on-hold",
    "cancelled": "stopped", "nullified": "entered-in-error", "new": "active",
}  # fmt: skip
_REQUEST = {
    "active": "active", "completed": "completed", "aborted": "stopped", "suspended": "on-hold", "held": "on-hold",
    "cancelled": "cancelled", "nullified": "entered-in-error", "new": "draft",
}  # fmt: skip
_ADMINISTRATION = {
    "active": "in-progress", "completed": "completed", "aborted": "stopped", "suspended": "on-hold",
    "held": "on-hold", "cancelled": "not-done", "nullified": "entered-in-error",
}  # fmt: skip
_DISPENSE = {
    "active": "in-progress", "completed": "completed", "aborted": "stopped", "cancelled": "cancelled",
    "held": "on-hold", "nullified": "entered-in-error", "new": "preparation",
}  # fmt: skip
INTENTS = {"RQO": "order", "INT": "plan", "PRP": "proposal", "PRMS": "plan", "ARQ": "proposal", "APT": "plan"}
_PERIOD_UNITS = {
    "s": "s", "min": "min", "h": "h", "hr": "h", "d": "d", "day": "d", "wk": "wk", "w": "wk", "mo": "mo", "a": "a",
    "y": "a", "hour": "h", "week": "wk", "month": "mo",
}  # fmt: skip
_WHEN = frozenset(
    [
        "HS",
        "WAKE",
        "C",
        "CM",
        "CD",
        "CV",
        "AC",
        "ACM",
        "ACD",
        "ACV",
        "PC",
        "PCM",
        "PCD",
        "PCV",
        "MORN",
        "AFT",
        "EVE",
        "NIGHT",
        "PHS",
        "IMD",
        "ICM",
        "ICD",
        "ICV",
    ]
)
_WHEN_FROM = {"IC": "C", "ICM": "CM", "ICD": "CD", "ICV": "CV"}


def product_of(mapping: Mapping, statement: Element) -> tuple[Json | None, Element | None]:
    """What was given: the code or words of the material, and the manufactured product."""
    holder = statement.find("consumable")
    if holder is None:
        holder = statement.find("product")
    product = holder.find("manufacturedProduct") if holder is not None else None
    if product is None:
        return None, None
    material = product.find("manufacturedMaterial")
    if material is None:
        material = product.find("manufacturedLabeledDrug")
    if material is None:
        return None, product
    name = material.find("name")
    words = mapping.text(name) if name is not None else ""
    return mapping.concept(material.find("code"), said(words)), product


def map_medication(mapping: Mapping, statement: Element, *, administered: bool = False) -> bool:
    """A medication activity with the supplies within it; whether it was one."""
    what, _ = product_of(mapping, statement)
    mood = (statement.get("moodCode") or "EVN").strip()
    no = negated(statement)
    if what is None:
        if no:
            what = {**coded(SNOMED, "787481004", "No known medications"), "text": "No known medications"}
        elif words := _name_in(mapping, statement):
            what = {"text": words}
        else:
            raise NotCoded("A medication names neither a code nor words.")
    dosage, taken = _dosage(mapping, statement)
    recorded, by = mapping.written(statement)
    reasons = mapping.indication(statement)
    notes = mapping.comments(statement)
    order: Json | None = None
    if mood in INTENTS:
        order = _request(mapping, statement, what, dosage, recorded, by, reasons, notes, INTENTS[mood])
    elif administered:
        said_unknown = statement.find("statusCode[@nullFlavor]") is not None
        status = _ADMINISTRATION.get(status_of(statement), "unknown" if said_unknown else "completed")
        dose = without_empty(
            [
                ("text", dosage.get("text")),
                ("site", dosage.get("site")),
                ("route", dosage.get("route")),
                ("dose", (dosage.get("doseAndRate") or [{}])[0].get("doseQuantity")),
                ("rateQuantity", (dosage.get("doseAndRate") or [{}])[0].get("rateQuantity")),
            ]
        )
        elements = without_empty(
            [
                ("status", "not-done" if no else status),
                ("medicationCodeableConcept", what),
                ("subject", mapping.patient),
                ("context", mapping.encounter),
                *(taken or {"effectiveDateTime": recorded}).items(),
                ("performer", [{"actor": who} for who in mapping.performers(statement) if "reference" in who]),
                ("reasonCode", reasons),
                ("note", notes),
                ("dosage", dose if set(dose) - {"text"} or dose else None),
            ]
        )
        if "effectiveDateTime" not in elements and "effectivePeriod" not in elements:
            # R4 asks when it was given; a document that does not say makes a statement, no administration.
            _statement(mapping, statement, what, dosage, taken, recorded, by, reasons, notes, no=no)
        else:
            mapping.put_entry("MedicationAdministration", statement, elements)
    else:
        _statement(mapping, statement, what, dosage, taken, recorded, by, reasons, notes, no=no)
    for each in mapping.related(statement):
        if each.tag == "supply":
            map_supply(mapping, each, what, order)
    return True


def _name_in(mapping: Mapping, statement: Element) -> str:
    """The name of a medicine from the text it points at: of a row of a table, the first cell with words."""
    words = mapping.words_of(statement)
    first = next((part.strip() for line in words.split("\n") for part in line.split("|") if part.strip()), "")
    return first[:500]


def _statement(
    mapping: Mapping, statement: Element, what: Json, dosage: Json, taken: Json, recorded: str | None,
    by: Json | None, reasons: list[Json], notes: list[Json], *, no: bool,
) -> None:  # fmt: skip
    status = _STATEMENT.get(status_of(statement), "unknown")
    if no:
        status = "not-taken" if "787481004" not in str(what) else "active"
    elements = without_empty(
        [
            ("status", status),
            ("medicationCodeableConcept", what),
            ("subject", mapping.patient),
            *taken.items(),
            ("dateAsserted", recorded),
            (
                "informationSource",
                by if by and "Device/" not in by.get("reference", "") and "reference" in by else None,
            ),
            ("reasonCode", reasons),
            ("note", notes),
            ("dosage", [dosage] if dosage else None),
        ]
    )
    mapping.put_entry("MedicationStatement", statement, elements)


def _request(
    mapping: Mapping, statement: Element, what: Json, dosage: Json, recorded: str | None, by: Json | None,
    reasons: list[Json], notes: list[Json], intent: str,
) -> Json | None:  # fmt: skip
    elements = without_empty(
        [
            ("status", _REQUEST.get(status_of(statement), "unknown")),
            ("intent", intent),
            ("doNotPerform", True if negated(statement) else None),
            ("medicationCodeableConcept", what),
            ("subject", mapping.patient),
            ("encounter", mapping.encounter),
            ("authoredOn", recorded),
            ("requester", by if by and "reference" in by else None),
            ("reasonCode", reasons),
            ("note", notes),
            ("dosageInstruction", [dosage] if dosage else None),
        ]
    )
    return mapping.put_entry("MedicationRequest", statement, elements)


def _dosage(mapping: Mapping, statement: Element) -> tuple[Json, Json]:
    """How it is taken (Dosage), and from when to when (``effectiveDateTime`` or ``effectivePeriod``)."""
    repeat: Json = {}
    taken: Json = {}
    timing: Json = {}
    for each in statement.findall("effectiveTime"):
        kind = xsi_type(each)
        if kind == "PIVL_TS" or (each.find("period") is not None and kind != "EIVL_TS"):
            _periodic(each, repeat)
        elif kind == "EIVL_TS" or each.find("event") is not None:
            _eventual(each, repeat)
        elif kind in ("SXPR_TS", "SXCM_TS") and each.find("comp") is not None:
            for inner in each.findall("comp"):
                if inner.find("period") is not None:
                    _periodic(inner, repeat)
                elif inner.find("event") is not None:
                    _eventual(inner, repeat)
                else:
                    taken = taken or mapping.choice("effective", inner)
        elif not taken:
            taken = mapping.choice("effective", each)
    words = ""
    patient_words = ""
    for each in mapping.related(statement):
        kinds = templates(each)
        if "2.16.840.1.113883.10.20.22.4.147" in kinds or code_of(each) == "76662-6":
            words = words or said(mapping.words_of(each))
        elif "2.16.840.1.113883.10.20.22.4.20" in kinds or code_of(each) in ("PINSTRUCT", "FINSTRUCT"):
            patient_words = patient_words or said(mapping.words_of(each))
    if not words and statement.find("text") is not None and statement.find("text/reference") is None:
        words = said(mapping.words_of(statement))
    if repeat:
        timing["repeat"] = repeat
    rate: Json = {}
    dose = statement.find("doseQuantity")
    if dose is not None:
        if found_dose := quantity(dose):
            rate["doseQuantity"] = found_dose
        elif dose_range := range_of(dose):
            rate["doseRange"] = dose_range
        elif amount := f"{said(dose.get('value'))} {said(dose.get('unit'))}".strip() if dose.get("value") else "":
            # "1-2 tablets" is no number, and must not be lost.
            words = f"{words} (dose: {amount})" if words else f"Dose: {amount}"
    pace = statement.find("rateQuantity")
    if pace is not None:
        if found_rate := quantity(pace):
            rate["rateQuantity"] = found_rate
        elif rate_range := range_of(pace):
            rate["rateRange"] = rate_range
        elif amount := f"{said(pace.get('value'))} {said(pace.get('unit'))}".strip() if pace.get("value") else "":
            words = f"{words} (rate: {amount})" if words else f"Rate: {amount}"
    site = next((found for each in statement.findall("approachSiteCode") if (found := mapping.concept(each))), None)
    dosage = without_empty(
        [
            ("text", words),
            ("patientInstruction", patient_words),
            ("timing", timing),
            *_as_needed(mapping, statement),
            ("site", site),
            ("route", mapping.concept(statement.find("routeCode"))),
            ("doseAndRate", [rate] if rate else None),
            ("maxDosePerPeriod", ratio(statement.find("maxDoseQuantity"))),
        ]
    )
    return dosage, taken


def _periodic(element: Element, repeat: Json) -> None:
    """A PIVL_TS as Timing.repeat: once every period, or within the phase's width."""
    period = element.find("period")
    if period is None:
        return
    value, unit = period.get("value"), _PERIOD_UNITS.get((period.get("unit") or "").strip().lower())
    number = number_of(value) if value else None
    if number is None:
        low, high = period.find("low"), period.find("high")
        if low is not None and (low_value := low.get("value")) and (number := number_of(low_value)):
            unit = _PERIOD_UNITS.get((low.get("unit") or "").strip().lower())
            if high is not None and (high_value := high.get("value")) and (most := number_of(high_value)):
                repeat["periodMax"] = most
    if number is None or unit is None:
        repeat.pop("periodMax", None)
        return
    repeat |= {"frequency": 1, "period": number, "periodUnit": unit}


def _eventual(element: Element, repeat: Json) -> None:
    """An EIVL_TS as Timing.repeat.when, with the offset in minutes."""
    event = element.find("event")
    code = ((event.get("code") if event is not None else "") or "").strip().upper()
    code = _WHEN_FROM.get(code, code)
    if code not in _WHEN:
        return
    if code not in repeat.setdefault("when", []):
        repeat["when"].append(code)
    offset = element.find("offset")
    low = offset.find("low") if offset is not None and offset.get("value") is None else offset
    if low is not None and (value := low.get("value")):
        factor = {"min": 1, "h": 60, "d": 1440, "s": 1 / 60}.get(low.get("unit") or "")
        try:
            minutes = abs(round(float(value) * factor)) if factor else 0
        except (ValueError, OverflowError):
            minutes = 0
        if minutes and code[0] not in "C" and minutes < 100_000:
            repeat["offset"] = minutes


def _as_needed(mapping: Mapping, statement: Element) -> list[tuple[str, object]]:
    for each in statement.findall("precondition"):
        criterion = each.find("criterion")
        value = criterion.find("value") if criterion is not None else None
        why = mapping.concept(value) if value is not None else None
        if why is None and criterion is not None and (words := mapping.words_of(criterion)):
            why = {"text": said(words)}
        return [("asNeededCodeableConcept", why)] if why else [("asNeededBoolean", True)]
    return []


def map_supply(mapping: Mapping, statement: Element, what: Json | None = None, order: Json | None = None) -> bool:
    """A supply of a medicine: what was dispensed, or what is ordered to be; whether it was one. ``what`` and
    ``order`` are the medicine, and the MedicationRequest, of the activity it stands in."""
    own, _ = product_of(mapping, statement)
    medicine = own or what
    if medicine is None:
        raise NotCoded("A supply names neither a code nor words.")
    mood = (statement.get("moodCode") or "EVN").strip()
    amount = quantity(statement.find("quantity"))
    point, low, high = interval_of(statement.find("effectiveTime"), mapping.zone)
    repeats = statement.find("repeatNumber")
    count = (repeats.get("value") or "") if repeats is not None else ""
    many = int(count) if count.isascii() and count.isdigit() and len(count) < 5 else None
    if mood in INTENTS:
        at, by = mapping.written(statement)
        order = without_empty(
            [
                # repeatNumber counts the first supply, too.
                ("numberOfRepeatsAllowed", max(0, many - 1) if many else None),
                ("quantity", amount),
                ("validityPeriod", period_of(statement.find("effectiveTime"), mapping.zone)),
            ]
        )
        elements = without_empty(
            [
                ("status", _REQUEST.get(status_of(statement), "unknown")),
                ("intent", "order"),
                ("medicationCodeableConcept", medicine),
                ("subject", mapping.patient),
                ("encounter", mapping.encounter),
                ("authoredOn", at or low or point),
                ("requester", by if by and "reference" in by else None),
                ("dispenseRequest", order),
            ]
        )
        mapping.put_entry("MedicationRequest", statement, elements, "/supply")
        return True
    elements = without_empty(
        [
            ("status", _DISPENSE.get(status_of(statement), "unknown")),
            ("medicationCodeableConcept", medicine),
            ("subject", mapping.patient),
            ("performer", [{"actor": who} for who in mapping.performers(statement) if "reference" in who]),
            ("authorizingPrescription", [order] if order else None),
            ("quantity", amount),
            ("whenHandedOver", high or low or point),
            ("note", mapping.comments(statement)),
        ]
    )
    mapping.put_entry("MedicationDispense", statement, elements)
    return True


def map_immunization(mapping: Mapping, statement: Element) -> bool:
    """An immunization activity as Immunization; one that is planned as a request. Whether it was one."""
    what, product = product_of(mapping, statement)
    mood = (statement.get("moodCode") or "EVN").strip()
    if mood in INTENTS:
        return map_medication(mapping, statement)
    if what is None:
        if words := _name_in(mapping, statement):
            what = {"text": words}
        else:
            raise NotCoded("An immunization names neither a code nor words.")
    no = negated(statement)
    point, low, _ = interval_of(statement.find("effectiveTime"), mapping.zone)
    given = low or point
    lot, maker = "", None
    if product is not None:
        number = product.find("manufacturedMaterial/lotNumberText")
        lot = said("".join(number.itertext())) if number is not None else ""
        maker = mapping.organization(product.find("manufacturerOrganization"))
    state = status_of(statement)
    retracted = state == "nullified"
    recorded, _ = mapping.written(statement)
    elements = without_empty(
        [
            (
                "status",
                "entered-in-error"
                if retracted
                else "not-done"
                if no or state in ("cancelled", "aborted")
                else "completed",
            ),
            ("statusReason", _refusal(mapping, statement) if no else None),
            ("vaccineCode", what),
            ("patient", mapping.patient),
            ("encounter", mapping.encounter),
            ("occurrenceDateTime" if given else "occurrenceString", given or "Not stated"),
            ("recorded", recorded),
            ("manufacturer", maker if maker and "reference" in maker else None),
            ("lotNumber", lot),
            (
                "site",
                next(
                    (site for each in statement.findall("approachSiteCode") if (site := mapping.concept(each))),
                    None,
                ),
            ),
            ("route", mapping.concept(statement.find("routeCode"))),
            ("doseQuantity", quantity(statement.find("doseQuantity"))),
            ("performer", [{"actor": who} for who in mapping.performers(statement) if "reference" in who]),
            ("note", mapping.comments(statement)),
            ("reasonCode", mapping.indication(statement)),
            ("protocolApplied", _series(mapping, statement)),
        ]
    )
    mapping.put_entry("Immunization", statement, elements)
    return True


def _refusal(mapping: Mapping, statement: Element) -> Json | None:
    for each in mapping.related(statement):
        if each.tag == "observation" and (
            "2.16.840.1.113883.10.20.22.4.53" in templates(each) or each.find("code") is not None
        ):
            return mapping.concept(each.find("code"))
    return None


def _series(mapping: Mapping, statement: Element) -> list[Json]:
    for each in mapping.related(statement):
        if each.tag == "observation" and code_of(each) == "30973-2":
            value = each.find("value")
            number = (value.get("value") or "") if value is not None else ""
            if number.isascii() and number.isdigit() and 0 < len(number) < 4 and int(number):
                return [{"doseNumberPositiveInt": int(number)}]
    repeats = statement.find("repeatNumber")
    number = (repeats.get("value") or "") if repeats is not None else ""
    if number.isascii() and number.isdigit() and 0 < len(number) < 4 and int(number):
        return [{"doseNumberPositiveInt": int(number)}]
    return []
