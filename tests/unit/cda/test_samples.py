"""The sample documents: which sections are read, which are kept as text. The table says what each must come to."""

from __future__ import annotations

from collections import Counter

import pytest

from charthouse.exchange.cda.api import sections_as_html
from charthouse.exchange.fhir.api import is_valid
from tests.support.cda import converted, samples

#: Of each document: its kind, how many sections are read, partly read, kept as text only, say nothing; resources.
TABLE: dict[str, tuple[str, dict[str, int], int]] = {
    "170.314B2_Amb_CCD": ("Continuity of care document", {"text": 1, "read": 10, "partly": 1}, 31),
    "C-CDA_R2-1_CCD.xml": ("Continuity of care document", {"read": 15}, 72),
    "CCD-Parent-Document-Replace-C-CDAR2.1": (
        "Continuity of care document",
        {"read": 7, "empty": 10, "text": 3},
        20,
    ),
    "CCD": ("Continuity of care document", {"read": 5, "empty": 2}, 26),
    "CDA_with_Embedded_PDF": ("Personal Advance Care Document", {}, 5),
    "Care_Plan": ("Care plan", {"read": 3, "partly": 1}, 31),
    "Consult-Document-Closing-Referral-C-CDAR2.1": ("Consultation note", {}, 7),
    "Consultation_Note": ("Consultation note", {"read": 10, "text": 3}, 51),
    "Diagnostic_Imaging_Report": ("Diagnostic imaging report", {"read": 3, "text": 1, "partly": 1}, 15),
    "Discharge_Summary": ("Discharge summary", {"read": 12, "text": 9}, 30),
    "History_and_Physical": ("History and physical", {"read": 10, "text": 7}, 50),
    "Operative_Note": ("Operative note", {"read": 7, "text": 9}, 20),
    "PROBLEMS_in_Empty_C-CDA_2.1-C-CDAR2.1": (
        "Continuity of care document",
        {"read": 7, "empty": 10, "text": 3},
        21,
    ),
    "Patient-1": ("Continuity of care document", {"read": 9}, 75),
    "Patient-and-Provider-Organization-Direct-Address-C-CDAR2.1": ("Continuity of care document", {}, 3),
    "Procedure_Note": ("Procedure note", {"text": 8, "read": 8}, 24),
    "Progress_Note": ("Progress note", {"read": 6, "text": 6}, 44),
    "Referral_Note": ("Referral note", {"read": 15, "text": 4}, 73),
    "Transfer_Summary": ("Transfer summary", {"read": 20, "text": 7}, 97),
    "Unstructured_Document_embed": ("Community Health and Hospitals: Discharge Summary (UD)", {}, 6),
    "Unstructured_Document_reference": ("Community Health and Hospitals: Discharge Summary (UD)", {}, 6),
    "sample": ("Discharge Summary (UD)", {}, 6),
}

#: Sections of which something cannot be filed, with the reason; everything else that has entries is read whole.
REASONS: dict[tuple[str, str], list[str]] = {
    ("170.314B2_Amb_CCD", "Plan of Care"): ["A planned encounter says neither what nor when."],
    ("CCD-Parent-Document-Replace-C-CDAR2.1", "Health Concerns"): [
        "Of an act of this kind nothing is filed as data."
    ],
    ("Care_Plan", "Health Status Evaluations/Outcomes Section"): [
        "Of an act of this kind nothing is filed as data."
    ],
    ("Diagnostic_Imaging_Report", "Impressions"): ["Of an act of this kind nothing is filed as data."],
    ("PROBLEMS_in_Empty_C-CDA_2.1-C-CDAR2.1", "Health Concerns"): [
        "Of an act of this kind nothing is filed as data."
    ],
}


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_a_sample_comes_to_what_the_table_says(path: object) -> None:
    from pathlib import Path

    assert isinstance(path, Path)
    data = path.read_bytes()
    found = converted(data)
    kind, outcomes, resources = TABLE[path.stem]
    assert found.kind == kind
    assert dict(Counter(each.outcome for each in found.sections)) == outcomes
    assert len(found.drafts) == resources
    assert not found.faults
    assert {(path.stem, each.title): each.reasons for each in found.sections if each.reasons} == {
        key: reasons for key, reasons in REASONS.items() if key[0] == path.stem
    }
    for draft in found.drafts:
        assert is_valid(draft.resource)
    texts = {each.number: each.html for each in sections_as_html(data)}
    for section in found.sections:
        assert bool(texts[section.number]) == section.narrative, section


def test_all_samples_are_in_the_table() -> None:
    if not samples():
        pytest.skip("CHARTHOUSE_SAMPLES names no folder of sample data")
    assert {path.stem for path in samples()} == set(TABLE) and len(TABLE) == 22
