"""The HL7 v2 sample files: each is filed, or refused with the right reason. The table says which and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

#: What is not filed whole, taken in the order of names into an empty record: (state, [(code, place)], why).
NOT_FILED: dict[str, tuple[str, list[tuple[str, str]], str]] = {
    "ADT-A40-01.hl7": (
        "partly", [("unknown-prior", "MRG[1]")],
        "The patient of MRG-1 was never sent; the survivor is filed, the merge waits.",
    ),
    "ADT-A40-02.hl7": (
        "unfiled", [("other-patient", "PID[2]")],
        "The second patient's account number belongs to the patient of earlier files.",
    ),
    "ADT-A41-02.hl7": (
        "unfiled", [("not-hl7", "MRG-3 (line 6)")],
        "A41 merges accounts, and the second MRG names none.",
    ),
    "BAR-P02-02.hl7": (
        "unfiled", [("other-patient", "PID[2]")],
        "The second patient's account number belongs to the patient of earlier files.",
    ),
}  # fmt: skip

#: The types each family of messages must bring, whatever else it brings.
BRINGS = {
    "ADT^A01": {"Patient", "Encounter"},
    "ADT^A02": {"Patient", "Encounter"},
    "ADT^A03": {"Patient", "Encounter"},
    "ADT^A04": {"Patient", "Encounter"},
    "ADT^A05": {"Patient", "Encounter"},
    "ADT^A06": {"Patient", "Encounter"},
    "ADT^A07": {"Patient", "Encounter"},
    "ADT^A08": {"Patient", "Encounter"},
    "ADT^A11": {"Patient", "Encounter"},
    "ADT^A13": {"Patient", "Encounter"},
    "ADT^A28": {"Patient"},
    "ADT^A31": {"Patient"},
    "BAR^P01": {"Patient", "Account"},
    "BAR^P12": {"Patient", "Account", "Condition", "Procedure"},
    "DFT^P03": {"Patient", "Account", "ChargeItem"},
    "DFT^P11": {"Patient", "Account", "ChargeItem"},
    "MDM^T01": {"Patient", "DocumentReference"},
    "MDM^T02": {"Patient", "DocumentReference"},
    "MDM^T05": {"Patient", "DocumentReference"},
    "MDM^T06": {"Patient", "DocumentReference"},
    "MDM^T09": {"Patient", "DocumentReference"},
    "MDM^T10": {"Patient", "DocumentReference"},
    "OMG^O19": {"Patient", "ServiceRequest"},
    "OML^O21": {"Patient", "ServiceRequest", "Specimen"},
    "ORM^O01": {"Patient"},
    "ORU^R01": {"Patient", "DiagnosticReport", "Observation"},
    "OUL^R22": {"Patient", "DiagnosticReport", "Observation", "Specimen"},
    "OUL^R23": {"Patient", "DiagnosticReport", "Observation", "Specimen"},
    "OUL^R24": {"Patient", "DiagnosticReport", "Observation"},
    "PPR^PC2": {"Patient", "Condition"},
    "PPR^PC3": {"Patient", "Condition"},
    "RDE^O11": {"Patient", "MedicationRequest"},
    "RDE^O25": {"Patient", "MedicationRequest"},
    "RDS^O13": {"Patient", "MedicationDispense"},
    "REF^I12": {"Patient", "ServiceRequest"},
    "REF^I14": {"Patient", "ServiceRequest"},
    "SIU^S12": {"Patient", "Appointment"},
    "SIU^S13": {"Patient", "Appointment"},
    "SIU^S14": {"Patient", "Appointment"},
    "SIU^S15": {"Patient", "Appointment"},
    "SIU^S16": {"Patient", "Appointment"},
    "SIU^S17": {"Patient", "Appointment"},
    "SIU^S26": {"Patient", "Appointment"},
    "VXU^V04": {"Patient", "Immunization"},
}


@pytest.mark.samples
def test_every_sample_file_is_filed_or_refused_with_its_reason(inbox: Any, samples: Path) -> None:
    files = sorted((samples / "hl7v2").glob("*.hl7"))
    assert len(files) == 93
    wrong = []
    for path in files:
        (taken,) = inbox.take(path)
        state, problems, _why = NOT_FILED.get(path.name, ("filed", [], ""))
        found = [(each.code, each.place) for each in taken.result.problems]
        if (taken.result.state.value, found) != (state, problems):
            wrong.append((path.name, taken.kind, taken.result.state.value, taken.result.problems))
        if state == "filed" and (missing := BRINGS.get(taken.kind, set()) - set(taken.result.types)):
            wrong.append((path.name, taken.kind, "lacks", missing))
    assert wrong == []
    assert inbox.one("SELECT count(*) FROM intake_message") == 93
    assert inbox.one("SELECT count(*) FROM intake_queue") == 0
    # The same again files nothing more.
    before = inbox.one("SELECT count(*) FROM record_version")
    for path in files:
        (taken,) = inbox.take(path)
        assert taken.receipt.duplicate_of is not None
    assert inbox.one("SELECT count(*) FROM record_version") == before


@pytest.mark.samples
def test_the_sample_files_by_way_of_the_queue_end_the_same(inbox: Any, samples: Path) -> None:
    files = sorted((samples / "hl7v2").glob("*.hl7"))
    numbers = {inbox.take_one(path, file=False).receipt.message: path.name for path in files}
    assert inbox.one("SELECT count(DISTINCT message) FROM intake_queue") == 93
    results = {numbers[each.message]: each for each in inbox.file_waiting()}
    assert len(results) == 93
    for name, result in results.items():
        state, problems, _why = NOT_FILED.get(name, ("filed", [], ""))
        assert (name, result.state.value) == (name, state), result.problems
        assert [(each.code, each.place) for each in result.problems] == problems
