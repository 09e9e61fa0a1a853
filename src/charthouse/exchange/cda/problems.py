"""Problems, diagnoses and health concerns as Condition; allergies and intolerances as AllergyIntolerance.

After HL7's C-CDA on FHIR mappings of problems and allergies.
"""

from __future__ import annotations

from collections.abc import Iterator

from .mapping import Json, Mapping, NotCoded, code_of, negated, status_of, templates, without_empty
from .systems import SNOMED
from .tree import Element
from .values import coded, interval_of, is_code, is_ongoing, quantity, xsi_type

_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
_ALLERGY_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_ALLERGY_VERIFIED = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
_US_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/condition-category"
_WORDS = {
    "active": "Active", "inactive": "Inactive", "resolved": "Resolved", "recurrence": "Recurrence",
    "remission": "Remission", "refuted": "Refuted", "confirmed": "Confirmed", "unconfirmed": "Unconfirmed",
    "entered-in-error": "Entered in error",
}  # fmt: skip
_CATEGORIES = {
    "problem-list-item": (_CATEGORY, "Problem list item"),
    "encounter-diagnosis": (_CATEGORY, "Encounter diagnosis"),
    "health-concern": (_US_CATEGORY, "Health concern"),
}
#: The status of a problem or allergy as its status observation codes it (SNOMED CT, and words of old documents).
_SAID = {
    "55561003": "active", "73425007": "inactive", "413322009": "resolved", "246455001": "recurrence",
    "263855007": "active", "277022003": "remission", "90734009": "active", "7087005": "active",
    "255227004": "recurrence",
    "active": "active", "inactive": "inactive", "resolved": "resolved", "chronic": "active",
}  # fmt: skip
_SEVERITIES = {
    "255604002": "mild", "6736007": "moderate", "24484000": "severe", "371923003": "moderate",
    "371924009": "severe",
    "399166001": "severe", "L": "mild", "M": "moderate", "H": "severe",
}  # fmt: skip
_STATUS_TEMPLATES = frozenset(
    {"2.16.840.1.113883.10.20.22.4.6", "2.16.840.1.113883.10.20.22.4.28", "2.16.840.1.113883.10.20.1.50",
     "2.16.840.1.113883.10.20.1.39", "2.16.840.1.113883.10.20.1.57"}
)  # fmt: skip
_SEVERITY_TEMPLATES = frozenset({"2.16.840.1.113883.10.20.22.4.8", "2.16.840.1.113883.10.20.1.55"})
_NO_PROBLEM = ("160245001", "No current problems or disability")


def _status(mapping: Mapping, observation: Element) -> str:
    for each in mapping.related(observation):
        if each.tag == "observation" and (code_of(each) == "33999-4" or templates(each) & _STATUS_TEMPLATES):
            value = each.find("value")
            if value is not None:
                said = _SAID.get((value.get("code") or "").strip()) or _SAID.get(
                    (value.get("displayName") or "").strip().lower()
                )
                if said:
                    return said
    return ""


def _clinical(mapping: Mapping, observation: Element, concern: Element | None) -> str:
    """Whether it is active: as its own status says, else its end, else the concern's state."""
    said = _status(mapping, observation)
    if said:
        return said
    if not is_ongoing(observation.find("effectiveTime")):
        return "resolved"
    if concern is not None:
        if concern.tag == "act" and (own := _status(mapping, concern)):
            return own
        state = status_of(concern)
        if state in ("completed", "suspended"):
            return "resolved" if state == "completed" else "inactive"
        if state in ("aborted", "cancelled"):
            return "inactive"
    return "active"


def observations_of(
    mapping: Mapping, statement: Element, depth: int = 4
) -> Iterator[tuple[Element, Element | None]]:
    """The observations of a concern with the act they stand in, also where acts or organizers are nested oddly."""
    if statement.tag == "observation":
        yield statement, None
        return
    if depth == 0:
        return
    inner = [*mapping.related(statement)]
    for each in statement.findall("component"):
        inner += list(each)
    for each in inner:
        if each.tag == "observation":
            yield each, statement
        elif each.tag in ("act", "organizer"):
            for found, within in observations_of(mapping, each, depth - 1):
                yield found, within or each


def map_problem_entry(mapping: Mapping, statement: Element, category: str) -> bool:
    """A concern, or a bare problem observation, as Conditions; whether there was one."""
    return mapping.each_of(
        (each for each in observations_of(mapping, statement) if not _is_about_another(each[0])),
        lambda each: map_problem(mapping, *each, category) is not None,
    )


def _is_about_another(observation: Element) -> bool:
    """A comment, a status, a severity … beside the problem itself."""
    return bool(
        templates(observation)
        & {
            *_STATUS_TEMPLATES,
            *_SEVERITY_TEMPLATES,
            "2.16.840.1.113883.10.20.22.4.5",
            "2.16.840.1.113883.10.20.22.4.31",
        }
    ) or code_of(observation) in ("33999-4", "11323-3", "SEV", "445518008")


