"""The sections of a document: a table for people, and the same as entries. After the templates of C-CDA R2.1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from charthouse.exchange.cda.systems import ACT_CODE, SNOMED

from .values import (
    Element,
    Json,
    amount,
    choice,
    code,
    coded,
    codings,
    element,
    ids,
    interval,
    limits,
    listed,
    null,
    number,
    quantity,
    template,
    time,
    timestamp,
    words,
)

_LOINC = "2.16.840.1.113883.6.1"
_SCT = "2.16.840.1.113883.6.96"
_ACT = "2.16.840.1.113883.5.4"


@dataclass(slots=True)
class Written:
    """A section as it comes together: the rows of its table, and its entries."""

    columns: tuple[str, ...]
    rows: list[tuple[str, str, list[str | Element]]] = field(default_factory=list)
    """The ID of the first cell, its words, and the other cells."""
    entries: list[Element] = field(default_factory=list)

    def row(self, prefix: str, first: str, *cells: str | Element) -> str:
        """Add a row; answers the ID of its first cell."""
        mark = f"{prefix}{len(self.rows) + 1}"
        self.rows.append((mark, first, list(cells)))
        return mark


@dataclass(frozen=True, slots=True)
class Template:
    """A section's templates, code and title, and what its table is headed by."""

    roots: tuple[tuple[str, str | None], ...]
    loinc: str
    display: str
    title: str
    columns: tuple[str, ...]
    nothing: str


def section(what: Template, written: Written, *, statement: str = "") -> Element:
    """The section with its text and entries; one without either says that there is no information."""
    empty = not written.rows and not statement
    made = element("section", {"nullFlavor": "NI" if empty else None})
    for root, extension in what.roots:
        made.append(template(root, extension))
    made.append(code("code", what.loinc, _LOINC, what.display))
    made.append(element("title", None, what.title))
    text = element("text")
    if statement:
        for paragraph in statement.split("\n"):
            if paragraph.strip():
                text.append(element("paragraph", None, paragraph))
    if written.rows:
        head = element("tr", None, *(element("th", None, column) for column in written.columns))
        body = element("tbody")
        for mark, first, others in written.rows:
            body.append(
                element(
                    "tr",
                    None,
                    element(
                        "td",
                        None,
                        element("content", {"ID": mark}, first or "Not stated"),
                    ),
                    *(element("td", None, cell) for cell in others),
                )
            )
        text.append(element("table", None, element("thead", None, head), body))
    elif empty:
        text.append(element("paragraph", None, what.nothing))
    made.append(text)
    for each in written.entries:
        made.append(element("entry", {"typeCode": "DRIV"}, each))
    return element("component", None, made)


# What entries share


def _text(mark: str) -> Element:
    return element("text", None, element("reference", {"value": f"#{mark}"}))


def _related(kind: str, inner: Element, *, inverted: bool = False) -> Element:
    return element("entryRelationship", {"typeCode": kind, "inversionInd": "true" if inverted else None}, inner)


def _author(at: object) -> Element | None:
    """When it was written down."""
    if not timestamp(at):
        return None
    return element(
        "author",
        None,
        template("2.16.840.1.113883.10.20.22.4.119"),
        time("time", at),
        element("assignedAuthor", None, null("id", "NI")),
    )


def _comments(resource: Json) -> list[Element]:
    return [
        _related(
            "SUBJ",
            element(
                "act",
                {"classCode": "ACT", "moodCode": "EVN"},
                template("2.16.840.1.113883.10.20.22.4.64"),
                code("code", "48767-8", _LOINC, "Annotation comment"),
                element("text", None, str(each["text"])),
            ),
            inverted=True,
        )
        for each in listed(resource.get("note"))
        if each.get("text")
    ]


def _notes(resource: Json) -> str:
    return "; ".join(str(each["text"]) for each in listed(resource.get("note")) if each.get("text"))


def _day(fhir: object) -> str:
    """A time for people: the day, and the minute where it is known."""
    text = str(fhir) if isinstance(fhir, str) else ""
    return text[:10] + (f" {text[11:16]}" if len(text) > 15 else "")


def _when(resource: Json, what: str) -> str:
    period = resource.get(f"{what}Period")
    if isinstance(period, dict):
        return " to ".join(filter(None, (_day(period.get("start")), _day(period.get("end")))))
    return _day(resource.get(f"{what}DateTime") or resource.get(f"{what}Instant"))


def _status(concept: object) -> str:
    held = codings(concept)
    return str(held[0]["code"]) if held else ""


_SAID = {
    "active": ("55561003", "Active"), "inactive": ("73425007", "Inactive"), "resolved": ("413322009", "Resolved"),
    "recurrence": ("246455001", "Recurrence"), "relapse": ("246455001", "Recurrence"),
    "remission": ("277022003", "Remission phase"),
}  # fmt: skip


