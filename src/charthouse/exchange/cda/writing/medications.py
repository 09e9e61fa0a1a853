"""Medications and immunizations. After the templates of C-CDA R2.1."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from .parts import ACT, LOINC, SCT, Template, Written, author, comments, day, notes, related, text_of, when
from .values import (
    Element,
    Json,
    amount,
    choice,
    code,
    coded,
    element,
    ids,
    limits,
    listed,
    null,
    number,
    quantity,
    template,
    time,
    words,
)

# Medications

MEDICATIONS = Template(
    (("2.16.840.1.113883.10.20.22.2.1.1", None), ("2.16.840.1.113883.10.20.22.2.1.1", "2014-06-09")),
    "10160-0", "History of medication use", "Medications",
    ("Medication", "Status", "Directions", "Time", "For"), "No information about medications.",
)  # fmt: skip
_MEDICATION_STATUS = {
    "active": "active", "completed": "completed", "stopped": "aborted", "on-hold": "suspended", "draft": "new",
    "cancelled": "cancelled", "not-taken": "completed", "intended": "active",
}  # fmt: skip


def medications(resources: Iterable[Json], dispenses: Iterable[Json] = ()) -> Written:
    """MedicationStatements (EVN) and MedicationRequests (INT) as medication activities; MedicationDispenses as
    supplies within the activity of their order, those of no order that is here by themselves."""
    made = Written(MEDICATIONS.columns)
    of_order: dict[str, list[Json]] = {}
    for each in dispenses:
        orders = [str(one.get("reference") or "") for one in listed(each.get("authorizingPrescription"))]
        of_order.setdefault(orders[0] if orders else "", []).append(each)
    for each in resources:
        request = each.get("resourceType") == "MedicationRequest"
        dosage = next(iter(listed(each.get("dosageInstruction") or each.get("dosage"))), {})
        drug = _drug(each)
        taken = when(each, "effective") or day(each.get("authoredOn"))
        status = str(each.get("status") or "")
        reasons = list(listed(each.get("reasonCode")))
        mark = made.row(
            "medication", words(drug), status, directions(dosage), taken, "; ".join(words(why) for why in reasons)
        )
        not_taken = status == "not-taken" or each.get("doNotPerform") is True
        state = _MEDICATION_STATUS.get(status)
        activity = element(
            "substanceAdministration",
            {
                "classCode": "SBADM",
                "moodCode": "INT" if request else "EVN",
                "negationInd": "true" if not_taken else None,
            },
            template("2.16.840.1.113883.10.20.22.4.16"),
            template("2.16.840.1.113883.10.20.22.4.16", "2014-06-09"),
            *ids(each),
            text_of(mark),
            element("statusCode", {"code": state}) if state else null("statusCode"),
            choice(each, "effective", kind="IVL_TS"),
            *_timing(dosage),
            coded("routeCode", dosage["route"]) if dosage.get("route") else None,
            coded("approachSiteCode", dosage["site"]) if dosage.get("site") else None,
            _dose(dosage),
            _product("consumable", drug, mark),
            author(each.get("authoredOn") or each.get("dateAsserted")),
        )
        activity.extend(_indications(reasons))
        activity.extend(_instructions(dosage, "INT" if request else "EVN"))
        if request:
            for one in of_order.pop(f"MedicationRequest/{each['id']}", ()):
                activity.append(related("REFR", _supply(made, one)))
        activity.extend(comments(each))
        if dosage.get("asNeededBoolean") is True or dosage.get("asNeededCodeableConcept"):
            needed = dosage.get("asNeededCodeableConcept")
            activity.append(
                element(
                    "precondition",
                    {"typeCode": "PRCN"},
                    element(
                        "criterion",
                        None,
                        template("2.16.840.1.113883.10.20.22.4.25"),
                        template("2.16.840.1.113883.10.20.22.4.25", "2014-06-09"),
                        code("code", "ASSERTION", ACT),
                        coded("value", needed, kind="CD") if needed else null("value", **{"xsi:type": "CD"}),
                    ),
                )
            )
        made.entries.append(activity)
    made.entries.extend(_supply(made, each) for held in of_order.values() for each in held)
    return made


def _drug(resource: Json) -> Json:
    found: Json = resource.get("medicationCodeableConcept") or {
        "text": str((resource.get("medicationReference") or {}).get("display") or "")
    }
    return found


def _product(tag: str, drug: Json, mark: str) -> Element:
    return element(
        tag,
        None,
        element(
            "manufacturedProduct",
            {"classCode": "MANU"},
            template("2.16.840.1.113883.10.20.22.4.23"),
            template("2.16.840.1.113883.10.20.22.4.23", "2014-06-09"),
            element("manufacturedMaterial", None, coded("code", drug, reference=mark)),
        ),
    )


def _indications(reasons: Iterable[Json]) -> list[Element]:
    return [
        related(
            "RSON",
            element(
                "observation",
                {"classCode": "OBS", "moodCode": "EVN"},
                template("2.16.840.1.113883.10.20.22.4.19"),
                template("2.16.840.1.113883.10.20.22.4.19", "2014-06-09"),
                null("id", "NI"),
                code("code", "404684003", SCT, "Finding"),
                element("statusCode", {"code": "completed"}),
                coded("value", why, kind="CD"),
            ),
        )
        for why in reasons
    ]


def _instructions(dosage: Json, mood: str) -> list[Element]:
    if not dosage.get("text"):
        return []
    nothing = element("manufacturedProduct", None, element("manufacturedLabeledDrug", {"nullFlavor": "NA"}))
    return [
        related(
            "COMP",
            element(
                "substanceAdministration",
                {"classCode": "SBADM", "moodCode": mood},
                template("2.16.840.1.113883.10.20.22.4.147"),
                code("code", "76662-6", LOINC, "Instructions medication"),
                element("text", None, str(dosage["text"])),
                element("consumable", None, nothing),
            ),
        )
    ]


_DISPENSE_STATUS = {
    "preparation": "new", "in-progress": "active", "completed": "completed", "stopped": "aborted",
    "cancelled": "cancelled", "declined": "cancelled", "on-hold": "held",
}  # fmt: skip


def _supply(made: Written, resource: Json) -> Element:
    """A MedicationDispense as medication dispense, with a row of its own."""
    drug = _drug(resource)
    status = str(resource.get("status") or "")
    at = resource.get("whenHandedOver") or resource.get("whenPrepared")
    given = amount(resource.get("quantity"))
    mark = made.row(
        "dispensed", words(drug), status, f"Dispensed: {given}" if given else "Dispensed", day(at),
        notes(resource),
    )  # fmt: skip
    state = _DISPENSE_STATUS.get(status)
    supply = element(
        "supply",
        {"classCode": "SPLY", "moodCode": "EVN"},
        template("2.16.840.1.113883.10.20.22.4.18"),
        template("2.16.840.1.113883.10.20.22.4.18", "2014-06-09"),
        *ids(resource),
        text_of(mark),
        element("statusCode", {"code": state}) if state else null("statusCode"),
        time("effectiveTime", at),
        quantity("quantity", resource.get("quantity")),
        _product("product", drug, mark),
    )
    supply.extend(comments(resource))
    return supply


ADMINISTERED = Template(
    (("2.16.840.1.113883.10.20.22.2.38", None), ("2.16.840.1.113883.10.20.22.2.38", "2014-06-09")),
    "29549-3", "Medications administered", "Medications administered",
    ("Medication", "Status", "Dose", "Time", "For"), "No information about medications administered.",
)  # fmt: skip
_ADMINISTRATION_STATUS = {
    "in-progress": "active", "completed": "completed", "stopped": "aborted", "on-hold": "suspended",
    "not-done": "completed",
}  # fmt: skip


def administered(resources: Iterable[Json]) -> Written:
    """MedicationAdministrations as medication activities."""
    made = Written(ADMINISTERED.columns)
    for each in resources:
        drug, status = _drug(each), str(each.get("status") or "")
        dosage: Json = each.get("dosage") or {}
        reasons = list(listed(each.get("reasonCode")))
        dose = " ".join(filter(None, (amount(dosage.get("dose")), words(dosage.get("route")))))
        mark = made.row(
            "administered", words(drug), status, str(dosage.get("text") or dose), when(each, "effective"),
            "; ".join(words(why) for why in reasons),
        )  # fmt: skip
        state = _ADMINISTRATION_STATUS.get(status)
        activity = element(
            "substanceAdministration",
            {"classCode": "SBADM", "moodCode": "EVN", "negationInd": "true" if status == "not-done" else None},
            template("2.16.840.1.113883.10.20.22.4.16"),
            template("2.16.840.1.113883.10.20.22.4.16", "2014-06-09"),
            *ids(each),
            text_of(mark),
            element("statusCode", {"code": state}) if state else null("statusCode"),
            choice(each, "effective", kind="IVL_TS"),
            coded("routeCode", dosage["route"]) if dosage.get("route") else None,
            coded("approachSiteCode", dosage["site"]) if dosage.get("site") else None,
            quantity("doseQuantity", dosage.get("dose")),
            quantity("rateQuantity", dosage.get("rateQuantity")),
            _product("consumable", drug, mark),
        )
        activity.extend(_indications(reasons))
        activity.extend(_instructions(dosage, "EVN"))
        activity.extend(comments(each))
        made.entries.append(activity)
    return made


def directions(dosage: Json) -> str:
    """How it is taken, in words."""
    if dosage.get("text"):
        return str(dosage["text"])
    rate = next(iter(listed(dosage.get("doseAndRate"))), {})
    timing = dosage.get("timing") or {}
    repeat = timing.get("repeat") or {}
    often = words(timing.get("code"))
    if not often and repeat.get("period"):
        often = (
            f"{repeat.get('frequency', 1)} × per {number(repeat['period'])} {repeat.get('periodUnit', '')}".strip()
        )
    return " ".join(filter(None, (amount(rate.get("doseQuantity")), words(dosage.get("route")), often)))


def per_time(repeat: Json) -> tuple[Decimal, str] | None:
    """The time between two doses: the number and its unit; None where it is not said."""
    period, unit = number(repeat.get("period")), repeat.get("periodUnit")
    times = repeat.get("frequency", 1)
    if period is None or not unit or not isinstance(times, int) or times < 1 or not Decimal(period):
        return None
    between = Decimal(period) / times
    if between == between.to_integral_value() or times == 1:
        return between, str(unit)
    smaller = {"d": ("h", 24), "wk": ("d", 7), "h": ("min", 60), "a": ("mo", 12)}.get(str(unit))
    if smaller:
        finer = Decimal(period) * smaller[1] / times
        if finer == finer.to_integral_value():
            return finer, smaller[0]
    return round(between, 4), str(unit)


def _timing(dosage: Json) -> list[Element]:
    repeat = (dosage.get("timing") or {}).get("repeat") or {}
    found = []
    if between := per_time(repeat):
        found.append(
            element(
                "effectiveTime",
                {"xsi:type": "PIVL_TS", "operator": "A"},
                element("period", {"value": format(between[0], "f"), "unit": between[1]}),
            )
        )
    found.extend(
        element("effectiveTime", {"xsi:type": "EIVL_TS", "operator": "A"}, element("event", {"code": str(event)}))
        for event in repeat.get("when") or ()
    )
    return found


def _dose(dosage: Json) -> Element | None:
    rate = next(iter(listed(dosage.get("doseAndRate"))), {})
    found = quantity("doseQuantity", rate.get("doseQuantity"))
    return found if found is not None else limits("doseQuantity", rate.get("doseRange"))


# Immunizations

IMMUNIZATIONS = Template(
    (("2.16.840.1.113883.10.20.22.2.2.1", None), ("2.16.840.1.113883.10.20.22.2.2.1", "2015-08-01")),
    "11369-6", "History of immunizations", "Immunizations",
    ("Vaccine", "Status", "Date", "Lot", "Notes"), "No information about immunizations.",
)  # fmt: skip


def immunizations(resources: Iterable[Json]) -> Written:
    """Immunizations as immunization activities."""
    made = Written(IMMUNIZATIONS.columns)
    for each in resources:
        not_done = each.get("status") == "not-done"
        mark = made.row(
            "immunization", words(each.get("vaccineCode")), str(each.get("status") or ""),
            day(each.get("occurrenceDateTime")), str(each.get("lotNumber") or ""),
            "; ".join(filter(None, (words(each.get("statusReason")), notes(each)))),
        )  # fmt: skip
        maker = (each.get("manufacturer") or {}).get("display")
        activity = element(
            "substanceAdministration",
            {"classCode": "SBADM", "moodCode": "EVN", "negationInd": "true" if not_done else "false"},
            template("2.16.840.1.113883.10.20.22.4.52"),
            template("2.16.840.1.113883.10.20.22.4.52", "2015-08-01"),
            *ids(each),
            text_of(mark),
            element("statusCode", {"code": "completed"}),
            time("effectiveTime", each.get("occurrenceDateTime")),
            coded("routeCode", each["route"]) if each.get("route") else None,
            coded("approachSiteCode", each["site"]) if each.get("site") else None,
            quantity("doseQuantity", each.get("doseQuantity")),
            element(
                "consumable",
                None,
                element(
                    "manufacturedProduct",
                    {"classCode": "MANU"},
                    template("2.16.840.1.113883.10.20.22.4.54"),
                    template("2.16.840.1.113883.10.20.22.4.54", "2014-06-09"),
                    element(
                        "manufacturedMaterial",
                        None,
                        coded("code", each.get("vaccineCode"), reference=mark),
                        element("lotNumberText", None, str(each["lotNumber"])) if each.get("lotNumber") else None,
                    ),
                    element("manufacturerOrganization", None, element("name", None, str(maker))) if maker else None,
                ),
            ),
            author(each.get("recorded")),
        )
        number_of_dose = next(
            (
                one["doseNumberPositiveInt"]
                for one in listed(each.get("protocolApplied"))
                if one.get("doseNumberPositiveInt")
            ),
            None,
        )
        if number_of_dose:
            activity.append(
                related(
                    "COMP",
                    element(
                        "observation",
                        {"classCode": "OBS", "moodCode": "EVN"},
                        template("2.16.840.1.113883.10.20.22.4.118"),
                        code("code", "30973-2", LOINC, "Dose number"),
                        element("statusCode", {"code": "completed"}),
                        element("value", {"xsi:type": "INT", "value": str(number_of_dose)}),
                    ),
                )
            )
        if not_done and each.get("statusReason"):
            activity.append(
                related(
                    "RSON",
                    element(
                        "observation",
                        {"classCode": "OBS", "moodCode": "EVN"},
                        template("2.16.840.1.113883.10.20.22.4.53"),
                        null("id", "NI"),
                        coded("code", each["statusReason"]),
                        element("statusCode", {"code": "completed"}),
                    ),
                )
            )
        activity.extend(comments(each))
        made.entries.append(activity)
    return made
