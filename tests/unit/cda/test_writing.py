"""Documents that are written: the structure of C-CDA R2.1, and everything that can stand in a field, there and back."""
# ruff: noqa: E501 (tables)

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from charthouse.exchange.cda.api import Contents, DocumentKind, Keeper, write
from tests.support.cda import converted
from tests.support.cda_essentials import gathered

V3 = "{urn:hl7-org:v3}"
AT = datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("America/Chicago"))
KEEPER = Keeper("Harbor Regional Medical Center", "2.16.840.1.113883.19.5", "1 Harbor Way\nPortland", "555-0100")
DOCUMENT = "5f0c6d1e-6b0f-4b52-9a3c-51b7f6c3a001"

#: The order of children in HL7's CDA schema (POCD_MT000040), for the classes that are written.
_ACT_LIKE = ("subject", "specimen", "performer", "author", "informant", "participant")
_TAIL = ("entryRelationship", "reference", "precondition")
ORDER = {
    "ClinicalDocument": ("realmCode", "typeId", "templateId", "id", "code", "title", "effectiveTime", "confidentialityCode", "languageCode",
                         "setId", "versionNumber", "recordTarget", "author", "dataEnterer", "informant", "custodian", "informationRecipient",
                         "legalAuthenticator", "authenticator", "participant", "documentationOf", "relatedDocument", "componentOf", "component"),
    "patientRole": ("id", "addr", "telecom", "patient", "providerOrganization"),
    "patient": ("name", "administrativeGenderCode", "birthTime", "deceasedInd", "deceasedTime", "maritalStatusCode", "religiousAffiliationCode", "raceCode",
                "ethnicGroupCode", "guardian", "birthplace", "languageCommunication"),
    "section": ("templateId", "id", "code", "title", "text", "confidentialityCode", "languageCode", "subject", "author", "informant", "entry", "component"),
    "act": ("templateId", "id", "code", "text", "statusCode", "effectiveTime", "priorityCode", "languageCode", *_ACT_LIKE, *_TAIL),
    "observation": ("templateId", "id", "code", "derivationExpr", "text", "statusCode", "effectiveTime", "priorityCode", "repeatNumber", "languageCode", "value",
                    "interpretationCode", "methodCode", "targetSiteCode", *_ACT_LIKE, *_TAIL, "referenceRange"),
    "substanceAdministration": ("templateId", "id", "code", "text", "statusCode", "effectiveTime", "priorityCode", "repeatNumber", "routeCode", "approachSiteCode",
                                "doseQuantity", "rateQuantity", "maxDoseQuantity", "administrationUnitCode", "consumable", *_ACT_LIKE, *_TAIL),
    "procedure": ("templateId", "id", "code", "text", "statusCode", "effectiveTime", "priorityCode", "languageCode", "methodCode", "approachSiteCode", "targetSiteCode", *_ACT_LIKE, *_TAIL),
    "organizer": ("templateId", "id", "code", "statusCode", "effectiveTime", *_ACT_LIKE, "reference", "precondition", "component"),
    "encounter": ("templateId", "id", "code", "text", "statusCode", "effectiveTime", "dischargeDispositionCode", "priorityCode", *_ACT_LIKE, *_TAIL),
    "encompassingEncounter": ("id", "code", "effectiveTime", "dischargeDispositionCode", "responsibleParty", "encounterParticipant", "location"),
    "manufacturedProduct": ("templateId", "id", "manufacturedLabeledDrug", "manufacturedMaterial", "manufacturerOrganization"),
}  # fmt: skip


def concept(system: str, code: str, display: str, text: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"coding": [{"system": system, "code": code, "display": display}]}
    return found | ({"text": text} if text else {})


SCT, LOINC, RXNORM = "http://snomed.info/sct", "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
OWN = "https://clinic.example.org/codes"