def map_problem(mapping: Mapping, observation: Element, concern: Element | None, category: str) -> Json | None:
    """A problem observation as Condition."""
    value = observation.find("value")
    what = mapping.concept(value)
    words = mapping.words_of(observation)
    if what is None and value is not None and xsi_type(value) in ("ST", "ED") and (text := mapping.text(value)):
        what = {"text": text}
    no = negated(observation)
    if what is None:
        if words:
            what = {"text": words.replace("\n", ", ")}
        else:
            raise NotCoded("A problem names neither a code nor words.")
    refuted = no
    if no and is_code(what, SNOMED, "55607006", "64572001", "404684003", "282291009", "409586006"):
        what, refuted = {**coded(SNOMED, *_NO_PROBLEM), "text": _NO_PROBLEM[1]}, False
    state = "active" if refuted or no else _clinical(mapping, observation, concern)
    point, low, high = interval_of(observation.find("effectiveTime"), mapping.zone)
    recorded, recorder = mapping.written(*(each for each in (observation, concern) if each is not None))
    retracted = status_of(observation) == "nullified" or (concern is not None and status_of(concern) == "nullified")
    verified = "entered-in-error" if retracted else "refuted" if refuted else "confirmed"
    onset = low or point
    if high and state == "active":
        state = "resolved"
    if state in ("active", "recurrence", "relapse"):
        high = None
    system, title = _CATEGORIES[category]
    elements = without_empty(
        [
            ("clinicalStatus", coded(_CLINICAL, state, _WORDS[state]) if not retracted else None),
            ("verificationStatus", coded(_VERIFIED, verified, _WORDS[verified])),
            ("category", [coded(system, category, title)]),
            ("severity", _severity(mapping, observation)),
            ("code", what),
            (
                "bodySite",
                [site for each in observation.findall("targetSiteCode") if (site := mapping.concept(each))],
            ),
            ("subject", mapping.patient),
            ("encounter", mapping.encounter if category == "encounter-diagnosis" else None),
            ("onsetDateTime", onset),
            ("abatementDateTime", high),
            ("recordedDate", recorded),
            ("recorder", recorder if recorder and "Practitioner/" in recorder.get("reference", "") else None),
            ("note", mapping.comments(*(each for each in (observation, concern) if each is not None))),
        ]
    )
    if not onset and (age := _age(mapping, observation)):
        elements["onsetAge"] = age
    return mapping.put_entry("Condition", observation, elements)


def _severity(mapping: Mapping, observation: Element) -> Json | None:
    for each in mapping.related(observation):
        if each.tag == "observation" and (code_of(each) == "SEV" or templates(each) & _SEVERITY_TEMPLATES):
            return mapping.concept(each.find("value"))
    return None


def _age(mapping: Mapping, observation: Element) -> Json | None:
    for each in mapping.related(observation):
        if each.tag == "observation" and code_of(each) in ("445518008", "397659008", "63900-5"):
            return quantity(each.find("value"))
    return None


# Allergies

#: The kind of allergy (SNOMED CT) as FHIR type and category.
_KINDS: dict[str, tuple[str, str]] = {
    "419199007": ("allergy", ""),
    "416098002": ("allergy", "medication"),
    "59037007": ("intolerance", "medication"),
    "414285001": ("allergy", "food"),
    "235719002": ("intolerance", "food"),
    "420134006": ("", ""),
    "419511003": ("", "medication"),
    "418471000": ("", "food"),
    "418038007": ("", ""),
    "426232007": ("allergy", "environment"),
    "232347008": ("allergy", "environment"),
    "232350006": ("allergy", "environment"),
    "282100009": ("", "medication"),
    "91936005": ("allergy", "medication"),
}
_NONE_KNOWN = {
    "416098002": ("409137002", "No known drug allergy"),
    "419511003": ("409137002", "No known drug allergy"),
    "59037007": ("409137002", "No known drug allergy"),
    "414285001": ("429625007", "No known food allergy"),
    "418471000": ("429625007", "No known food allergy"),
    "426232007": ("428607008", "No known environmental allergy"),
}
_ANY = ("716186003", "No known allergy")
_CRITICALITY = {
    "CRITH": "high", "CRITL": "low", "CRITU": "unable-to-assess",
    "399166001": "high", "62482003": "low", "75540009": "high",
}  # fmt: skip
_ALLERGY_TEMPLATES = frozenset(
    {"2.16.840.1.113883.10.20.22.4.7", "2.16.840.1.113883.10.20.24.3.90", "2.16.840.1.113883.10.20.1.18",
     "1.3.6.1.4.1.19376.1.5.3.1.4.6"}
)  # fmt: skip