def _status_observation(root: str, extension: str | None, state: str) -> list[Element]:
    if state not in _SAID:
        return []
    value, display = _SAID[state]
    return [
        _related(
            "REFR",
            element(
                "observation",
                {"classCode": "OBS", "moodCode": "EVN"},
                template(root, extension),
                code("code", "33999-4", _LOINC, "Status"),
                element("statusCode", {"code": "completed"}),
                code("value", value, _SCT, display, kind="CD"),
            ),
        )
    ]


_GRADES = {"mild": ("255604002", "Mild"), "moderate": ("6736007", "Moderate"), "severe": ("24484000", "Severe")}


def _severity(value: Element) -> Element:
    return _related(
        "SUBJ",
        element(
            "observation",
            {"classCode": "OBS", "moodCode": "EVN"},
            template("2.16.840.1.113883.10.20.22.4.8", "2014-06-09"),
            code("code", "SEV", _ACT, "Severity"),
            element("statusCode", {"code": "completed"}),
            value,
        ),
        inverted=True,
    )


# Allergies

ALLERGIES = Template(
    (("2.16.840.1.113883.10.20.22.2.6.1", None), ("2.16.840.1.113883.10.20.22.2.6.1", "2015-08-01")),
    "48765-2", "Allergies and adverse reactions", "Allergies",
    ("Substance", "Status", "Reactions", "Since", "Notes"), "No information about allergies.",
)  # fmt: skip
_ALLERGY_KINDS = {
    ("allergy", "medication"): ("416098002", "Allergy to drug"),
    ("intolerance", "medication"): ("59037007", "Intolerance to drug"),
    ("", "medication"): ("419511003", "Propensity to adverse reactions to drug"),
    ("allergy", "food"): ("414285001", "Allergy to food"),
    ("intolerance", "food"): ("235719002", "Intolerance to food"),
    ("", "food"): ("418471000", "Propensity to adverse reactions to food"),
    ("allergy", "environment"): ("426232007", "Environmental allergy"),
    ("allergy", ""): ("419199007", "Allergy to substance"),
}
_PROPENSITY = ("420134006", "Propensity to adverse reaction")
_NONE_KNOWN = {
    "716186003": ("419199007", "Allergy to substance"),
    "409137002": ("416098002", "Allergy to drug"),
    "429625007": ("414285001", "Allergy to food"),
}
_CRITICALITY = {
    "high": ("CRITH", "High criticality"),
    "low": ("CRITL", "Low criticality"),
    "unable-to-assess": ("CRITU", "Unable to assess criticality"),
}


def allergy_kind(resource: Json) -> tuple[str, str]:
    """The kind of an allergy as C-CDA codes it (SNOMED CT)."""
    category = next(iter(resource.get("category") or ()), "")
    return _ALLERGY_KINDS.get((str(resource.get("type") or ""), str(category)), _PROPENSITY)


def allergies(resources: Iterable[Json]) -> Written:
    """AllergyIntolerances as allergy concerns."""
    made = Written(ALLERGIES.columns)
    for each in resources:
        concept = each.get("code")
        none = next(
            (one["code"] for one in codings(concept) if one.get("system") == SNOMED and one["code"] in _NONE_KNOWN),
            "",
        )
        refuted = _status(each.get("verificationStatus")) == "refuted"
        state = _status(each.get("clinicalStatus")) or "active"
        reactions = [
            ", ".join(words(one) for one in listed(reaction.get("manifestation")))
            + (f" ({reaction['severity']})" if reaction.get("severity") else "")
            for reaction in listed(each.get("reaction"))
        ]
        mark = made.row(
            "allergy", words(concept), "refuted" if refuted else state, "; ".join(reactions),
            _day(each.get("onsetDateTime")), _notes(each),
        )  # fmt: skip
        kind = _NONE_KNOWN.get(none) or allergy_kind(each)
        entity = (
            element("playingEntity", {"classCode": "MMAT"}, null("code", "NA"))
            if none
            else element("playingEntity", {"classCode": "MMAT"}, coded("code", concept, reference=mark))
        )
        observation = element(
            "observation",
            {"classCode": "OBS", "moodCode": "EVN", "negationInd": "true" if none or refuted else None},
            template("2.16.840.1.113883.10.20.22.4.7"),
            template("2.16.840.1.113883.10.20.22.4.7", "2014-06-09"),
            *ids(each),
            code("code", "ASSERTION", _ACT),
            _text(mark),
            element("statusCode", {"code": "completed"}),
            interval("effectiveTime", each.get("onsetDateTime")),
            code("value", kind[0], _SCT, kind[1], kind="CD"),
            _author(each.get("recordedDate")),
            element("participant", {"typeCode": "CSM"}, element("participantRole", {"classCode": "MANU"}, entity)),
        )
        for reaction in listed(each.get("reaction")):
            for manifestation in listed(reaction.get("manifestation")):
                grade = _GRADES.get(str(reaction.get("severity")))
                observation.append(
                    _related(
                        "MFST",
                        element(
                            "observation",
                            {"classCode": "OBS", "moodCode": "EVN"},
                            template("2.16.840.1.113883.10.20.22.4.9"),
                            template("2.16.840.1.113883.10.20.22.4.9", "2014-06-09"),
                            null("id", "NI"),
                            code("code", "ASSERTION", _ACT),
                            element("statusCode", {"code": "completed"}),
                            time("effectiveTime", reaction.get("onset")) if reaction.get("onset") else None,
                            coded("value", manifestation, kind="CD"),
                            _severity(code("value", *_sct(grade), kind="CD")) if grade else None,
                        ),
                        inverted=True,
                    )
                )
        if critical := _CRITICALITY.get(str(each.get("criticality"))):
            observation.append(
                _related(
                    "SUBJ",
                    element(
                        "observation",
                        {"classCode": "OBS", "moodCode": "EVN"},
                        template("2.16.840.1.113883.10.20.22.4.145"),
                        code("code", "82606-5", _LOINC, "Criticality"),
                        element("statusCode", {"code": "completed"}),
                        code("value", critical[0], "2.16.840.1.113883.5.1063", critical[1], kind="CD"),
                    ),
                    inverted=True,
                )
            )
        if not refuted and not none:
            observation.extend(_status_observation("2.16.840.1.113883.10.20.22.4.28", None, state))
        observation.extend(_comments(each))
        made.entries.append(_concern("2.16.840.1.113883.10.20.22.4.30", "2015-08-01", each, state, observation))
    return made


