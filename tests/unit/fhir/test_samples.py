"""The 92,114 sample resources: all split and right; those of every fourth patient rewritten and indexed."""

from __future__ import annotations

import bz2
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from charthouse.exchange.fhir.api import (
    Entry,
    Form,
    encounter_of,
    extract,
    is_valid,
    main_date,
    patient_of,
    rewrite,
    split,
)

pytestmark = pytest.mark.samples

TYPES = {
    "Observation": 42929,
    "Claim": 9856,
    "DiagnosticReport": 8229,
    "MedicationRequest": 5087,
    "Encounter": 4769,
    "DocumentReference": 4769,
    "ExplanationOfBenefit": 4769,
    "Procedure": 3608,
    "SupplyDelivery": 1886,
    "Immunization": 1616,
    "Condition": 1597,
    "CareTeam": 540,
    "CarePlan": 540,
    "Medication": 326,
    "MedicationAdministration": 326,
    "Practitioner": 195,
    "PractitionerRole": 195,
    "Organization": 194,
    "Location": 194,
    "ImagingStudy": 145,
    "Patient": 120,
    "Provenance": 120,
    "AllergyIntolerance": 76,
    "Device": 28,
}
IN_A_CHART = frozenset(TYPES) - {
    *("Medication", "Practitioner", "PractitionerRole", "Organization", "Location"),
}


@dataclass
class Seen:
    """What came of going through all samples once; the latter part of every fourth bundle."""

    types: Counter[str] = field(default_factory=Counter)
    invalid: list[str] = field(default_factory=list)
    displaced: int = 0
    looked_at: Counter[str] = field(default_factory=Counter)
    unresolved: Counter[str] = field(default_factory=Counter)
    with_patient: Counter[str] = field(default_factory=Counter)
    with_encounter: Counter[str] = field(default_factory=Counter)
    with_date: Counter[str] = field(default_factory=Counter)
    rows: int = 0

    def read(self, text: bytes, name: str) -> list[tuple[Entry, dict[str, Any]]]:
        """Split, parse and check one bundle."""
        found = split(text)
        assert found.form is Form.BUNDLE
        assert found.envelope is not None
        entries = [(entry, entry.parse()) for entry in found]
        assert len(entries) == found.envelope.count
        for entry, resource in entries:
            self.types[resource["resourceType"]] += 1
            if not is_valid(resource):
                self.invalid.append(f"{name} {entry.index}")
            if not text.startswith(entry.original, entry.offset):
                self.displaced += 1
        return entries

    def file(self, entries: list[tuple[Entry, dict[str, Any]]]) -> None:
        """Rewrite and index the entries of one bundle, as filing does."""
        names = {entry.full_url: f"{resource['resourceType']}/{resource['id']}" for entry, resource in entries}

        def resolve(reference: str) -> str | None:
            return names.get(reference) or ("Practitioner/known" if "?identifier=" in reference else None)

        for entry, resource in entries:
            kind = resource["resourceType"]
            changed, left = rewrite(entry.resource, resolve)
            ours = orjson.loads(changed)
            patient, encounter = patient_of(ours), encounter_of(ours)
            self.looked_at[kind] += 1
            self.unresolved.update(left)
            self.with_patient[kind] += patient is not None and patient.startswith("Patient/")
            self.with_encounter[kind] += encounter is not None and encounter.startswith("Encounter/")
            self.with_date[kind] += main_date(ours) is not None
            self.rows += len(extract(ours, patient, encounter))


@pytest.fixture(scope="module")
def seen(synthea: list[Path]) -> Seen:
    """One pass over every bundle."""
    result = Seen()
    with ThreadPoolExecutor(2) as pool:  # decompressing takes the most time, and leaves Python free meanwhile
        for first in range(0, len(synthea), 8):
            paths = synthea[first : first + 8]
            for number, text in enumerate(pool.map(lambda path: bz2.decompress(path.read_bytes()), paths), first):
                entries = result.read(text, synthea[number].name)
                if number % 4 == 0:
                    result.file(entries)
    return result


def test_all_are_there(seen: Seen) -> None:
    assert seen.types == TYPES
    assert seen.types.total() == 92_114
    assert seen.displaced == 0


def test_all_keep_to_the_schema(seen: Seen) -> None:
    assert seen.invalid == []


def test_all_references_lead_somewhere(seen: Seen) -> None:
    assert not seen.unresolved


def test_charts_get_what_is_theirs(seen: Seen) -> None:
    for kind in IN_A_CHART & set(seen.looked_at):
        assert seen.with_patient[kind] == seen.looked_at[kind], kind
    for kind in ("Observation", "DiagnosticReport", "DocumentReference", "Encounter", "Procedure", "Condition"):
        assert seen.with_encounter[kind] == seen.with_date[kind] == seen.looked_at[kind] > 0, kind


def test_the_index_keeps_its_budget(seen: Seen, record_property: pytest.RecordProperty) -> None:
    each = seen.rows / seen.looked_at.total()
    record_property("index_rows_per_resource", round(each, 2))
    print(f"\n{each:.2f} index rows a resource")
    assert 5 < each <= 12
