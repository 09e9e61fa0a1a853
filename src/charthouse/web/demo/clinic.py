"""What Riverside Clinic sends of a person: one FHIR R4 transaction bundle, with its own numbers."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from charthouse.teaching.api import Analyte, Panel, bounds, flag, panels

from .cast import AllergyFact, Chart, Person, Prescription, staff
from .days import Calendar, fhir_time
from .hl7 import npi

Json = dict[str, Any]

NAME = "Riverside Clinic"
_BASE = "https://riverside.example/fhir/"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_SYSTEMS = {
    "LN": "http://loinc.org",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "SCT": "http://snomed.info/sct",
}
_RELATIONS = {
    "SPO": ("SPS", "spouse"),
    "CHD": ("CHILD", "child"),
    "MTH": ("MTH", "mother"),
    "FTH": ("FTH", "father"),
    "SIB": ("SIB", "sibling"),
    "FND": ("FRND", "unrelated friend"),
    "PAR": ("PRN", "parent"),
}
_SEX = {"F": "female", "M": "male", "O": "other", "U": "unknown"}
_ALLERGY_KINDS = {"DA": "medication", "FA": "food", "EA": "environment"}
_SEVERITIES = {"SV": ("high", "severe"), "MO": ("", "moderate"), "MI": ("low", "mild")}
_LABELS = {
    "CEL": ("v3-ActCode", "CEL", "celebrity information sensitivity"),
    "EMP": ("v3-ActCode", "EMP", "employee information sensitivity"),
}
#: The resource's element that its subject stands in.
_SUBJECTS = {
    "AllergyIntolerance": "patient",
    "Immunization": "patient",
    "RelatedPerson": "patient",
    "Coverage": "beneficiary",
}


class Bundle:
    """The bundle of one person as it grows."""

    def __init__(self, chart: Chart, person: Person, calendar: Calendar) -> None:
        self.chart, self.person, self.calendar = chart, person, calendar
        self.entries: list[Json] = []
        self.patient = f"Patient/{chart.id}"

    def add(self, kind: str, key: str, **elements: Any) -> str:
        """Add a resource that belongs to the person; answers its reference."""
        number = str(uuid5(NAMESPACE_URL, f"{_BASE}{kind}/{self.chart.id}/{key}"))
        resource: Json = {"resourceType": kind, "id": number, **elements}
        if kind != "Appointment":
            resource[_SUBJECTS.get(kind, "subject")] = {"reference": self.patient}
        self._put(kind, number, resource)
        return f"{kind}/{number}"

    def shared(self, kind: str, number: str, **elements: Any) -> Json:
        """Add somebody or something of the directory once; answers a reference to it."""
        name = elements.get("name")
        shown = name if isinstance(name, str) else f"{name[0]['family']}, {name[0]['given'][0]}" if name else ""
        if not any(each["resource"]["id"] == number for each in self.entries):
            self._put(kind, number, {"resourceType": kind, "id": number, **elements})
        return {"reference": f"{kind}/{number}", "display": shown}

    def put_patient(self, resource: Json) -> None:
        """Add the person."""
        self._put("Patient", self.chart.id, resource)

    def _put(self, kind: str, number: str, resource: Json) -> None:
        if security := [_label(each) for each in self.chart.labels]:
            resource["meta"] = {"security": security}
        self.entries.append(
            {
                "fullUrl": f"{_BASE}{kind}/{number}",
                "resource": resource,
                "request": {"method": "PUT", "url": f"{kind}/{number}"},
            }
        )

    def doctor(self, key: str) -> Json:
        """A reference to somebody of the staff."""
        colleague = staff()[key]
        return self.shared(
            "Practitioner",
            f"rc-{key}",
            identifier=[{"system": "http://hl7.org/fhir/sid/us-npi", "value": npi(colleague)}],
            name=[{"family": colleague.name[0], "given": colleague.name[1:2], "suffix": [colleague.degree]}],
        )

    def day(self, text: str) -> str:
        """A FHIR date."""
        return self.calendar.date_of(text).isoformat()

    def time(self, text: str) -> str:
        """A FHIR dateTime."""
        return fhir_time(self.calendar.at(text))


def bundle_of(person: Person, calendar: Calendar, number: str) -> Json:
    """The clinic's bundle of a person, called ``number``. The person has to be known at the clinic."""
    assert person.riverside is not None
    chart = person.riverside
    bundle = Bundle(chart, person, calendar)
    bundle.put_patient(_patient(bundle, chart, person))
    clinic = bundle.shared("Organization", "riverside-clinic", name=NAME)
    for told in chart.told:
        code, words = _RELATIONS[told.relation]
        related: Json = {
            "active": True,
            "name": [_name(told.name)],
            "relationship": [
                {"coding": [{"system": f"{_TERMINOLOGY}v3-RoleCode", "code": code, "display": words}]}
            ],
        }
        if told.phone:
            related["telecom"] = [{"system": "phone", "value": told.phone, "use": "home"}]
        if told.may_be_told is not None:
            related["extension"] = [
                {"url": f"{_BASE}StructureDefinition/may-be-told", "valueBoolean": told.may_be_told}
            ]
        bundle.add("RelatedPerson", "|".join(told.name), **related)
    for each in chart.flags:
        bundle.add("Flag", each, status="active", category=[{"text": "Safety"}], code={"text": each})
    _lists(bundle, chart)
    for visit in chart.visits:
        _visit(bundle, visit, clinic)
    for shot in chart.shots:
        bundle.add(
            "Immunization",
            f"{shot.code}/{shot.at}",
            status="completed",
            vaccineCode=_concept(shot.code),
            occurrenceDateTime=bundle.day(shot.at),
            primarySource=True,
            **({"lotNumber": shot.lot} if shot.lot else {}),
        )
    _bookings(bundle, chart)
    if chart.payer:
        payer = bundle.shared("Organization", f"payer-{chart.payer.lower().replace(' ', '-')}", name=chart.payer)
        bundle.add("Coverage", chart.policy, status="active", subscriberId=chart.policy, payor=[payer], order=1)
    return {"resourceType": "Bundle", "id": number, "type": "transaction", "entry": bundle.entries}


