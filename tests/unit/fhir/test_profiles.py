"""Profiles that were loaded, in the manner of US Core: what they ask for, and what is refused when loading."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from charthouse.exchange.fhir.conformance.api import Library, ProfileError, check, read_profile
from charthouse.fhir.actions.load_profiles import load_profiles, remove_profiles
from charthouse.fhir.profiles import loaded, loaded_rows
from charthouse.foundation.access.api import system_context

SYSTEM = system_context("tests")
BASE = "http://example.org/fhir/"
MRN = "http://example.org/mrn"


def profile(name: str, kind: str, *elements: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": BASE + name,
        "name": name,
        "type": kind,
        "kind": "resource",
        "derivation": "constraint",
        "snapshot": {"element": [{"id": kind, "path": kind, "min": 0, "max": "*"}, *elements]},
    }


def element(id: str, least: int = 0, most: str = "*", **more: Any) -> dict[str, Any]:
    return {"id": id, "path": id, "min": least, "max": most, **more}


PATIENT = profile(
    "patient",
    "Patient",
    element(
        "Patient.identifier", 1, slicing={"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}
    ),
    element("Patient.identifier:mrn", 1, "1"),
    element("Patient.identifier:mrn.system", 1, "1", fixedUri=MRN),
    element("Patient.identifier:mrn.value", 1, "1"),
    element("Patient.extension", slicing={"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}),
    element("Patient.extension:race", 0, "1", type=[{"code": "Extension", "profile": [BASE + "race"]}]),
    element(
        "Patient.name",
        1,
        constraint=[
            {
                "key": "x-1",
                "severity": "error",
                "human": "A family or a given name.",
                "expression": "family.exists() or given.exists()",
            }
        ],
    ),
    element(
        "Patient.generalPractitioner",
        0,
        "1",
        type=[
            {
                "code": "Reference",
                "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Practitioner"],
            }
        ],
    ),
)
RACE = profile(
    "race",
    "Extension",
    element("Extension.url", 1, "1", fixedUri=BASE + "race"),
    element("Extension.value[x]", 1, "1", type=[{"code": "Coding"}]),
)
OBSERVATION = profile(
    "observation",
    "Observation",
    element(
        "Observation.category",
        1,
        slicing={"discriminator": [{"type": "pattern", "path": "$this"}], "rules": "closed"},
    ),
    element(
        "Observation.category:lab",
        1,
        "1",
        patternCodeableConcept={"coding": [{"system": "urn:cat", "code": "laboratory"}]},
    ),
    element("Observation.code", 1, "1", binding={"strength": "required", "valueSet": BASE + "codes|1.0"}),
    element(
        "Observation.value[x]",
        0,
        "1",
        type=[{"code": "Quantity"}, {"code": "string"}],
        slicing={"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"},
    ),
    element("Observation.value[x]:valueQuantity", 0, "1", type=[{"code": "Quantity"}]),
    element("Observation.value[x]:valueQuantity.unit", 1, "1"),
    element(
        "Observation.component",
        0,
        slicing={"discriminator": [{"type": "exists", "path": "dataAbsentReason"}], "rules": "open"},
    ),
    element("Observation.component:absent", 0, "1"),
    element("Observation.component:absent.dataAbsentReason", 1, "1"),
)
CODES = {
    "resourceType": "ValueSet",
    "url": BASE + "codes",
    "title": "Codes of ours",
    "compose": {"include": [{"system": "http://loinc.org", "concept": [{"code": "8302-2"}]}]},
}
LIBRARY = Library([PATIENT, RACE, OBSERVATION], [CODES])

GOOD_PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "meta": {"profile": [BASE + "patient|2.0"]},
    "identifier": [{"system": MRN, "value": "1"}, {"system": "urn:other", "value": "2"}],
    "name": [{"family": "Muster"}],
    "extension": [{"url": BASE + "race", "valueCoding": {"code": "x"}}],
}
GOOD_OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "meta": {"profile": [BASE + "observation"]},
    "status": "final",
    "category": [{"coding": [{"system": "urn:cat", "code": "laboratory", "display": "Laboratory"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
    "valueQuantity": {"value": 1.5, "unit": "m"},
}


def found(resource: dict[str, Any], library: Library = LIBRARY) -> list[tuple[str, str]]:
    return [(each.code, each.path) for each in check(resource, library).findings]


def test_what_keeps_to_its_profile_has_no_finding() -> None:
    assert found(GOOD_PATIENT) == [] and found(GOOD_OBSERVATION) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"identifier": [{"system": "urn:other", "value": "2"}]}, [("required", "Patient.identifier")]),
        (
            {"identifier": [{"system": MRN, "value": "1"}, {"system": MRN, "value": "2"}]},
            [("structure", "Patient.identifier")],
        ),
        ({"identifier": [{"system": MRN}]}, [("required", "Patient.identifier[0].value")]),
        (
            {
                "identifier": [
                    {"system": MRN, "_value": {"extension": [{"url": "urn:hidden", "valueCode": "masked"}]}}
                ]
            },
            [],
        ),
        ({"name": [{"text": "Muster"}]}, [("invariant", "Patient.name[0]")]),
        (
            {"extension": [{"url": BASE + "race", "valueString": "x"}]},
            [("value", "Patient.extension[0].valueString")],
        ),
        ({"extension": [{"url": "urn:other", "valueString": "x"}]}, []),
        ({"generalPractitioner": [{"reference": "Organization/o"}]}, [("value", "Patient.generalPractitioner[0]")]),
    ],
)
def test_patients(change: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found({**GOOD_PATIENT, **change}) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}},
            [("code-invalid", "Observation.code")],
        ),
        ({"category": [*GOOD_OBSERVATION["category"], {"text": "mine"}]}, [("value", "Observation.category[1]")]),
        ({"valueQuantity": {"value": 2}}, [("required", "Observation.valueQuantity.unit")]),
        (
            {
                "component": [
                    {"code": {"text": "a"}, "dataAbsentReason": {"text": "b"}},
                    {"code": {"text": "a"}, "dataAbsentReason": {"text": "b"}},
                ]
            },
            [("structure", "Observation.component")],
        ),
    ],
)
def test_observations(change: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found({**GOOD_OBSERVATION, **change}) == expected


def test_who_claims_nothing_is_held_to_it_only_where_the_site_says_so() -> None:
    unclaimed = {"resourceType": "Patient", "name": [{"family": "Muster"}]}
    assert found(unclaimed) == []
    assert found(unclaimed, Library([PATIENT], for_all=[BASE + "patient"])) == [
        ("required", "Patient.identifier"),
        ("required", "Patient.identifier"),
    ]
    assert len(check(unclaimed, LIBRARY, [BASE + "patient"]).findings) == 2


def test_a_slicing_that_cannot_be_told_apart_finds_nothing() -> None:
    by_target = profile(
        "p",
        "Patient",
        element(
            "Patient.link",
            slicing={"discriminator": [{"type": "type", "path": "other.resolve()"}], "rules": "closed"},
        ),
        element("Patient.link:a", 1, "1"),
    )
    link = {"other": {"reference": "Patient/o"}, "type": "seealso"}
    assert found({"resourceType": "Patient", "link": [link]}, Library([by_target], for_all=[BASE + "p"])) == []


def test_a_profile_without_snapshot_is_refused() -> None:
    with pytest.raises(ProfileError, match="no snapshot"):
        read_profile({**PATIENT, "snapshot": None})


def _package(path: Path, *definitions: dict[str, Any]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in [
            ("package/package.json", {"name": "x"}),
            ("package/example/Patient-1.json", {"resourceType": "ValueSet", "url": "urn:example"}),
            *((f"package/{number}.json", each) for number, each in enumerate(definitions)),
        ]:
            data = orjson.dumps(content)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.database
def test_packages_are_loaded_listed_and_removed(db: None, tmp_path: Path) -> None:
    package = _package(tmp_path / "core.tgz", PATIENT, RACE, CODES)
    assert load_profiles(SYSTEM, package, for_all=True) == {"StructureDefinition": 2, "ValueSet": 1}
    assert {row.url for row in loaded_rows(SYSTEM) if row.for_all} == {BASE + "patient"}
    assert set(loaded().profiles) == {BASE + "patient", BASE + "race"}
    alone = tmp_path / "one.json"
    alone.write_bytes(orjson.dumps({"resourceType": "Bundle", "entry": [{"resource": OBSERVATION}]}))
    assert load_profiles(SYSTEM, alone) == {"StructureDefinition": 1, "ValueSet": 0}
    assert found(GOOD_OBSERVATION, loaded()) == [], "a value set that is there, and the code is of it"
    assert remove_profiles(SYSTEM, "core.tgz") == 3
    assert set(loaded().profiles) == {BASE + "observation"}
    with pytest.raises(ProfileError, match="Nothing is loaded"):
        remove_profiles(SYSTEM, "core.tgz")


@pytest.mark.database
def test_a_package_is_loaded_whole_or_not_at_all(db: None, tmp_path: Path) -> None:
    bad = {**PATIENT, "url": BASE + "z", "snapshot": {"element": []}}
    with pytest.raises(ProfileError, match="no snapshot"):
        load_profiles(SYSTEM, _package(tmp_path / "a.tgz", PATIENT, bad))
    assert loaded_rows(SYSTEM) == []
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(ProfileError, match="no JSON"):
        load_profiles(SYSTEM, tmp_path / "b.json")
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profiles(SYSTEM, tmp_path / "none.json")
