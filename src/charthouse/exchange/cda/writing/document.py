"""A continuity of care document, and a discharge summary: header and sections (US Realm Header, C-CDA R2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from xml.etree import ElementTree

from . import concerns, encounters, medications, observations, payers
from .parts import Written, section
from .values import (
    Element,
    Json,
    address,
    addresses,
    code,
    coded,
    codings,
    element,
    identifier,
    ids,
    interval,
    listed,
    names,
    null,
    telecoms,
    template,
    time,
    timestamp,
    words,
)

_LOINC = "2.16.840.1.113883.6.1"
_GENDERS = {"male": ("M", "Male"), "female": ("F", "Female"), "other": ("UN", "Undifferentiated")}
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"


class Kind(StrEnum):
    """The documents that are written."""

    CCD = "ccd"
    DISCHARGE_SUMMARY = "discharge-summary"


_KINDS = {
    Kind.CCD: (
        "2.16.840.1.113883.10.20.22.1.2", "34133-9", "Summarization of episode note", "Continuity of care document",
    ),
    Kind.DISCHARGE_SUMMARY: ("2.16.840.1.113883.10.20.22.1.8", "18842-5", "Discharge summary", "Discharge summary"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keeper:
    """The organization that sends the document and keeps it; ``root`` is its OID or UUID."""

    name: str
    root: str
    address: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a document is made of. ``resources`` are the patient's, as FHIR R4 JSON, decimals as float, int or
    Decimal; ``encounter`` is what a discharge summary is of, and ``course`` the text of its hospital course."""

    patient: Json
    resources: Sequence[Json]
    encounter: Json | None = None
    course: str = ""
    restricted: str = ""
    """``R`` or ``V`` where something in it is restricted, or very restricted."""


@dataclass(slots=True)
class Document:
    """A document written: its bytes, and the (type, id) of every resource that is in it."""

    content: bytes
    items: list[tuple[str, str]] = field(default_factory=list)


def write(
    kind: Kind, contents: Contents, keeper: Keeper, *, id: str, at: datetime, by: str, recipient: str = ""
) -> Document:
    """The document of ``contents``. ``id`` is its own (a UUID), ``at`` when it is made (aware), ``by`` who makes
    it, ``recipient`` to whom it goes."""
    root_template, loinc, display, title = _KINDS[kind]
    chosen = _chosen(kind, contents)
    root = element(
        "ClinicalDocument",
        {
            "xmlns": "urn:hl7-org:v3",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xmlns:sdtc": "urn:hl7-org:sdtc",
        },
        element("realmCode", {"code": "US"}),
        element("typeId", {"root": "2.16.840.1.113883.1.3", "extension": "POCD_HD000040"}),
        template("2.16.840.1.113883.10.20.22.1.1"),
        template("2.16.840.1.113883.10.20.22.1.1", "2015-08-01"),
        template(root_template),
        template(root_template, "2015-08-01"),
        element("id", {"root": id}),
        code("code", loinc, _LOINC, display),
        element("title", None, title),
        element("effectiveTime", {"value": timestamp(at.isoformat(timespec="seconds"))}),
        code("confidentialityCode", contents.restricted or "N", "2.16.840.1.113883.5.25"),
        element("languageCode", {"code": "en-US"}),
        _record_target(contents.patient, keeper),
        _author(keeper, at, by),
        element(
            "custodian",
            None,
            element("assignedCustodian", None, _organization("representedCustodianOrganization", keeper)),
        ),
        _recipient(recipient) if recipient else None,
        _service_event(contents, at),
    )
    if contents.encounter is not None:
        root.append(_encompassing(contents.encounter))
    body = element("structuredBody")
    for each in chosen.sections:
        body.append(each)
    root.append(element("component", None, body))
    content = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return Document(content, [("Patient", str(contents.patient["id"])), *chosen.items])


@dataclass(slots=True)
class _Chosen:
    sections: list[Element] = field(default_factory=list)
    items: list[tuple[str, str]] = field(default_factory=list)

    def add(self, resources: Sequence[Json]) -> Sequence[Json]:
        """Say that these are in the document."""
        self.items += [(str(each["resourceType"]), str(each["id"])) for each in resources]
        return resources


