"""What the clinic sends: one FHIR R4 transaction bundle for each visit, with the clinic's own numbers."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from .course import healthy_vitals, ordinary, rounded
from .documents import office_note, shown
from .feed import Message
from .items import Stay
from .panels import Analyte, bounds, flag, panels
from .population import WINDOW, Person
from .scribe import Scribe
from .staff import CLINIC, Practitioner, staff

Json = dict[str, Any]
_BASE = "https://millbrook.example/fhir/"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_SYSTEMS = {
    "LN": "http://loinc.org",
    "L": f"{_BASE}codes",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
}
_SEX = {"F": "female", "M": "male"}
_TAGS = {"spa": "es", "vie": "vi", "hmn": "hmn", "som": "so", "eng": "en"}
_REASONS = (
    ("Diabetes follow-up", "E11.9^Type 2 diabetes mellitus without complications^I10C", 40, 3.0, ("a1c", "lipid")),
    ("Blood pressure follow-up", "I10^Essential (primary) hypertension^I10C", 35, 4.0, ("bmp",)),
    ("Thyroid follow-up", "E03.9^Hypothyroidism, unspecified^I10C", 30, 1.0, ("thyroid",)),
    ("Annual examination", "Z00.00^Encounter for general adult medical examination without abnormal findings^I10C",
     18, 4.0, ()),
    ("Well child visit", "Z00.129^Encounter for routine child health examination without abnormal findings^I10C",
     0, 1.0, ()),
)  # fmt: skip
_CHILD_SHOTS = ("20^DTaP^CVX", "10^IPV^CVX", "03^MMR^CVX", "21^varicella^CVX")
_ADULT_SHOTS = (
    "150^influenza, injectable, quadrivalent, preservative free^CVX",
    "115^Tdap^CVX",
    "187^zoster recombinant^CVX",
)


def visits_of(rng: Random, seed: int, person: Person, stays: list[Stay], anchor: datetime) -> Iterator[Message]:
    """The bundles of a person whom the clinic knows, in time order."""
    family = staff(seed)["FAM"]
    doctor = family[person.number % len(family)]
    begin = max(anchor - timedelta(days=WINDOW), datetime.combine(person.born, datetime.min.time(), anchor.tzinfo))
    until = next((stay.start for stay in stays if stay.died), anchor)
    span = (until - begin).total_seconds() / 86_400
    scribe = Scribe(rng, {"town": person.address[1]})
    moments = []
    for _ in range(rng.choice((1, 1, 2, 2, 3))):
        at = begin + timedelta(days=rng.uniform(3, max(4, span)))
        at = at.replace(hour=rng.randrange(8, 17), minute=rng.choice((0, 15, 30, 45)), second=0, microsecond=0)
        if at < until - timedelta(hours=12) and not any(
            stay.start - timedelta(days=1) < at < stay.end + timedelta(days=1) for stay in stays
        ):
            moments.append(at)
    for place, at in enumerate(sorted(set(moments)), 1):
        bundle = _Bundle(person, at, doctor)
        bundle.visit(rng, scribe, place)
        control = f"MB{person.number:06d}{place:02d}"
        data = orjson.dumps(
            {"resourceType": "Bundle", "id": control, "type": "transaction", "entry": bundle.entries}
        )
        yield Message(at + timedelta(hours=1), "Bundle", control, data, bundle=True)


class _Bundle:
    """One visit's bundle as it grows."""

    def __init__(self, person: Person, at: datetime, doctor: Practitioner) -> None:
        self.person, self.at, self.doctor = person, at, doctor
        self.entries: list[Json] = []
        self.patient = f"Patient/{person.clinic_id}"

    def put(self, kind: str, number: str, elements: Json) -> str:
        reference = f"{kind}/{number}"
        self.entries.append(
            {
                "fullUrl": f"{_BASE}{reference}",
                "resource": {"resourceType": kind, "id": number, **elements},
                "request": {"method": "PUT", "url": reference},
            }
        )
        return reference

    def add(self, kind: str, key: str, elements: Json, subject: str = "subject") -> str:
        number = str(uuid5(NAMESPACE_URL, f"{_BASE}{kind}/{self.person.clinic_id}/{key}"))
        return self.put(kind, number, {**elements, subject: {"reference": self.patient}})

    def visit(self, rng: Random, scribe: Scribe, place: int) -> None:
        person, at = self.person, self.at
        age = person.age(at.date())
        self.put("Patient", person.clinic_id, _patient(person, at))
        doctor = self.put("Practitioner", f"mb-{self.doctor.npi}", {
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": self.doctor.npi}],
            "name": [{"family": self.doctor.family, "given": [self.doctor.given], "suffix": [self.doctor.degree]}],
        })  # fmt: skip
        clinic = self.put("Organization", "millbrook-clinic", {"name": CLINIC})
        some = [each for each in _REASONS if (age >= each[2] if age >= 18 else each[2] == 0)]
        reason, code, _, _, labs = rng.choices(
            [each for each in some if age < 18 or each[2]], [each[3] for each in some if age < 18 or each[2]]
        )[0]
        key = f"{at:%Y%m%d%H%M}"
        encounter = self.add("Encounter", key, {
            "status": "finished",
            "class": {"system": f"{_TERMINOLOGY}v3-ActCode", "code": "AMB", "display": "ambulatory"},
            "type": [{"text": reason}],
            "period": {"start": _time(at), "end": _time(at + timedelta(minutes=30))},
            "participant": [{"individual": {"reference": doctor}}],
            "serviceProvider": {"reference": clinic},
            "reasonCode": [_concept(code)],
        })  # fmt: skip
        if not code.startswith("Z"):
            self.add("Condition", code.partition("^")[0], {
                "clinicalStatus": _status("condition-clinical", "active"),
                "verificationStatus": _status("condition-ver-status", "confirmed"),
                "category": [_coded("condition-category", "problem-list-item", "Problem List Item")],
                "code": _concept(code),
            })  # fmt: skip
        values = healthy_vitals(rng, age)
        for name in ("HR", "SBP", "DBP", "T"):
            self.add("Observation", f"{key}/{name}", self._observation(
                panels()["vitals"].tests[name], values[name], "vital-signs", encounter))  # fmt: skip
        for name in labs:
            self._panel(rng, name, key, encounter)
        note = office_note(rng, scribe, self.doctor, reason, shown(values), at)
        self.add("DocumentReference", f"note/{key}", {
            "status": "current", "docStatus": "final",
            "type": _concept("34108-1^Outpatient note^LN"),
            "date": _time(at + timedelta(minutes=50)),
            "author": [{"reference": doctor}], "authenticator": {"reference": doctor},
            "content": [{"attachment": {"contentType": "text/plain; charset=utf-8",
                                        "data": base64.b64encode(note.encode()).decode()}}],
            "context": {"encounter": [{"reference": encounter}], "period": {"start": _time(at)}},
        })  # fmt: skip
        if place == 1 and rng.random() < 0.6:
            shots = _CHILD_SHOTS if age < 12 else _ADULT_SHOTS
            for shot in rng.sample(shots, 1):
                self.add("Immunization", f"{shot}/{key}", {
                    "status": "completed", "vaccineCode": _concept(shot),
                    "occurrenceDateTime": at.date().isoformat(), "primarySource": True,
                    "lotNumber": f"MB{rng.randrange(1000, 9999)}",
                }, "patient")  # fmt: skip
        for allergy in person.allergies if place == 1 else ():
            substance = allergy.code.split("^")[1]
            self.add("AllergyIntolerance", substance, {
                "clinicalStatus": _status("allergyintolerance-clinical", "active"),
                "verificationStatus": _status("allergyintolerance-verification", "confirmed"),
                "type": "allergy",
                "code": {"text": substance},
                "reaction": [{"manifestation": [{"text": allergy.reaction}]}],
            }, "patient")  # fmt: skip

    def _panel(self, rng: Random, name: str, key: str, encounter: str) -> None:
        panel = panels()[name]
        results = []
        for test_key, test in panel.tests.items():
            value = rng.gauss(7.1, 0.9) if test_key == "A1C" else ordinary(rng, test)
            elements = self._observation(test, rounded(value, test), "laboratory", encounter)
            results.append({"reference": self.add("Observation", f"{key}/{name}/{test_key}", elements)})
        self.add("DiagnosticReport", f"{key}/{name}", {
            "status": "final", "category": [_coded("v2-0074", "LAB", "Laboratory")], "code": _concept(panel.code),
            "encounter": {"reference": encounter}, "effectiveDateTime": _time(self.at), "issued": _time(self.at),
            "result": results,
        })  # fmt: skip

    def _observation(self, test: Analyte, value: Any, category: str, encounter: str) -> Json:
        words = {"vital-signs": "Vital Signs", "laboratory": "Laboratory"}[category]
        code, _, shown_unit = test.unit.partition("^")
        unit = {"unit": shown_unit or code, "system": "http://unitsofmeasure.org", "code": code} if code else {}
        elements: Json = {
            "status": "final",
            "category": [_coded("observation-category", category, words)],
            "code": _concept(test.code),
            "encounter": {"reference": encounter},
            "effectiveDateTime": _time(self.at + timedelta(minutes=6)),
            "valueQuantity": {"value": value, **unit},
        }
        if test.range:
            low, high = bounds(test.range)
            limits = {"low": low, "high": high}
            measured = {
                each: {"value": float(number), **unit} for each, number in limits.items() if number is not None
            }
            mark = flag(value, test)
            elements["referenceRange"] = [{**measured, "text": test.range}]
            elements["interpretation"] = [_coded("v3-ObservationInterpretation", mark, mark)]
        return elements