def _sct(pair: tuple[str, str]) -> tuple[str, str, str]:
    return pair[0], _SCT, pair[1]


def _concern(root: str, extension: str, resource: Json, state: str, observation: Element) -> Element:
    active = state in ("active", "recurrence", "relapse")
    return element(
        "act",
        {"classCode": "ACT", "moodCode": "EVN"},
        template(root),
        template(root, extension),
        null("id", "NI"),
        code("code", "CONC", "2.16.840.1.113883.5.6", "Concern"),
        element("statusCode", {"code": "active" if active else "completed"}),
        interval("effectiveTime", resource.get("recordedDate") or resource.get("onsetDateTime")),
        _related("SUBJ", observation),
    )


# Problems

PROBLEMS = Template(
    (("2.16.840.1.113883.10.20.22.2.5.1", None), ("2.16.840.1.113883.10.20.22.2.5.1", "2015-08-01")),
    "11450-4", "Problem list", "Problems",
    ("Problem", "Status", "From", "Until", "Notes"), "No information about problems.",
)  # fmt: skip
DIAGNOSES = Template(
    (("2.16.840.1.113883.10.20.22.2.24", None), ("2.16.840.1.113883.10.20.22.2.24", "2015-08-01")),
    "11535-2", "Hospital discharge diagnosis", "Discharge diagnoses",
    ("Diagnosis", "Status", "From", "Until", "Notes"), "No information about discharge diagnoses.",
)  # fmt: skip


def _condition(resource: Json, mark: str) -> tuple[Element, str]:
    """A Condition as problem observation, and its clinical status."""
    state = _status(resource.get("clinicalStatus")) or "active"
    refuted = _status(resource.get("verificationStatus")) == "refuted"
    observation = element(
        "observation",
        {"classCode": "OBS", "moodCode": "EVN", "negationInd": "true" if refuted else None},
        template("2.16.840.1.113883.10.20.22.4.4"),
        template("2.16.840.1.113883.10.20.22.4.4", "2015-08-01"),
        *ids(resource),
        element(
            "code",
            {"code": "55607006", "codeSystem": _SCT, "displayName": "Problem"},
            element("translation", {"code": "75326-9", "codeSystem": _LOINC, "displayName": "Problem"}),
        ),
        _text(mark),
        element("statusCode", {"code": "completed"}),
        interval("effectiveTime", resource.get("onsetDateTime"), resource.get("abatementDateTime")),
        coded("value", resource.get("code"), kind="CD", reference=mark),
        *(coded("targetSiteCode", site) for site in listed(resource.get("bodySite"))),
        _author(resource.get("recordedDate")),
    )
    if codings(resource.get("severity")):
        observation.append(_severity(coded("value", resource["severity"], kind="CD")))
    if not refuted:
        observation.extend(_status_observation("2.16.840.1.113883.10.20.22.4.6", "2019-06-20", state))
    observation.extend(_comments(resource))
    return observation, state


def _condition_row(made: Written, prefix: str, resource: Json) -> str:
    return made.row(
        prefix, words(resource.get("code")), _status(resource.get("clinicalStatus")),
        _day(resource.get("onsetDateTime")), _day(resource.get("abatementDateTime")), _notes(resource),
    )  # fmt: skip


def problems(resources: Iterable[Json]) -> Written:
    """Conditions as problem concerns."""
    made = Written(PROBLEMS.columns)
    for each in resources:
        observation, state = _condition(each, _condition_row(made, "problem", each))
        made.entries.append(_concern("2.16.840.1.113883.10.20.22.4.3", "2015-08-01", each, state, observation))
    return made