def _chosen(kind: Kind, contents: Contents) -> _Chosen:
    """The sections of a document, and what is in them."""
    made = _Chosen()
    by_type: dict[str, list[Json]] = {}
    for each in contents.resources:
        by_type.setdefault(str(each["resourceType"]), []).append(each)
    conditions = by_type.get("Condition", [])
    visits = [each for each in by_type.get("Encounter", []) if each.get("status") != "planned"]
    if kind is Kind.DISCHARGE_SUMMARY and contents.encounter is not None:
        visits = [each for each in visits if each["id"] == contents.encounter["id"]]
    diagnoses = {str(each["id"]): _diagnoses_of(each, conditions) for each in visits}
    of_encounters = {str(one["id"]) for held in diagnoses.values() for one in held}
    listed_problems = [
        each
        for each in conditions
        if str(each["id"]) not in of_encounters
        and not (kind is Kind.DISCHARGE_SUMMARY and _category(each) == "encounter-diagnosis")
    ]
    measured = by_type.get("Observation", [])
    of_category = {
        name: [each for each in measured if _observation_category(each) == name]
        for name in ("laboratory", "vital-signs", "social-history")
    }
    results = of_category["laboratory"]
    in_reports = {
        str(one.get("reference"))
        for report in by_type.get("DiagnosticReport", [])
        for one in listed(report.get("result"))
    }
    results += [
        each for each in measured
        if not _observation_category(each) and f"Observation/{each['id']}" in in_reports
    ]  # fmt: skip
    known = {f"Observation/{each['id']}" for each in results}
    reports = [
        each
        for each in by_type.get("DiagnosticReport", [])
        if any(str(one.get("reference")) in known for one in listed(each.get("result")))
    ]
    appointments = [
        each for each in by_type.get("Appointment", []) if each.get("status") in ("booked", "proposed", "pending")
    ]
    drugs = [*by_type.get("MedicationStatement", []), *by_type.get("MedicationRequest", [])]
    add = made.add
    allergies = section(concerns.ALLERGIES, concerns.allergies(add(by_type.get("AllergyIntolerance", []))))
    if kind is Kind.DISCHARGE_SUMMARY:
        found = next(iter(diagnoses.values()), [])
        made.sections += [
            allergies,
            section(encounters.COURSE, Written(()), statement=contents.course),
            section(concerns.DIAGNOSES, concerns.discharge_diagnoses(add(found))),
        ]
        diagnoses = {}
    else:
        made.sections.append(allergies)
    made.sections += [
        section(
            medications.MEDICATIONS,
            medications.medications(add(drugs), add(by_type.get("MedicationDispense", []))),
        ),
        *(
            [section(medications.ADMINISTERED, medications.administered(add(given)))]
            if (given := by_type.get("MedicationAdministration", []))
            else []
        ),
        section(concerns.PROBLEMS, concerns.problems(add(listed_problems))),
        section(encounters.PROCEDURES, encounters.procedures(add(by_type.get("Procedure", [])))),
        section(observations.RESULTS, observations.results(add(reports), add(results))),
        section(observations.SOCIAL, observations.social(add(of_category["social-history"]))),
        section(observations.VITALS, observations.vitals(add(of_category["vital-signs"]))),
        section(medications.IMMUNIZATIONS, medications.immunizations(add(by_type.get("Immunization", [])))),
    ]
    if kind is Kind.CCD:
        add([one for held in diagnoses.values() for one in held])
        made.sections.append(
            section(
                encounters.ENCOUNTERS,
                encounters.encounters(add(visits), lambda each: diagnoses.get(str(each["id"]), [])),
            )
        )
        made.sections.append(section(payers.PAYERS, payers.payers(add(by_type.get("Coverage", [])))))
    made.sections.append(section(encounters.PLAN, encounters.plan(add(appointments))))
    return made


def _category(resource: Json) -> str:
    for each in listed(resource.get("category")):
        for one in codings(each):
            return str(one["code"])
    return ""


def _observation_category(resource: Json) -> str:
    """The first category this module knows."""
    held = {str(one["code"]) for each in listed(resource.get("category")) for one in codings(each)}
    return next(
        (each for each in ("laboratory", "vital-signs", "social-history") if each in held), next(iter(held), "")
    )


def _diagnoses_of(encounter: Json, conditions: Sequence[Json]) -> list[Json]:
    """The Conditions that are an encounter's diagnoses; each stands in one encounter only, its own."""
    own = f"Encounter/{encounter['id']}"
    named = {str((each.get("condition") or {}).get("reference")) for each in listed(encounter.get("diagnosis"))}
    return [
        each
        for each in conditions
        if _category(each) == "encounter-diagnosis"
        and (
            str((each.get("encounter") or {}).get("reference")) == own
            or (f"Condition/{each['id']}" in named and not each.get("encounter"))
        )
    ]


# The header