def _patient(person: Person, at: datetime) -> Json:
    family = person.former if person.renamed and at.date() < person.renamed else person.family
    name: Json = {"use": "official", "family": family, "given": [person.given]}
    if person.middle:
        name["given"].append(person.middle)
    if person.suffix:
        name["suffix"] = [person.suffix]
    street, town, state, code = person.address
    telecom = [{"system": "phone", "value": person.phone, "use": "home"}]
    if person.email:
        telecom.append({"system": "email", "value": person.email})
    tag, words, _ = person.language.split("^")
    patient: Json = {
        "active": True,
        "identifier": [
            {
                "type": {"coding": [{"system": f"{_TERMINOLOGY}v2-0203", "code": "MR"}]},
                "system": f"{_BASE}mrn",
                "value": person.clinic_id.upper(),
            }
        ],
        "name": [name],
        "gender": _SEX[person.sex],
        "birthDate": person.born.isoformat(),
        "address": [
            {"use": "home", "line": [street], "city": town, "state": state, "postalCode": code, "country": "USA"}
        ],
        "telecom": telecom,
        "communication": [
            {
                "language": {
                    "coding": [{"system": "urn:ietf:bcp:47", "code": _TAGS.get(tag, tag), "display": words}],
                    "text": words,
                },
                "preferred": True,
            }
        ],
    }
    if person.interpreter:
        patient["extension"] = [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired",
                "valueBoolean": True,
            }
        ]
    return patient


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _status(system: str, code: str) -> Json:
    return {"coding": [{"system": f"{_TERMINOLOGY}{system}", "code": code}]}


def _coded(system: str, code: str, words: str) -> Json:
    return {"coding": [{"system": f"{_TERMINOLOGY}{system}", "code": code, "display": words}]}


def _concept(code: str) -> Json:
    value, words, system = code.split("^")
    return {"coding": [{"system": _SYSTEMS[system], "code": value, "display": words}], "text": words}
