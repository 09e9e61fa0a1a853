"""What was dispensed and what was given goes out in a document and comes back the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.exchange.cda.api import Contents, DocumentKind, Keeper, write
from tests.support.cda import converted
from tests.support.cda_essentials import gathered

ZONE = ZoneInfo("America/Chicago")
KEEPER = Keeper("Harbor Regional Medical Center", "2.16.840.1.113883.19.5")
PATIENT = {
    "resourceType": "Patient", "id": "p1", "birthDate": "1961-04-17",
    "name": [{"family": "Marsh", "given": ["Ida"]}],
    "identifier": [{"system": "urn:oid:2.16.840.1.113883.19.5", "value": "100"}],
}  # fmt: skip
ORDER = {
    "resourceType": "MedicationRequest", "id": "r1", "status": "active", "intent": "plan",
    "subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": {"text": "Enalapril 10 mg tablets"},
}  # fmt: skip

said = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=20)
sentences = st.lists(said, min_size=1, max_size=4).map(" ".join)
codes = st.builds(
    lambda code, display: {
        "coding": [{"system": "http://snomed.info/sct", "code": str(code), "display": display}], "text": display,
    },
    st.integers(10_000_000, 99_999_999), sentences,
)  # fmt: skip
drugs = st.one_of(codes, sentences.map(lambda words: {"text": words}))
amounts = st.builds(
    lambda value, unit: {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    st.one_of(st.integers(0, 5_000), st.sampled_from([0.5, 2.25, 0.125])),
    st.sampled_from(["mg", "mL", "{tablet}", "1"]),
)  # fmt: skip
moments = st.integers(631_152_000, 1_893_456_000).map(lambda at: datetime.fromtimestamp(at, ZONE).isoformat())
notes = st.lists(sentences.map(lambda words: {"text": words}), max_size=2, unique_by=lambda each: each["text"])


def maybe(strategy: Any) -> Any:
    return st.one_of(st.none(), strategy)


def made(kind: str, number: int, **elements: Any) -> dict[str, Any]:
    told = {name: value for name, value in elements.items() if value not in (None, [], {})}
    return {"resourceType": kind, "id": f"{kind.lower()}{number}", "subject": {"reference": "Patient/p1"}, **told}


dispenses = st.lists(
    st.builds(
        lambda **elements: elements,
        status=st.sampled_from(
            ["preparation", "in-progress", "completed", "stopped", "cancelled", "declined", "on-hold", "unknown"]
        ),
        medicationCodeableConcept=drugs, quantity=maybe(amounts), whenHandedOver=maybe(moments), note=notes,
        authorizingPrescription=st.sampled_from([None, [{"reference": "MedicationRequest/r1"}]]),
    ),
    max_size=3,
)  # fmt: skip
dosages = st.builds(
    lambda **elements: {name: value for name, value in elements.items() if value is not None},
    text=maybe(sentences), route=maybe(codes), site=maybe(codes), dose=maybe(amounts), rateQuantity=maybe(amounts),
)  # fmt: skip
administrations = st.lists(
    st.builds(
        lambda **elements: elements,
        status=st.sampled_from(["in-progress", "completed", "stopped", "on-hold", "not-done", "unknown"]),
        medicationCodeableConcept=drugs, effectiveDateTime=moments, dosage=dosages,
        reasonCode=st.lists(codes, max_size=1), note=notes,
    ),
    max_size=3,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(dispenses, administrations)
def test_what_was_dispensed_and_given_comes_back_the_same(
    supplied: list[dict[str, Any]], given_: list[dict[str, Any]]
) -> None:
    sent = [
        *(made("MedicationDispense", number, **each) for number, each in enumerate(supplied)),
        *(made("MedicationAdministration", number, **each) for number, each in enumerate(given_)),
    ]
    written = write(
        DocumentKind.CCD, Contents(PATIENT, [ORDER, *sent]), KEEPER,
        id="5f0c6d1e-6b0f-4b52-9a3c-51b7f6c3a001", at=datetime(2026, 3, 2, 12, tzinfo=ZONE), by="A. Clerk",
    )  # fmt: skip
    assert {(each["resourceType"], each["id"]) for each in sent} <= set(written.items)
    found = converted(written.content)
    assert not found.faults and all(each.outcome in ("read", "empty") for each in found.sections), found.sections
    kinds = ("MedicationDispense", "MedicationAdministration")
    back = [draft.resource for draft in found.drafts if draft.type in kinds]
    here, there = gathered(sent), gathered(back)
    assert here == there, (here - there, there - here)
    (order,) = [draft for draft in found.drafts if draft.type == "MedicationRequest"]
    named = [one for each in back for one in each.get("authorizingPrescription", ())]
    assert all(one["reference"] == order.reference for one in named)