def _record_target(patient: Json, keeper: Keeper) -> Element:
    gender = _GENDERS.get(str(patient.get("gender")))
    born = next(
        (
            each.get("valueDateTime")
            for each in listed((patient.get("_birthDate") or {}).get("extension"))
            if str(each.get("url", "")).endswith("patient-birthTime")
        ),
        patient.get("birthDate"),
    )
    person = element(
        "patient",
        None,
        *names(patient.get("name")),
        code("administrativeGenderCode", gender[0], "2.16.840.1.113883.5.1", gender[1])
        if gender
        else null("administrativeGenderCode"),
        time("birthTime", born),
    )
    if patient.get("deceasedDateTime") or isinstance(patient.get("deceasedBoolean"), bool):
        dead = bool(patient.get("deceasedDateTime")) or patient.get("deceasedBoolean") is True
        person.append(element("sdtc:deceasedInd", {"value": "true" if dead else "false"}))
        if patient.get("deceasedDateTime"):
            person.append(time("sdtc:deceasedTime", patient["deceasedDateTime"]))
    if patient.get("maritalStatus"):
        person.append(coded("maritalStatusCode", patient["maritalStatus"]))
    person.extend(_group(patient, "race", "raceCode"))
    person.extend(_group(patient, "ethnicity", "ethnicGroupCode"))
    for each in listed(patient.get("communication")):
        held = codings(each.get("language"))
        if held:
            person.append(
                element(
                    "languageCommunication",
                    None,
                    element("languageCode", {"code": str(held[0]["code"])}),
                    element("preferenceInd", {"value": "true" if each["preferred"] else "false"})
                    if isinstance(each.get("preferred"), bool)
                    else None,
                )
            )
    numbers = [made for each in listed(patient.get("identifier")) if (made := identifier(each)) is not None]
    role = element(
        "patientRole",
        None,
        *(numbers or ids(patient)[:1]),
        *addresses(patient.get("address")),
        *telecoms(patient.get("telecom")),
        person,
        _organization("providerOrganization", keeper),
    )
    return element("recordTarget", None, role)


def _group(patient: Json, what: str, tag: str) -> list[Element]:
    """Race or ethnicity: the OMB category first, the details after it."""
    extension = next(
        (each for each in listed(patient.get("extension")) if each.get("url") == _US_CORE + what), None
    )
    held = [
        each["valueCoding"]
        for each in listed((extension or {}).get("extension"))
        if isinstance(each.get("valueCoding"), dict) and each["valueCoding"].get("code")
    ]
    known = [each for each in held if "NullFlavor" not in str(each.get("system"))]
    if not known:
        return [null(tag)]
    return [coded(tag if not place else f"sdtc:{tag}", {"coding": [each]}) for place, each in enumerate(known)]


def _organization(tag: str, keeper: Keeper) -> Element:
    phone = {"system": "phone", "value": keeper.phone, "use": "work"}
    return element(
        tag,
        None,
        element("id", {"root": keeper.root}),
        element("name", None, keeper.name),
        *telecoms([phone] if keeper.phone else None),
        address({"use": "work", "line": [line for line in keeper.address.splitlines() if line.strip()]})
        if keeper.address.strip()
        else null("addr"),
    )


def _author(keeper: Keeper, at: datetime, by: str) -> Element:
    return element(
        "author",
        None,
        time("time", at.isoformat(timespec="seconds")),
        element(
            "assignedAuthor",
            None,
            null("id", "NI"),
            null("addr"),
            null("telecom"),
            element(
                "assignedAuthoringDevice",
                None,
                element("manufacturerModelName", None, "Charthouse"),
                element("softwareName", None, f"Charthouse, for {by}" if by else "Charthouse"),
            ),
            _organization("representedOrganization", keeper),
        ),
    )


def _recipient(recipient: str) -> Element:
    return element(
        "informationRecipient",
        {"typeCode": "PRCP"},
        element("intendedRecipient", None, element("receivedOrganization", None, element("name", None, recipient))),
    )


def _service_event(contents: Contents, at: datetime) -> Element:
    """The time that the document tells of: the encounter's, else from the first thing that is known."""
    period = (contents.encounter or {}).get("period") or {}
    start = period.get("start")
    if not start:
        moments = [
            str(value)
            for each in contents.resources
            for value in (
                each.get("effectiveDateTime"),
                each["period"].get("start") if isinstance(each.get("period"), dict) else None,
                each.get("occurrenceDateTime"), each.get("performedDateTime"),
            )
            if value
        ]  # fmt: skip
        start = min(moments, default=None)
    return element(
        "documentationOf",
        {"typeCode": "DOC"},
        element(
            "serviceEvent",
            {"classCode": "PCPR"},
            interval("effectiveTime", start, period.get("end") or at.isoformat(timespec="seconds")),
        ),
    )


def _encompassing(encounter: Json) -> Element:
    period = encounter.get("period") or {}
    disposition = (encounter.get("hospitalization") or {}).get("dischargeDisposition")
    class_ = encounter.get("class") or {}
    kind = next(iter(listed(encounter.get("type"))), None)
    concept = {"coding": [*([class_] if class_.get("code") else []), *codings(kind)]}
    return element(
        "componentOf",
        None,
        element(
            "encompassingEncounter",
            None,
            *ids(encounter),
            coded("code", concept) if words(concept) else None,
            interval("effectiveTime", period.get("start"), period.get("end")),
            coded("dischargeDispositionCode", disposition) if disposition else null("dischargeDispositionCode"),
        ),
    )