def _label(code: str) -> Json:
    system, value, words = _LABELS[code]
    return {"system": _TERMINOLOGY + system, "code": value, "display": words}


def _concept(code: str) -> Json:
    value, words, system = (*code.split("^"), "", "")[:3]
    if not value:
        return {"text": words}
    coding = {"system": _SYSTEMS[system], "code": value, "display": words}
    return {"coding": [coding], "text": words}


def _name(parts: list[str]) -> Json:
    family, *given = parts[:3]
    name: Json = {"use": "official", "family": family, "given": [each for each in given if each]}
    if len(parts) > 3:
        name["suffix"] = [parts[3]]
    return name


def _address(parts: list[str]) -> Json:
    street, town, state, code = parts[:4]
    return {"use": "home", "line": [street], "city": town, "state": state, "postalCode": code, "country": "USA"}


def _patient(bundle: Bundle, chart: Chart, person: Person) -> Json:
    extensions: list[Json] = []
    if chart.interpreter is not None:
        extensions.append(
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired",
                "valueBoolean": chart.interpreter,
            }
        )
    where = [_address(chart.address or person.address)]
    if chart.confidential:
        confidential = _address(chart.confidential)
        confidential["use"] = "temp"
        confidential["extension"] = [
            {"url": "http://hl7.org/fhir/StructureDefinition/iso21090-AD-use", "valueCode": "CONF"}
        ]
        where.append(confidential)
    telecom = [
        {"system": system, "value": value, "use": "home"}
        for system, value in (("phone", chart.phone or person.phone), ("email", chart.email or person.email))
        if value
    ]
    patient: Json = {
        "resourceType": "Patient",
        "id": chart.id,
        "active": True,
        "identifier": [
            {
                "type": {"coding": [{"system": f"{_TERMINOLOGY}v2-0203", "code": "MR"}]},
                "system": f"{_BASE}mrn",
                "value": chart.id.upper(),
            }
        ],
        "name": [_name(chart.name or person.name)],
        "gender": _SEX[person.sex],
        "birthDate": bundle.day((chart.born or person.born).partition(" ")[0]),
        "address": where,
    }
    if telecom:
        patient["telecom"] = telecom
    if chart.language:
        tag, _, words = chart.language.partition("^")
        language = {"coding": [{"system": "urn:ietf:bcp:47", "code": tag, "display": words}], "text": words}
        patient["communication"] = [{"language": language, "preferred": True}]
    if extensions:
        patient["extension"] = extensions
    return patient


def _lists(bundle: Bundle, chart: Chart) -> None:
    for fact in chart.problems:
        status = "resolved" if fact.until else "active"
        bundle.add(
            "Condition",
            fact.code,
            clinicalStatus=_status("condition-clinical", status),
            verificationStatus=_status("condition-ver-status", "confirmed"),
            category=[_coded("condition-category", "problem-list-item", "Problem List Item")],
            code=_concept(fact.code),
            **({"onsetDateTime": fact.since} if fact.since else {}),
            **({"abatementDateTime": fact.until} if fact.until else {}),
            **({"note": [{"text": fact.note}]} if fact.note else {}),
        )
    for each in chart.medications:
        bundle.add("MedicationStatement", each.code, **_medication(bundle, each))
    for allergy in chart.allergies:
        bundle.add("AllergyIntolerance", allergy.code, **_allergy(allergy))
    if chart.no_known_allergy:
        bundle.add(
            "AllergyIntolerance",
            "none",
            clinicalStatus=_status("allergyintolerance-clinical", "active"),
            verificationStatus=_status("allergyintolerance-verification", "confirmed"),
            code=_concept("716186003^No known allergy^SCT"),
        )


def _status(system: str, code: str) -> Json:
    return {"coding": [{"system": f"{_TERMINOLOGY}{system}", "code": code}]}


def _coded(system: str, code: str, words: str) -> Json:
    return {"coding": [{"system": f"{_TERMINOLOGY}{system}", "code": code, "display": words}]}


