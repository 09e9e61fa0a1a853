"""Allergies, problems and discharge diagnoses: what stands in a concern. After the templates of C-CDA R2.1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from charthouse.exchange.cda.systems import SNOMED

from .parts import (
    ACT,
    GRADES,
    LOINC,
    SCT,
    Template,
    Written,
    author,
    comments,
    day,
    notes,
    related,
    severity,
    status_code,
    status_observation,
    text_of,
)
from .values import Element, Json, code, coded, codings, element, ids, interval, listed, null, template, time, words

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
        refuted = status_code(each.get("verificationStatus")) == "refuted"
        state = status_code(each.get("clinicalStatus")) or "active"
        reactions = [
            ", ".join(words(one) for one in listed(reaction.get("manifestation")))
            + (f" ({reaction['severity']})" if reaction.get("severity") else "")
            for reaction in listed(each.get("reaction"))
        ]
        mark = made.row(
            "allergy", words(concept), "refuted" if refuted else state, "; ".join(reactions),
            day(each.get("onsetDateTime")), notes(each),
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
            code("code", "ASSERTION", ACT),
            text_of(mark),
            element("statusCode", {"code": "completed"}),
            interval("effectiveTime", each.get("onsetDateTime")),
            code("value", kind[0], SCT, kind[1], kind="CD"),
            author(each.get("recordedDate")),
            element("participant", {"typeCode": "CSM"}, element("participantRole", {"classCode": "MANU"}, entity)),
        )
        for reaction in listed(each.get("reaction")):
            for manifestation in listed(reaction.get("manifestation")):
                grade = GRADES.get(str(reaction.get("severity")))
                observation.append(
                    related(
                        "MFST",
                        element(
                            "observation",
                            {"classCode": "OBS", "moodCode": "EVN"},
                            template("2.16.840.1.113883.10.20.22.4.9"),
                            template("2.16.840.1.113883.10.20.22.4.9", "2014-06-09"),
                            null("id", "NI"),
                            code("code", "ASSERTION", ACT),
                            element("statusCode", {"code": "completed"}),
                            time("effectiveTime", reaction.get("onset")) if reaction.get("onset") else None,
                            coded("value", manifestation, kind="CD"),
                            severity(code("value", grade[0], SCT, grade[1], kind="CD")) if grade else None,
                        ),
                        inverted=True,
                    )
                )
        if critical := _CRITICALITY.get(str(each.get("criticality"))):
            observation.append(
                related(
                    "SUBJ",
                    element(
                        "observation",
                        {"classCode": "OBS", "moodCode": "EVN"},
                        template("2.16.840.1.113883.10.20.22.4.145"),
                        code("code", "82606-5", LOINC, "Criticality"),
                        element("statusCode", {"code": "completed"}),
                        code("value", critical[0], "2.16.840.1.113883.5.1063", critical[1], kind="CD"),
                    ),
                    inverted=True,
                )
            )
        if not refuted and not none:
            observation.extend(status_observation("2.16.840.1.113883.10.20.22.4.28", None, state))
        observation.extend(comments(each))
        made.entries.append(_concern("2.16.840.1.113883.10.20.22.4.30", "2015-08-01", each, state, observation))
    return made


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
        related("SUBJ", observation),
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


def condition(resource: Json, mark: str) -> tuple[Element, str]:
    """A Condition as problem observation, and its clinical status."""
    state = status_code(resource.get("clinicalStatus")) or "active"
    refuted = status_code(resource.get("verificationStatus")) == "refuted"
    observation = element(
        "observation",
        {"classCode": "OBS", "moodCode": "EVN", "negationInd": "true" if refuted else None},
        template("2.16.840.1.113883.10.20.22.4.4"),
        template("2.16.840.1.113883.10.20.22.4.4", "2015-08-01"),
        *ids(resource),
        element(
            "code",
            {"code": "55607006", "codeSystem": SCT, "displayName": "Problem"},
            element("translation", {"code": "75326-9", "codeSystem": LOINC, "displayName": "Problem"}),
        ),
        text_of(mark),
        element("statusCode", {"code": "completed"}),
        interval("effectiveTime", resource.get("onsetDateTime"), resource.get("abatementDateTime")),
        coded("value", resource.get("code"), kind="CD", reference=mark),
        *(coded("targetSiteCode", site) for site in listed(resource.get("bodySite"))),
        author(resource.get("recordedDate")),
    )
    if codings(resource.get("severity")):
        observation.append(severity(coded("value", resource["severity"], kind="CD")))
    if not refuted:
        observation.extend(status_observation("2.16.840.1.113883.10.20.22.4.6", "2019-06-20", state))
    observation.extend(comments(resource))
    return observation, state


def _condition_row(made: Written, prefix: str, resource: Json) -> str:
    return made.row(
        prefix, words(resource.get("code")), status_code(resource.get("clinicalStatus")),
        day(resource.get("onsetDateTime")), day(resource.get("abatementDateTime")), notes(resource),
    )  # fmt: skip


def problems(resources: Iterable[Json]) -> Written:
    """Conditions as problem concerns."""
    made = Written(PROBLEMS.columns)
    for each in resources:
        observation, state = condition(each, _condition_row(made, "problem", each))
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
        code("code", "11535-2", LOINC, "Hospital discharge diagnosis"),
        element("statusCode", {"code": "completed"}),
    )
    for each in resources:
        observation, _ = condition(each, _condition_row(made, "diagnosis", each))
        act.append(related("SUBJ", observation))
    made.entries.append(act)
    return made