def discharge_diagnoses(resources: Sequence[Json]) -> Written:
    """Conditions as the hospital's discharge diagnoses, in one act."""
    made = Written(DIAGNOSES.columns)
    if not resources:
        return made
    act = element(
        "act",
        {"classCode": "ACT", "moodCode": "EVN"},
        template("2.16.840.1.113883.10.20.22.4.33"),
        template("2.16.840.1.113883.10.20.22.4.33", "2015-08-01"),
        code("code", "11535-2", _LOINC, "Hospital discharge diagnosis"),
        element("statusCode", {"code": "completed"}),
    )
    for each in resources:
        observation, _ = _condition(each, _condition_row(made, "diagnosis", each))
        act.append(_related("SUBJ", observation))
    made.entries.append(act)
    return made


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


def medications(resources: Iterable[Json]) -> Written:
    """MedicationStatements (EVN) and MedicationRequests (INT) as medication activities."""
    made = Written(MEDICATIONS.columns)
    for each in resources:
        request = each.get("resourceType") == "MedicationRequest"
        dosage = next(iter(listed(each.get("dosageInstruction") or each.get("dosage"))), {})
        drug = each.get("medicationCodeableConcept") or {
            "text": str((each.get("medicationReference") or {}).get("display") or "")
        }
        taken = _when(each, "effective") or _day(each.get("authoredOn"))
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
            _text(mark),
            element("statusCode", {"code": state}) if state else null("statusCode"),
            choice(each, "effective", kind="IVL_TS"),
            *_timing(dosage),
            coded("routeCode", dosage["route"]) if dosage.get("route") else None,
            coded("approachSiteCode", dosage["site"]) if dosage.get("site") else None,
            _dose(dosage),
            element(
                "consumable",
                None,
                element(
                    "manufacturedProduct",
                    {"classCode": "MANU"},
                    template("2.16.840.1.113883.10.20.22.4.23"),
                    template("2.16.840.1.113883.10.20.22.4.23", "2014-06-09"),
                    element("manufacturedMaterial", None, coded("code", drug, reference=mark)),
                ),
            ),
            _author(each.get("authoredOn") or each.get("dateAsserted")),
        )
        for why in reasons:
            activity.append(
                _related(
                    "RSON",
                    element(
                        "observation",
                        {"classCode": "OBS", "moodCode": "EVN"},
                        template("2.16.840.1.113883.10.20.22.4.19"),
                        template("2.16.840.1.113883.10.20.22.4.19", "2014-06-09"),
                        null("id", "NI"),
                        code("code", "404684003", _SCT, "Finding"),
                        element("statusCode", {"code": "completed"}),
                        coded("value", why, kind="CD"),
                    ),
                )
            )
        if dosage.get("text"):
            activity.append(
                _related(
                    "COMP",
                    element(
                        "substanceAdministration",
                        {"classCode": "SBADM", "moodCode": "INT" if request else "EVN"},
                        template("2.16.840.1.113883.10.20.22.4.147"),
                        code("code", "76662-6", _LOINC, "Instructions medication"),
                        element("text", None, str(dosage["text"])),
                        element(
                            "consumable",
                            None,
                            element(
                                "manufacturedProduct",
                                None,
                                element("manufacturedLabeledDrug", {"nullFlavor": "NA"}),
                            ),
                        ),
                    ),
                )
            )
        activity.extend(_comments(each))
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
                        code("code", "ASSERTION", _ACT),
                        coded("value", needed, kind="CD") if needed else null("value", **{"xsi:type": "CD"}),
                    ),
                )
            )
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
            _day(each.get("occurrenceDateTime")), str(each.get("lotNumber") or ""),
            "; ".join(filter(None, (words(each.get("statusReason")), _notes(each)))),
        )  # fmt: skip
        maker = (each.get("manufacturer") or {}).get("display")
        activity = element(
            "substanceAdministration",
            {"classCode": "SBADM", "moodCode": "EVN", "negationInd": "true" if not_done else "false"},
            template("2.16.840.1.113883.10.20.22.4.52"),
            template("2.16.840.1.113883.10.20.22.4.52", "2015-08-01"),
            *ids(each),
            _text(mark),
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
            _author(each.get("recorded")),
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
                _related(
                    "COMP",
                    element(
                        "observation",
                        {"classCode": "OBS", "moodCode": "EVN"},
                        template("2.16.840.1.113883.10.20.22.4.118"),
                        code("code", "30973-2", _LOINC, "Dose number"),
                        element("statusCode", {"code": "completed"}),
                        element("value", {"xsi:type": "INT", "value": str(number_of_dose)}),
                    ),
                )
            )
        if not_done and each.get("statusReason"):
            activity.append(
                _related(
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
        activity.extend(_comments(each))
        made.entries.append(activity)
    return made


# Procedures

PROCEDURES = Template(
    (("2.16.840.1.113883.10.20.22.2.7.1", None), ("2.16.840.1.113883.10.20.22.2.7.1", "2014-06-09")),
    "47519-4", "History of procedures", "Procedures",
    ("Procedure", "Status", "Time", "Site", "Notes"), "No information about procedures.",
)  # fmt: skip
_PROCEDURE_STATUS = {
    "completed": "completed", "in-progress": "active", "stopped": "aborted", "on-hold": "suspended",
    "not-done": "completed", "preparation": "new",
}  # fmt: skip


def procedures(resources: Iterable[Json]) -> Written:
    """Procedures as procedure activities."""
    made = Written(PROCEDURES.columns)
    for each in resources:
        status = str(each.get("status") or "")
        sites = list(listed(each.get("bodySite")))
        mark = made.row(
            "procedure", words(each.get("code")), status, _when(each, "performed"),
            ", ".join(words(site) for site in sites), _notes(each),
        )  # fmt: skip
        state = _PROCEDURE_STATUS.get(status)
        activity = element(
            "procedure",
            {"classCode": "PROC", "moodCode": "EVN", "negationInd": "true" if status == "not-done" else None},
            template("2.16.840.1.113883.10.20.22.4.14"),
            template("2.16.840.1.113883.10.20.22.4.14", "2014-06-09"),
            *ids(each),
            coded("code", each.get("code"), reference=mark),
            _text(mark),
            element("statusCode", {"code": state}) if state else null("statusCode"),
            choice(each, "performed"),
            *(coded("targetSiteCode", site) for site in sites),
        )
        for why in listed(each.get("reasonCode")):
            activity.append(
                _related(
                    "RSON",
                    element(
                        "observation",
                        {"classCode": "OBS", "moodCode": "EVN"},
                        template("2.16.840.1.113883.10.20.22.4.19"),
                        template("2.16.840.1.113883.10.20.22.4.19", "2014-06-09"),
                        null("id", "NI"),
                        code("code", "404684003", _SCT, "Finding"),
                        element("statusCode", {"code": "completed"}),
                        coded("value", why, kind="CD"),
                    ),
                )
            )
        activity.extend(_comments(each))
        made.entries.append(activity)
    return made


# Observations

RESULTS = Template(
    (("2.16.840.1.113883.10.20.22.2.3.1", None), ("2.16.840.1.113883.10.20.22.2.3.1", "2015-08-01")),
    "30954-2", "Relevant diagnostic tests and/or laboratory data", "Results",
    ("Test", "Value", "Reference range", "Interpretation", "Time", "Notes"), "No information about results.",
)  # fmt: skip
VITALS = Template(
    (("2.16.840.1.113883.10.20.22.2.4.1", None), ("2.16.840.1.113883.10.20.22.2.4.1", "2015-08-01")),
    "8716-3", "Vital signs", "Vital signs",
    ("Vital sign", "Value", "Reference range", "Interpretation", "Time", "Notes"),
    "No information about vital signs.",
)  # fmt: skip
SOCIAL = Template(
    (("2.16.840.1.113883.10.20.22.2.17", None), ("2.16.840.1.113883.10.20.22.2.17", "2015-08-01")),
    "29762-2", "Social history", "Social history",
    ("Subject", "Value", "Reference range", "Interpretation", "Time", "Notes"),
    "No information about social history.",
)  # fmt: skip
_OBSERVATION_STATUS = {
    "final": "completed", "amended": "completed", "corrected": "completed", "preliminary": "active",
    "registered": "held", "cancelled": "aborted",
}  # fmt: skip


def _observation_row(made: Written, prefix: str, resource: Json, when: Json | None = None) -> str:
    ranges = [_range_words(each) for each in listed(resource.get("referenceRange"))]
    return made.row(
        prefix, words(resource.get("code")), value_words(resource), "; ".join(filter(None, ranges)),
        ", ".join(words(each) for each in listed(resource.get("interpretation"))),
        _when(resource, "effective") or (_when(when, "effective") if when else ""), _notes(resource),
    )  # fmt: skip


def value_words(resource: Json) -> str:
    """The value of an Observation in words."""
    for kind, value in resource.items():
        if not kind.startswith("value"):
            continue
        if kind == "valueQuantity":
            return amount(value)
        if kind == "valueCodeableConcept":
            return words(value)
        if kind == "valueRange":
            return f"{amount(value.get('low'))} – {amount(value.get('high'))}"
        if kind == "valueRatio":
            return f"{amount(value.get('numerator'))} / {amount(value.get('denominator'))}"
        if kind == "valuePeriod":
            return " to ".join(filter(None, (_day(value.get("start")), _day(value.get("end")))))
        if kind == "valueBoolean":
            return "yes" if value else "no"
        if kind == "valueDateTime":
            return _day(value)
        return str(value)
    return words(resource.get("dataAbsentReason"))


def _range_words(each: Json) -> str:
    if each.get("text"):
        return str(each["text"])
    return f"{amount(each.get('low'))} – {amount(each.get('high'))}".strip(" –") if each else ""


def _value(resource: Json) -> Element:
    """value[x] as the value of an observation; unknown where there is none."""
    for kind, value in resource.items():
        match kind:
            case "valueQuantity":
                if (found := quantity("value", value, kind="PQ")) is not None:
                    return found
            case "valueCodeableConcept":
                return coded("value", value, kind="CD")
            case "valueString" | "valueTime":
                return element("value", {"xsi:type": "ST"}, str(value))
            case "valueInteger":
                return element("value", {"xsi:type": "INT", "value": str(value)})
            case "valueBoolean":
                return element("value", {"xsi:type": "BL", "value": "true" if value else "false"})
            case "valueDateTime":
                return time("value", value, **{"xsi:type": "TS"})
            case "valuePeriod":
                return interval("value", value.get("start"), value.get("end"), kind="IVL_TS")
            case "valueRange":
                if (found := limits("value", value, kind="IVL_PQ")) is not None:
                    return found
            case "valueRatio":
                parts = [quantity(part, value.get(part), kind="PQ") for part in ("numerator", "denominator")]
                return element("value", {"xsi:type": "RTO_PQ_PQ"}, *parts)
    flavor = {"asked-unknown": "ASKU", "not-asked": "NASK", "masked": "MSK", "not-applicable": "NA"}
    return null("value", flavor.get(_status(resource.get("dataAbsentReason")), "UNK"), **{"xsi:type": "CD"})


def _observation(
    resource: Json, mark: str, roots: tuple[tuple[str, str | None], ...], own: list[Element]
) -> Element:
    state = _OBSERVATION_STATUS.get(str(resource.get("status") or ""))
    made = element(
        "observation",
        {"classCode": "OBS", "moodCode": "EVN"},
        *(template(*root) for root in roots),
        *own,
        coded("code", resource.get("code"), reference=mark),
        _text(mark),
        element("statusCode", {"code": state}) if state else null("statusCode"),
        choice(resource, "effective"),
        _value(resource),
        *(coded("interpretationCode", each) for each in listed(resource.get("interpretation"))),
        coded("methodCode", resource["method"]) if resource.get("method") else None,
        coded("targetSiteCode", resource["bodySite"]) if resource.get("bodySite") else None,
        _author(resource.get("issued")),
    )
    made.extend(_comments(resource))
    for each in listed(resource.get("referenceRange")):
        ends = limits("value", each, kind="IVL_PQ")
        if ends is not None or each.get("text"):
            said = element("text", None, str(each["text"])) if each.get("text") else None
            made.append(element("referenceRange", None, element("observationRange", None, said, ends)))
    return made


_RESULT = (("2.16.840.1.113883.10.20.22.4.2", None), ("2.16.840.1.113883.10.20.22.4.2", "2015-08-01"))
_VITAL = (("2.16.840.1.113883.10.20.22.4.27", None), ("2.16.840.1.113883.10.20.22.4.27", "2014-06-09"))
_SOCIAL_OBSERVATION = (("2.16.840.1.113883.10.20.22.4.38", None), ("2.16.840.1.113883.10.20.22.4.38", "2015-08-01"))
_SMOKING = (("2.16.840.1.113883.10.20.22.4.78", None), ("2.16.840.1.113883.10.20.22.4.78", "2014-06-09"))
_BIRTH_SEX = (("2.16.840.1.113883.10.20.22.4.200", "2016-06-01"),)


def results(reports: Iterable[Json], observations: Sequence[Json]) -> Written:
    """DiagnosticReports with their Observations as result organizers; an Observation of no report in its own."""
    made = Written(RESULTS.columns)
    by_reference = {f"Observation/{each['id']}": each for each in observations}
    told: set[str] = set()
    for report in reports:
        held = [
            by_reference[str(each["reference"])]
            for each in listed(report.get("result"))
            if str(each.get("reference")) in by_reference and str(each.get("reference")) not in told
        ]
        if held:
            told.update(f"Observation/{each['id']}" for each in held)
            made.entries.append(_organizer(made, report, held))
    for reference, each in by_reference.items():
        if reference not in told:
            made.entries.append(_organizer(made, None, [each]))
    return made


_REPORT_STATUS = {
    "final": "completed", "amended": "completed", "corrected": "completed", "appended": "completed",
    "partial": "active", "preliminary": "active", "registered": "held", "cancelled": "aborted",
}  # fmt: skip


def _organizer(made: Written, report: Json | None, held: Sequence[Json]) -> Element:
    about = report or held[0]
    state = _REPORT_STATUS.get(str(about.get("status") or ""))
    organizer = element(
        "organizer",
        {"classCode": "BATTERY", "moodCode": "EVN"},
        template("2.16.840.1.113883.10.20.22.4.1"),
        template("2.16.840.1.113883.10.20.22.4.1", "2015-08-01"),
        *(ids(report) if report else [null("id", "NI")]),
        coded("code", about.get("code")),
        element("statusCode", {"code": state}) if state else null("statusCode"),
        choice(about, "effective"),
        _author(report.get("issued")) if report else None,
    )
    for each in held:
        mark = _observation_row(made, "result", each, about)
        organizer.append(element("component", None, _observation(each, mark, _RESULT, ids(each))))
    return organizer


def vitals(observations: Iterable[Json]) -> Written:
    """Vital signs as organizers, one for each moment; what has components as an observation for each."""
    made = Written(VITALS.columns)
    moments: dict[str, list[Json]] = {}
    for each in observations:
        moments.setdefault(str(each.get("effectiveDateTime") or each.get("effectivePeriod") or ""), []).append(each)
    for held in moments.values():
        organizer = element(
            "organizer",
            {"classCode": "CLUSTER", "moodCode": "EVN"},
            template("2.16.840.1.113883.10.20.22.4.26"),
            template("2.16.840.1.113883.10.20.22.4.26", "2015-08-01"),
            null("id", "NI"),
            element(
                "code",
                {"code": "46680005", "codeSystem": _SCT, "displayName": "Vital signs"},
                element("translation", {"code": "74728-7", "codeSystem": _LOINC, "displayName": "Vital signs"}),
            ),
            element("statusCode", {"code": "completed"}),
            choice(held[0], "effective"),
        )
        for each in held:
            for part, own in parts_of(each):
                mark = _observation_row(made, "vital", part)
                organizer.append(element("component", None, _observation(part, mark, _VITAL, own)))
        made.entries.append(organizer)
    return made


def parts_of(resource: Json) -> list[tuple[Json, list[Element]]]:
    """An observation, or each of its components as one, with the ids it goes by."""
    components = [
        each for each in listed(resource.get("component")) if any(key.startswith("value") for key in each)
    ]
    whole = any(key.startswith("value") for key in resource)
    found = [(resource, ids(resource))] if whole or not components else []
    shared = {key: value for key, value in resource.items() if key.startswith("effective") or key == "status"}
    found += [({**shared, **each}, [null("id", "NI")]) for each in components]
    return found


def social(observations: Iterable[Json]) -> Written:
    """Social history as observations, smoking status and birth sex by their own templates."""
    made = Written(SOCIAL.columns)
    for each in observations:
        held = {one["code"] for one in codings(each.get("code"))}
        roots = _SMOKING if "72166-2" in held else _BIRTH_SEX if "76689-9" in held else _SOCIAL_OBSERVATION
        mark = _observation_row(made, "social", each)
        made.entries.append(_observation(each, mark, roots, ids(each)))
    return made


# Encounters

ENCOUNTERS = Template(
    (("2.16.840.1.113883.10.20.22.2.22.1", None), ("2.16.840.1.113883.10.20.22.2.22.1", "2015-08-01")),
    "46240-8", "History of encounters", "Encounters",
    ("Encounter", "Status", "Time", "Place", "Diagnoses"), "No information about encounters.",
)  # fmt: skip


def _marked(prefix: str, conditions: Sequence[Json]) -> Element:
    """The names of several conditions in one cell, each with an ID of its own."""
    cell = element("content")
    for place, each in enumerate(conditions, 1):
        if place > 1:
            cell.append(element("br"))
        cell.append(element("content", {"ID": f"{prefix}{place}"}, words(each.get("code"))))
    return cell


_ENCOUNTER_STATUS = {"finished": "completed", "in-progress": "active", "cancelled": "cancelled"}


def encounters(resources: Iterable[Json], diagnoses: Callable[[Json], Sequence[Json]]) -> Written:
    """Encounters as encounter activities, with their diagnoses."""
    made = Written(ENCOUNTERS.columns)
    for each in resources:
        held = diagnoses(each)
        kind = next(iter(listed(each.get("type"))), None)
        class_ = each.get("class") or {}
        known = class_.get("system") == ACT_CODE and class_.get("code")
        concept: Json = {"coding": [*codings(kind), *([class_] if known else [])]}
        if words(kind):
            concept["text"] = words(kind)
        status = str(each.get("status") or "")
        period = each.get("period") or {}
        places = [str((one.get("location") or {}).get("display") or "") for one in listed(each.get("location"))]
        mark = made.row(
            "encounter", words(concept) or "Encounter", status,
            " to ".join(filter(None, (_day(period.get("start")), _day(period.get("end"))))),
            ", ".join(dict.fromkeys(filter(None, places))),
            _marked(f"encounter{len(made.rows) + 1}-diagnosis", held),
        )  # fmt: skip
        state = _ENCOUNTER_STATUS.get(status)
        activity = element(
            "encounter",
            {"classCode": "ENC", "moodCode": "EVN"},
            template("2.16.840.1.113883.10.20.22.4.49"),
            template("2.16.840.1.113883.10.20.22.4.49", "2015-08-01"),
            *ids(each),
            coded("code", concept, reference=mark if concept.get("text") else ""),
            _text(mark),
            element("statusCode", {"code": state}) if state else None,
            interval("effectiveTime", period.get("start"), period.get("end")),
        )
        disposition = (each.get("hospitalization") or {}).get("dischargeDisposition")
        if disposition:
            activity.append(coded("sdtc:dischargeDispositionCode", disposition))
        for place in dict.fromkeys(filter(None, places)):
            activity.append(
                element(
                    "participant",
                    {"typeCode": "LOC"},
                    element(
                        "participantRole",
                        {"classCode": "SDLOC"},
                        template("2.16.840.1.113883.10.20.22.4.32"),
                        null("code"),
                        element("playingEntity", {"classCode": "PLC"}, element("name", None, place)),
                    ),
                )
            )
        for count, one in enumerate(held, 1):
            observation, _ = _condition(one, f"{mark}-diagnosis{count}")
            activity.append(
                _related(
                    "COMP",
                    element(
                        "act",
                        {"classCode": "ACT", "moodCode": "EVN"},
                        template("2.16.840.1.113883.10.20.22.4.80"),
                        template("2.16.840.1.113883.10.20.22.4.80", "2015-08-01"),
                        code("code", "29308-4", _LOINC, "Diagnosis"),
                        element("statusCode", {"code": "active"}),
                        _related("SUBJ", observation),
                    ),
                )
            )
        made.entries.append(activity)
    return made


# Payers

PAYERS = Template(
    (("2.16.840.1.113883.10.20.22.2.18", None), ("2.16.840.1.113883.10.20.22.2.18", "2015-08-01")),
    "48768-6", "Payment sources", "Payers",
    ("Payer", "Kind", "Member number", "From", "Until"), "No information about payers.",
)  # fmt: skip


def payers(resources: Iterable[Json]) -> Written:
    """Coverages as coverage activities."""
    made = Written(PAYERS.columns)
    for each in resources:
        payer = next((str(one["display"]) for one in listed(each.get("payor")) if one.get("display")), "")
        period = each.get("period") or {}
        member = str(each.get("subscriberId") or "")
        mark = made.row(
            "payer", payer, words(each.get("type")), member, _day(period.get("start")), _day(period.get("end"))
        )
        relationship = each.get("relationship")
        policy = element(
            "act",
            {"classCode": "ACT", "moodCode": "EVN"},
            template("2.16.840.1.113883.10.20.22.4.61"),
            template("2.16.840.1.113883.10.20.22.4.61", "2015-08-01"),
            *ids(each),
            coded("code", each.get("type")),
            element("statusCode", {"code": "completed"}),
            element(
                "performer",
                {"typeCode": "PRF"},
                template("2.16.840.1.113883.10.20.22.4.87"),
                element(
                    "assignedEntity",
                    None,
                    null("id", "NI"),
                    code("code", "PAYOR", "2.16.840.1.113883.5.110"),
                    element("representedOrganization", None, element("name", None, payer)) if payer else None,
                ),
            ),
            element(
                "participant",
                {"typeCode": "COV"},
                template("2.16.840.1.113883.10.20.22.4.89"),
                interval("time", period.get("start"), period.get("end")) if period else null("time"),
                element(
                    "participantRole",
                    {"classCode": "PAT"},
                    element("id", {"root": "2.16.840.1.113883.3.117", "extension": member})
                    if member
                    else null("id", "NI"),
                    code("code", _relationship(relationship), "2.16.840.1.113883.5.111")
                    if _relationship(relationship)
                    else null("code"),
                ),
            ),
        )
        made.entries.append(
            element(
                "act",
                {"classCode": "ACT", "moodCode": "EVN"},
                template("2.16.840.1.113883.10.20.22.4.60"),
                template("2.16.840.1.113883.10.20.22.4.60", "2015-08-01"),
                null("id", "NI"),
                code("code", "48768-6", _LOINC, "Payment sources"),
                _text(mark),
                element("statusCode", {"code": "completed"}),
                element(
                    "entryRelationship",
                    {"typeCode": "COMP"},
                    element("sequenceNumber", {"value": str(each["order"])}) if each.get("order") else None,
                    policy,
                ),
            )
        )
    return made


_RELATIONSHIPS = {"self": "SELF", "spouse": "SPS", "child": "CHILD", "parent": "PRN", "other": "FAMDEP"}


def _relationship(concept: object) -> str:
    return _RELATIONSHIPS.get(_status(concept), "")


# Text alone

COURSE = Template(
    (("1.3.6.1.4.1.19376.1.5.3.1.3.5", None),),
    "8648-8", "Hospital course", "Hospital course", (), "No hospital course was recorded.",
)  # fmt: skip
PLAN = Template(
    (("2.16.840.1.113883.10.20.22.2.10", None), ("2.16.840.1.113883.10.20.22.2.10", "2014-06-09")),
    "18776-5", "Plan of treatment", "Plan of treatment",
    ("What", "Status", "Time"), "No information about what is planned.",
)  # fmt: skip


def plan(resources: Iterable[Json]) -> Written:
    """Appointments to come as planned encounters."""
    made = Written(PLAN.columns)
    for each in resources:
        what = next(iter(listed(each.get("serviceType"))), None) or each.get("appointmentType") or {}
        mark = made.row(
            "plan", words(what) or str(each.get("description") or "Appointment"), str(each.get("status") or ""),
            _day(each.get("start")),
        )  # fmt: skip
        made.entries.append(
            element(
                "encounter",
                {"classCode": "ENC", "moodCode": "INT"},
                template("2.16.840.1.113883.10.20.22.4.40"),
                template("2.16.840.1.113883.10.20.22.4.40", "2014-06-09"),
                *ids(each),
                coded("code", what, reference=mark),
                _text(mark),
                element("statusCode", {"code": "active"}),
                interval("effectiveTime", each.get("start"), each.get("end")),
            )
        )
    return made
