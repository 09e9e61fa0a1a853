"""Patients made for tests; none of them lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Patient = dict[str, Any]


def make_patient(
    family: str = "Lindqvist",
    given: str = "Johanna",
    born: str | None = "1961-04-17",
    sex: str | None = "female",
    *,
    middle: str | None = None,
    suffix: str | None = None,
    mrn: str | None = None,
    ssn: str | None = None,
    phone: str | None = "413-555-0142",
    address: tuple[str, str] | None = ("12 Alder Street", "01060"),
    maiden: str | None = None,
    mother: str | None = None,
    order: int | None = None,
    **more: Any,
) -> Patient:
    """A FHIR Patient with the usual demographics."""
    givens = [part for part in (given, middle) if part]
    name: dict[str, Any] = {"use": "official", "family": family, "given": givens}
    if suffix:
        name["suffix"] = [suffix]
    patient: Patient = {"resourceType": "Patient", "name": [name], **more}
    if maiden:
        patient["name"].append({"use": "maiden", "family": maiden, "given": givens})
    if born:
        patient["birthDate"] = born
    if sex:
        patient["gender"] = sex
    identifiers = []
    if mrn:
        identifiers.append({"system": "urn:mrn", "value": mrn, "type": {"coding": [{"code": "MR"}]}})
    if ssn:
        identifiers.append({"system": "http://hl7.org/fhir/sid/us-ssn", "value": ssn})
    if identifiers:
        patient["identifier"] = identifiers
    if phone:
        patient["telecom"] = [{"system": "phone", "value": phone}]
    if address:
        line, postal = address
        patient["address"] = [{"line": [line], "city": "Northampton", "state": "MA", "postalCode": postal}]
    if mother:
        patient["extension"] = [
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": mother}
        ]
    if order:
        patient["multipleBirthInteger"] = order
    return patient


@pytest.fixture
def patient() -> Callable[..., Patient]:
    return make_patient