def status(name: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{name}", "code": code}]}


def amount(value: str, unit: str) -> dict[str, Any]:
    return {"value": Decimal(value), "unit": unit, "system": UCUM, "code": unit}


def category(kind: str) -> dict[str, Any]:
    system = (
        "condition-category" if kind in ("problem-list-item", "encounter-diagnosis") else "observation-category"
    )
    return {"category": [status(system, kind)]}


_COUNT = iter(range(1, 1000))


def one(kind: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": f"00000000-0000-8000-8000-{next(_COUNT):012d}", **elements}


PATIENT = one(
    "Patient", birthDate="1961-04-17", gender="female", name=[{"family": "Marsh", "given": ["Ida", "J."], "prefix": ["Dr."]}],
    identifier=[{"system": "urn:mrn", "value": "00100"}], maritalStatus=concept("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M", "Married"),
    address=[{"line": ["12 Alder Street"], "city": "Northampton", "state": "MA", "postalCode": "01060", "use": "home"}],
    telecom=[{"system": "phone", "value": "413 555 0100", "use": "mobile"}], deceasedBoolean=False,
    communication=[{"language": {"coding": [{"code": "es"}]}, "preferred": True}],
    extension=[{"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [
        {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3", "display": "White"}}]}],
)  # fmt: skip
STAY = one(
    "Encounter", status="finished", period={"start": "2026-02-03T08:00:00-06:00", "end": "2026-02-06T12:00:00-06:00"},
    **{"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}},
    type=[concept(SCT, "32485007", "Hospital admission")], location=[{"location": {"display": "Ward 3"}}],
    hospitalization={"dischargeDisposition": {"text": "Home"}},
)  # fmt: skip
ACTIVE = {
    "clinicalStatus": status("condition-clinical", "active"),
    "verificationStatus": status("condition-ver-status", "confirmed"),
}
RESOURCES: list[dict[str, Any]] = [
    STAY,
    one("AllergyIntolerance", clinicalStatus=status("allergyintolerance-clinical", "active"), type="allergy", category=["food"], criticality="high",
        code=concept(SCT, "735029006", "Shellfish", "Prawns & crab <raw>"), onsetDateTime="2020-11", recordedDate="2020-11-05T14:22:33-05:00",
        note=[{"text": "Told by the patient;\nseen twice"}],
        reaction=[{"manifestation": [concept(SCT, "126485001", "Hives"), {"text": "Wheezing"}], "severity": "severe", "onset": "2020"}]),
    one("AllergyIntolerance", clinicalStatus=status("allergyintolerance-clinical", "resolved"), type="intolerance", category=["medication"],
        code={"text": "An old ointment"}),
    one("AllergyIntolerance", clinicalStatus=status("allergyintolerance-clinical", "active"), verificationStatus=status("allergyintolerance-verification", "refuted"),
        code=concept(RXNORM, "70618", "Penicillin"), category=["medication"], type="allergy"),
    one("AllergyIntolerance", clinicalStatus=status("allergyintolerance-clinical", "active"), code=concept(SCT, "429625007", "No known food allergy", "No known food allergy")),
    one("Condition", **ACTIVE, **category("problem-list-item"), code={"coding": [{"system": OWN, "code": "X1", "display": "Own"}, {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"}], "text": "Diabetes"},
        onsetDateTime="2012", bodySite=[concept(SCT, "113345001", "Abdomen")], recordedDate="2013-01-02", severity=concept(SCT, "6736007", "Moderate"), note=[{"text": "a"}, {"text": "b"}]),
    one("Condition", clinicalStatus=status("condition-clinical", "resolved"), code={"text": "Broken arm"}, onsetDateTime="1999-05-01", abatementDateTime="1999-07"),
    one("Condition", clinicalStatus=status("condition-clinical", "active"), verificationStatus=status("condition-ver-status", "refuted"), code=concept(SCT, "38341003", "Hypertension")),
    one("Condition", **ACTIVE, **category("encounter-diagnosis"), encounter={"reference": f"Encounter/{STAY['id']}"}, code={"text": "Pneumonia, right"}),
    one("MedicationStatement", status="active", medicationCodeableConcept=concept(RXNORM, "6809", "metformin"), effectivePeriod={"start": "2020-01-01", "end": "2021"},
        reasonCode=[{"text": "Diabetes"}], dosage=[{"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}, "route": concept("http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration", "PO", "Oral"),
                                                    "doseAndRate": [{"doseQuantity": amount("500.0", "mg")}]}]),
    one("MedicationStatement", status="not-taken", medicationCodeableConcept={"text": "Aspirin"}),
    one("MedicationRequest", status="stopped", intent="order", authoredOn="2026-02-03T09:00:00-06:00", medicationCodeableConcept={"text": "Sleeping draught"},
        dosageInstruction=[{"text": "one at bedtime", "asNeededCodeableConcept": {"text": "sleeplessness"}, "timing": {"repeat": {"when": ["HS"]}}, "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "cup"}}]}]),
    one("Immunization", status="completed", vaccineCode=concept("http://hl7.org/fhir/sid/cvx", "08", "Hep B"), occurrenceDateTime="2026-01-05", lotNumber="L-7", doseQuantity=amount("0.5", "mL"),
        site={"text": "Left thigh"}, route={"text": "Intramuscular"}, protocolApplied=[{"doseNumberPositiveInt": 2}]),
    one("Immunization", status="not-done", vaccineCode=concept("http://hl7.org/fhir/sid/cvx", "141", "Influenza"), occurrenceDateTime="2025", statusReason=concept("http://terminology.hl7.org/CodeSystem/v3-ActReason", "PATOBJ", "Patient objection")),
    one("Procedure", status="completed", code=concept(SCT, "80146002", "Appendectomy"), performedPeriod={"start": "2026-02-03T10:00:00-06:00", "end": "2026-02-03T11:00:00-06:00"}, bodySite=[{"text": "Belly"}], reasonCode=[{"text": "Pain"}]),
    one("Procedure", status="not-done", code={"text": "Never"}, note=[{"text": "refused"}]),
    one("Coverage", status="active", type={"text": "HMO"}, payor=[{"display": "Good Payer"}], subscriberId="M-1", period={"start": "2025-01-01"}, order=2, beneficiary={}),
]  # fmt: skip
VALUES: list[dict[str, Any]] = [
    {"valueQuantity": amount("72.50", "mg/dL")},
    {"valueQuantity": {**amount("5", "mg/g"), "comparator": "<"}},
    {"valueQuantity": {"value": 3, "unit": "drops"}},
    {"valueCodeableConcept": concept(SCT, "8517006", "Former smoker", "stopped 2004")},
    {"valueString": "Mixed  flora\nand yeast <b>"},
    {"valueInteger": 7},
    {"valueBoolean": True},
    {"valueDateTime": "2026-02-03"},
    {"valueRange": {"low": amount("1", "mL"), "high": amount("2.0", "mL")}},
    {"valueRatio": {"numerator": amount("1", "mg"), "denominator": amount("4", "mL")}},
    {"dataAbsentReason": status("data-absent-reason", "asked-unknown")},
]
RESOURCES += [
        one("Observation", status="final", **category("laboratory"), code={"text": "Test"}, effectiveDateTime="2026-02-03T08:00:00-06:00", **_value,
            interpretation=[concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "H", "High")],
            referenceRange=[{"low": amount("1", "mg/dL"), "high": amount("9.0", "mg/dL")}, {"text": "under 5"}])
    for _value in VALUES
]  # fmt: skip
RESOURCES += [
    one("DiagnosticReport", status="final", code=concept(LOINC, "24323-8", "Panel"), effectiveDateTime="2026-02-03T08:00:00-06:00",
        result=[{"reference": f"Observation/{RESOURCES[-1]['id']}"}, {"reference": f"Observation/{RESOURCES[-2]['id']}"}]),
    one("Observation", status="final", **category("vital-signs"), code=concept(LOINC, "85354-9", "Blood pressure"), effectiveDateTime="2026-02-03T08:00:00-06:00",
        component=[{"code": concept(LOINC, "8480-6", "Systolic"), "valueQuantity": amount("120", "mm[Hg]")}, {"code": concept(LOINC, "8462-4", "Diastolic"), "valueQuantity": amount("80", "mm[Hg]")}]),
    one("Observation", status="final", **category("social-history"), code=concept(LOINC, "72166-2", "Smoking"), effectiveDateTime="2026-02-03", valueCodeableConcept=concept(SCT, "8517006", "Former smoker")),
]  # fmt: skip


def written(kind: DocumentKind) -> tuple[ElementTree.Element, bytes]:
    contents = Contents(
        PATIENT, RESOURCES, STAY if kind is DocumentKind.DISCHARGE_SUMMARY else None, "Came.\nWent & left <well>."
    )
    document = write(kind, contents, KEEPER, id=DOCUMENT, at=AT, by="A. Clerk", recipient="Riverside Clinic")
    return ElementTree.fromstring(document.content), document.content


def name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


@pytest.mark.parametrize("kind", list(DocumentKind))
def test_children_stand_in_the_order_of_the_schema(kind: DocumentKind) -> None:
    root, _ = written(kind)
    for each in root.iter():
        order = ORDER.get(name(each))
        if order:
            places = [order.index(name(child)) for child in each]
            assert places == sorted(places), (name(each), [name(child) for child in each])


@pytest.mark.parametrize("kind", list(DocumentKind))
def test_statements_say_what_they_are_and_point_into_the_narrative(kind: DocumentKind) -> None:
    root, _ = written(kind)
    for section in root.iter(f"{V3}section"):
        for wanted in ("templateId", "code", "title", "text"):
            assert section.find(V3 + wanted) is not None
        text = section.find(V3 + "text")
        assert text is not None
        known = [each.get("ID") for each in text.iter() if each.get("ID")]
        assert len(known) == len(set(known))
        for each in section.iter(f"{V3}reference"):
            assert str(each.get("value")).removeprefix("#") in known
        for entry in section.findall(V3 + "entry"):
            for each in entry.iter():
                if name(each) in (
                    "act",
                    "observation",
                    "organizer",
                    "substanceAdministration",
                    "procedure",
                    "encounter",
                ):
                    assert each.get("classCode") and each.get("moodCode")
                    assert each.find(V3 + "templateId") is not None
    identifiers = Counter(
        each.get("root") for each in root.iter(f"{V3}id") if each.get("root") and not each.get("extension")
    )
    assert all(str(each).count("-") != 4 or count <= 2 for each, count in identifiers.items())


@pytest.mark.parametrize("kind", list(DocumentKind))
def test_the_header_has_what_the_us_realm_asks(kind: DocumentKind) -> None:
    root, _ = written(kind)
    for path in ("recordTarget/patientRole/id", "recordTarget/patientRole/addr", "recordTarget/patientRole/telecom", "recordTarget/patientRole/patient/name",
                 "recordTarget/patientRole/patient/birthTime", "recordTarget/patientRole/patient/raceCode", "recordTarget/patientRole/patient/ethnicGroupCode",
                 "author/time", "author/assignedAuthor/id", "custodian/assignedCustodian/representedCustodianOrganization/name",
                 "documentationOf/serviceEvent/effectiveTime/low", "informationRecipient/intendedRecipient"):  # fmt: skip
        assert root.find("/".join(V3 + part for part in path.split("/"))) is not None, path
    patient = next(draft.resource for draft in converted(written(kind)[1]).drafts if draft.type == "Patient")
    assert patient["name"] == [{"family": "Marsh", "given": ["Ida", "J."], "prefix": ["Dr."]}]
    assert patient["address"][0]["line"] == ["12 Alder Street"] and patient["deceasedBoolean"] is False
    assert patient["identifier"][0]["value"] == "00100" and patient["birthDate"] == "1961-04-17"
    assert patient["communication"][0]["language"]["coding"][0]["code"] == "es"


def test_whatever_stands_in_a_field_comes_back() -> None:
    found = converted(written(DocumentKind.CCD)[1])
    assert not found.faults and all(section.outcome in ("read", "empty") for section in found.sections)
    back = [draft.resource for draft in found.drafts]
    sent = gathered(each for each in RESOURCES if each["resourceType"] != "DiagnosticReport")
    there = gathered(each for each in back if each["resourceType"] != "DiagnosticReport")
    assert sum(sent.values()) > 30
    assert not sent - there and not there - sent, "\n".join(
        [*(f"- {each}" for each in sent - there), *(f"+ {each}" for each in there - sent)]
    )
    panel = gathered(each for each in RESOURCES if each["resourceType"] == "DiagnosticReport")
    assert not panel - gathered(each for each in back if each["resourceType"] == "DiagnosticReport")
    absent = next(each for each in back if each["resourceType"] == "Observation" and "dataAbsentReason" in each)
    assert absent["dataAbsentReason"]["coding"][0]["code"] == "asked-unknown"


def test_a_discharge_summary_says_the_course_and_the_diagnoses() -> None:
    found = converted(written(DocumentKind.DISCHARGE_SUMMARY)[1])
    (pneumonia,) = [
        draft.resource for draft in found.drafts if draft.resource.get("code", {}).get("text") == "Pneumonia, right"
    ]
    assert pneumonia["category"][0]["coding"][0]["code"] == "encounter-diagnosis"
    root, _ = written(DocumentKind.DISCHARGE_SUMMARY)
    course = next(each for each in root.iter(f"{V3}section") if each.findtext(V3 + "title") == "Hospital course")
    assert [each.text for each in course.iter(f"{V3}paragraph")] == ["Came.", "Went & left <well>."]


def test_an_empty_chart_makes_a_document_that_says_so() -> None:
    document = write(
        DocumentKind.CCD,
        Contents({"resourceType": "Patient", "id": DOCUMENT}, []),
        KEEPER,
        id=DOCUMENT,
        at=AT,
        by="",
    )
    found = converted(document.content)
    assert {section.outcome for section in found.sections} == {"empty"}
    assert document.items == [("Patient", DOCUMENT)]