def map_allergy_entry(mapping: Mapping, statement: Element) -> bool:
    """An allergy concern, or a bare allergy observation, as AllergyIntolerances; whether there was one."""
    candidates = [
        (observation, concern)
        for observation, concern in observations_of(mapping, statement)
        if not _is_about_another(observation)
    ]
    named = [
        each for each in candidates if templates(each[0]) & _ALLERGY_TEMPLATES or _substance(each[0]) is not None
    ]
    return mapping.each_of(named or candidates, lambda each: map_allergy(mapping, *each) is not None)


def _substance(observation: Element) -> Element | None:
    """The playingEntity (or playingDevice) of what the patient does not bear."""
    for each in observation.findall("participant"):
        if each.get("typeCode") in ("CSM", None):
            entity = each.find("participantRole/playingEntity")
            if entity is not None:
                return entity
    return None


def map_allergy(mapping: Mapping, observation: Element, concern: Element | None) -> Json | None:
    """An allergy observation as AllergyIntolerance."""
    value = observation.find("value")
    kind = ((value.get("code") or "") if value is not None else "").strip()
    entity = _substance(observation)
    what: Json | None = None
    if entity is not None:
        name = entity.find("name")
        what = mapping.concept(entity.find("code"), mapping.text(name) if name is not None else "")
    no = negated(observation)
    refuted = False
    if what is None:
        said = mapping.concept(value) or {}
        if no or is_code(said, SNOMED, "716186003", "160244002", "409137002", "428607008", "429625007"):
            code, display = _NONE_KNOWN.get(kind, _ANY)
            what = {**coded(SNOMED, code, display), "text": display}
            if not no:
                what = said
        elif said and kind not in _KINDS:
            what = said
        elif (words := mapping.words_of(observation)) or (
            concern is not None and (words := mapping.words_of(concern))
        ):
            what = {"text": words.replace("\n", ", ")}
        else:
            raise NotCoded("An allergy names no substance.")
    elif no:
        refuted = not is_code(what, SNOMED, "716186003", "409137002", "429625007")
    point, low, _ = interval_of(observation.find("effectiveTime"), mapping.zone)
    recorded, recorder = mapping.written(*(each for each in (observation, concern) if each is not None))
    state = "active" if no else _clinical(mapping, observation, concern)
    state = state if state in ("active", "inactive", "resolved") else "active"
    retracted = status_of(observation) == "nullified" or (concern is not None and status_of(concern) == "nullified")
    verified = "entered-in-error" if retracted else "refuted" if refuted else "confirmed"
    type_, category = _KINDS.get(kind, ("", ""))
    if not category and is_code(what, "http://www.nlm.nih.gov/research/umls/rxnorm", *_codes(what)):
        category = "medication"
    elements = without_empty(
        [
            ("clinicalStatus", coded(_ALLERGY_CLINICAL, state, _WORDS[state]) if not retracted else None),
            ("verificationStatus", coded(_ALLERGY_VERIFIED, verified, _WORDS[verified])),
            ("type", type_),
            ("category", [category] if category else None),
            ("criticality", _criticality(mapping, observation)),
            ("code", what),
            ("patient", mapping.patient),
            ("onsetDateTime", low or point),
            ("recordedDate", recorded),
            ("recorder", recorder if recorder and "Practitioner/" in recorder.get("reference", "") else None),
            ("note", mapping.comments(*(each for each in (observation, concern) if each is not None))),
            ("reaction", _reactions(mapping, observation)),
        ]
    )
    return mapping.put_entry("AllergyIntolerance", observation, elements)


def _codes(what: Json) -> list[str]:
    return [each["code"] for each in what.get("coding", ()) if "code" in each]


def _criticality(mapping: Mapping, observation: Element) -> str | None:
    for each in mapping.related(observation):
        if each.tag == "observation" and code_of(each) == "82606-5":
            value = each.find("value")
            return _CRITICALITY.get((value.get("code") or "").strip()) if value is not None else None
    return None


def _reactions(mapping: Mapping, observation: Element) -> list[Json]:
    found = []
    severity = _grade(mapping, observation)
    for each in mapping.related(observation, "MFST"):
        if each.tag != "observation":
            continue
        value = each.find("value")
        manifestation = mapping.concept(value) if value is not None else None
        if manifestation is None and (words := mapping.words_of(each)):
            manifestation = {"text": words.replace("\n", ", ")}
        if manifestation is None:
            continue
        point, low, _ = interval_of(each.find("effectiveTime"), mapping.zone)
        found.append(
            without_empty(
                [
                    ("manifestation", [manifestation]),
                    ("onset", low or point),
                    ("severity", _grade(mapping, each) or severity),
                ]
            )
        )
    return found


def _grade(mapping: Mapping, observation: Element) -> str | None:
    for each in mapping.related(observation):
        if each.tag == "observation" and (code_of(each) == "SEV" or templates(each) & _SEVERITY_TEMPLATES):
            value = each.find("value")
            if value is not None:
                return _SEVERITIES.get((value.get("code") or "").strip())
    return None
