"""Results, vital signs and social history. After the templates of C-CDA R2.1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .parts import LOINC, SCT, Template, Written, author, comments, day, notes, status_code, text_of, when
from .values import (
    Element,
    Json,
    amount,
    choice,
    coded,
    codings,
    element,
    ids,
    interval,
    limits,
    listed,
    null,
    quantity,
    template,
    time,
    words,
)

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


def _observation_row(made: Written, prefix: str, resource: Json, of: Json | None = None) -> str:
    ranges = [_range_words(each) for each in listed(resource.get("referenceRange"))]
    return made.row(
        prefix, words(resource.get("code")), value_words(resource), "; ".join(filter(None, ranges)),
        ", ".join(words(each) for each in listed(resource.get("interpretation"))),
        when(resource, "effective") or (when(of, "effective") if of else ""), notes(resource),
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
            return " to ".join(filter(None, (day(value.get("start")), day(value.get("end")))))
        if kind == "valueBoolean":
            return "yes" if value else "no"
        if kind == "valueDateTime":
            return day(value)
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
    return null("value", flavor.get(status_code(resource.get("dataAbsentReason")), "UNK"), **{"xsi:type": "CD"})


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
        text_of(mark),
        element("statusCode", {"code": state}) if state else null("statusCode"),
        choice(resource, "effective"),
        _value(resource),
        *(coded("interpretationCode", each) for each in listed(resource.get("interpretation"))),
        coded("methodCode", resource["method"]) if resource.get("method") else None,
        coded("targetSiteCode", resource["bodySite"]) if resource.get("bodySite") else None,
        author(resource.get("issued")),
    )
    made.extend(comments(resource))
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
        author(report.get("issued")) if report else None,
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
                {"code": "46680005", "codeSystem": SCT, "displayName": "Vital signs"},
                element("translation", {"code": "74728-7", "codeSystem": LOINC, "displayName": "Vital signs"}),
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