def _medication(bundle: Bundle, each: Prescription) -> Json:
    elements: Json = {
        "status": each.status,
        "medicationCodeableConcept": _concept(each.code),
        "effectivePeriod": {"start": each.since if each.since[:1].isdigit() else bundle.day(each.since)},
        "dosage": [{"text": each.how}],
    }
    if each.reason:
        elements["reasonCode"] = [{"text": each.reason}]
    return elements


def _allergy(allergy: AllergyFact) -> Json:
    criticality, severity = _SEVERITIES.get(allergy.severity, ("", ""))
    elements: Json = {
        "clinicalStatus": _status("allergyintolerance-clinical", "active"),
        "verificationStatus": _status("allergyintolerance-verification", "confirmed"),
        "type": "allergy",
        "category": [_ALLERGY_KINDS[allergy.kind]],
        "code": _concept(allergy.code),
    }
    if criticality:
        elements["criticality"] = criticality
    if allergy.reaction:
        reaction: Json = {"manifestation": [{"text": allergy.reaction}]}
        if severity:
            reaction["severity"] = severity
        elements["reaction"] = [reaction]
    return elements


def _visit(bundle: Bundle, visit: Any, clinic: Json) -> None:
    start = bundle.calendar.at(visit.at)
    by = bundle.doctor(visit.by)
    encounter = bundle.add(
        "Encounter",
        visit.at,
        status="finished",
        **{"class": {"system": f"{_TERMINOLOGY}v3-ActCode", "code": "AMB", "display": "ambulatory"}},
        type=[{"text": visit.what}],
        period={"start": fhir_time(start), "end": fhir_time(start + timedelta(minutes=30))},
        participant=[{"type": [_coded("v3-ParticipationType", "ATND", "attender")], "individual": by}],
        serviceProvider=clinic,
        **({"reasonCode": [{"text": visit.reason}]} if visit.reason else {}),
    )
    when = fhir_time(start + timedelta(minutes=6))
    for key, value in visit.vitals.items():
        test = panels()["vitals"].tests[key]
        bundle.add("Observation", f"{visit.at}/{key}", **_observation(test, value, when, "vital-signs", encounter))
    for name, values in visit.labs.items():
        _panel(bundle, panels()[name], values, visit.at, when, encounter)
    if visit.note:
        content = base64.b64encode(visit.note.strip().encode()).decode()
        bundle.add(
            "DocumentReference",
            f"note/{visit.at}",
            status="current",
            docStatus="final",
            type=_concept("34108-1^Outpatient note^LN"),
            date=fhir_time(start + timedelta(minutes=50)),
            author=[by],
            authenticator=by,
            content=[{"attachment": {"contentType": "text/plain; charset=utf-8", "data": content}}],
            context={"encounter": [{"reference": encounter}], "period": {"start": fhir_time(start)}},
        )


def _panel(bundle: Bundle, panel: Panel, values: Json, at: str, when: str, encounter: str) -> None:
    results = [
        {
            "reference": bundle.add(
                "Observation",
                f"{at}/{panel.code}/{key}",
                **_observation(panel.tests[key], value, when, "laboratory", encounter),
            )
        }
        for key, value in values.items()
    ]
    bundle.add(
        "DiagnosticReport",
        f"{at}/{panel.code}",
        status="final",
        category=[_coded("v2-0074", "LAB", "Laboratory")],
        code=_concept(panel.code),
        encounter={"reference": encounter},
        effectiveDateTime=when,
        issued=when,
        result=results,
    )


def _observation(test: Analyte, value: Any, when: str, category: str, encounter: str) -> Json:
    words = {"vital-signs": "Vital Signs", "laboratory": "Laboratory"}[category]
    elements: Json = {
        "status": "final",
        "category": [_coded("observation-category", category, words)],
        "code": _concept(test.code),
        "encounter": {"reference": encounter},
        "effectiveDateTime": when,
    }
    if isinstance(value, str):
        elements["valueString"] = value
        return elements
    code, _, words_of_it = test.unit.partition("^")
    unit = {"unit": words_of_it or code, "system": "http://unitsofmeasure.org", "code": code} if code else {}
    elements["valueQuantity"] = {"value": value, **unit}
    if test.range:
        low, high = bounds(test.range)
        limits = {"low": low, "high": high}
        measured = {name: {"value": float(number), **unit} for name, number in limits.items() if number is not None}
        elements["referenceRange"] = [{**measured, "text": test.range}]
        elements["interpretation"] = [_coded("v3-ObservationInterpretation", flag(value, test), flag(value, test))]
    return elements


def _bookings(bundle: Bundle, chart: Chart) -> None:
    for booking in chart.bookings:
        start = bundle.calendar.at(booking.start)
        accepted = {"status": "accepted"}
        bundle.add(
            "Appointment",
            booking.start,
            status=booking.status,
            appointmentType={"text": booking.what},
            start=fhir_time(start),
            end=fhir_time(start + timedelta(minutes=booking.minutes)),
            participant=[
                {"actor": {"reference": bundle.patient}, **accepted},
                {"actor": bundle.doctor(booking.by), **accepted},
            ],
            **({"reasonCode": [{"text": booking.reason}]} if booking.reason else {}),
        )
