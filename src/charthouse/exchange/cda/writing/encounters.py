"""Procedures, encounters, and what is planned. After the templates of C-CDA R2.1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from charthouse.exchange.cda.systems import ACT_CODE

from .concerns import condition
from .parts import LOINC, SCT, Template, Written, comments, day, notes, related, text_of, when
from .values import (
    Element,
    Json,
    choice,
    code,
    coded,
    codings,
    element,
    ids,
    interval,
    listed,
    null,
    template,
    words,
)

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
            "procedure", words(each.get("code")), status, when(each, "performed"),
            ", ".join(words(site) for site in sites), notes(each),
        )  # fmt: skip
        state = _PROCEDURE_STATUS.get(status)
        activity = element(
            "procedure",
            {"classCode": "PROC", "moodCode": "EVN", "negationInd": "true" if status == "not-done" else None},
            template("2.16.840.1.113883.10.20.22.4.14"),
            template("2.16.840.1.113883.10.20.22.4.14", "2014-06-09"),
            *ids(each),
            coded("code", each.get("code"), reference=mark),
            text_of(mark),
            element("statusCode", {"code": state}) if state else null("statusCode"),
            choice(each, "performed"),
            *(coded("targetSiteCode", site) for site in sites),
        )
        for why in listed(each.get("reasonCode")):
            activity.append(
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
            )
        activity.extend(comments(each))
        made.entries.append(activity)
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
            " to ".join(filter(None, (day(period.get("start")), day(period.get("end"))))),
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
            text_of(mark),
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
            observation, _ = condition(one, f"{mark}-diagnosis{count}")
            activity.append(
                related(
                    "COMP",
                    element(
                        "act",
                        {"classCode": "ACT", "moodCode": "EVN"},
                        template("2.16.840.1.113883.10.20.22.4.80"),
                        template("2.16.840.1.113883.10.20.22.4.80", "2015-08-01"),
                        code("code", "29308-4", LOINC, "Diagnosis"),
                        element("statusCode", {"code": "active"}),
                        related("SUBJ", observation),
                    ),
                )
            )
        made.entries.append(activity)
    return made


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
            day(each.get("start")),
        )  # fmt: skip
        made.entries.append(
            element(
                "encounter",
                {"classCode": "ENC", "moodCode": "INT"},
                template("2.16.840.1.113883.10.20.22.4.40"),
                template("2.16.840.1.113883.10.20.22.4.40", "2014-06-09"),
                *ids(each),
                coded("code", what, reference=mark),
                text_of(mark),
                element("statusCode", {"code": "active"}),
                interval("effectiveTime", each.get("start"), each.get("end")),
            )
        )
    return made
