"""Every file of the HL7 samples is filed, or refused for a right reason.

Beside each file stands what a reader of the file expects of it: per patient what happens to the visit, the
patient's own resources (the Patient itself, practitioners, places and organizations are not counted), and merges.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from charthouse.exchange.fhir.api import validate
from charthouse.exchange.hl7v2.api import Hl7Error, Plan, parse, split_batch, to_fhir
from charthouse.foundation.ids import named_id
from charthouse.intake.domain.visits import apply_visit

FOLDER = Path(os.environ.get("CHARTHOUSE_SAMPLES", "/nonexistent")) / "hl7v2"
pytestmark = [
    pytest.mark.samples,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="CHARTHOUSE_SAMPLES names no folder with hl7v2 samples"),
]
ZONE = ZoneInfo("America/Chicago")


def plan(visit: str, resources: str, merges: str = "") -> tuple[str, Counter[str], list[str]]:
    """An expectation: the visit's effect, resources as ``Type`` or ``Type*2``, merges as ``kind-action``."""
    counts: Counter[str] = Counter()
    for word in resources.split():
        name, _, number = word.partition("*")
        counts[name] += int(number or 1)
    return visit, counts, merges.split()


# PID-18 gives an Account. NK1 and GT1 give a RelatedPerson each (a guarantor who is the patient gives none), and so
# does an IN1 whose insured is another person. PDA and OBX give Observations, RF1 a ServiceRequest.
_FULL_ADT = "AllergyIntolerance Condition Procedure Coverage"
_MERGED = plan("-", "Account", "patient-merge")
_RENUMBERED = plan("-", "Account", "patient-change")
_BOOKED = [plan("-", "Account Appointment")]

EXPECTED: dict[str, list[tuple[str, Counter[str], list[str]]] | str] = {
    "ADT-A01-01": [plan("admit", f"Account RelatedPerson*2 {_FULL_ADT} ServiceRequest Observation*2")],
    "ADT-A01-02": [plan("admit", "Account")],
    "ADT-A02-02": [plan("transfer", "Account")],
    "ADT-A03-01": [plan("discharge", f"Account RelatedPerson*3 {_FULL_ADT} ServiceRequest Observation*2")],
    "ADT-A04-01": [plan("register", f"Account RelatedPerson*3 {_FULL_ADT} ServiceRequest Observation*2")],
    "ADT-A04-02": [plan("register", "Account")],
    "ADT-A05-02": [plan("preadmit", "Account")],
    "ADT-A06-01": [plan("class", f"Account RelatedPerson*3 {_FULL_ADT} Observation", "account-change")],
    "ADT-A07-01": [plan("class", f"Account RelatedPerson*3 {_FULL_ADT} Observation", "account-change")],
    "ADT-A07-02": [plan("class", "Account", "account-change")],
    "ADT-A08-02": [plan("update", "Account")],
    "ADT-A09-01": [plan("track", "Account Observation")],
    "ADT-A10-01": [plan("track", "Account Observation")],
    "ADT-A10-02": [plan("track", "Account")],
    "ADT-A11-02": [plan("cancel-admit", "Account")],
    "ADT-A13-01": [plan("cancel-discharge", f"Account RelatedPerson*3 {_FULL_ADT} ServiceRequest Observation*2")],
    "ADT-A14-01": [plan("pend-admit", f"Account RelatedPerson*3 {_FULL_ADT} ServiceRequest Observation")],
    "ADT-A14-02": [plan("pend-admit", "Account")],
    "ADT-A15-02": [plan("pend-transfer", "Account")],
    "ADT-A16-01": [plan("pend-discharge", f"Account RelatedPerson*3 {_FULL_ADT} ServiceRequest Observation")],
    "ADT-A25-01": [plan("cancel-pend-discharge", "Account Observation")],
    "ADT-A25-02": [plan("cancel-pend-discharge", "Account")],
    "ADT-A26-02": [plan("cancel-pend-transfer", "Account")],
    "ADT-A27-01": [plan("cancel-pend-admit", "Account Observation")],
    "ADT-A28-01": [plan("mention", f"Account RelatedPerson*3 {_FULL_ADT} ServiceRequest Observation")],
    "ADT-A28-02": [plan("mention", "Account")],
    "ADT-A29-02": [plan("mention", "Account")],
    "ADT-A31-01": [plan("mention", f"Account RelatedPerson*3 {_FULL_ADT} ServiceRequest Observation")],
    "ADT-A40-01": [_MERGED],
    "ADT-A40-02": [_MERGED, _MERGED],
    # An account merge whose MRG gives a patient number and no account number.
    "ADT-A41-02": "MRG-3 (line 6): A41 needs the prior account number, and it is missing.",
    "ADT-A45-01": [plan("mention", "Account", "visit-move")],
    "ADT-A47-01": [_RENUMBERED],
    "ADT-A47-02": [_RENUMBERED, _RENUMBERED],
    "ADT-A60-02": [plan("-", "Account AllergyIntolerance")],
    "ADT01-23": [plan("admit", "Account RelatedPerson Condition Coverage*3")],
    "ADT04-23": [plan("register", "Account RelatedPerson*2 Coverage*2")],
    "ADT04-251": [plan("register", "Account RelatedPerson")],
    "BAR-P01-01": [plan("mention", f"Account RelatedPerson*3 {_FULL_ADT} Observation")],
    "BAR-P01-02": [  # one patient, two visits
        plan("mention", f"Account RelatedPerson*2 {_FULL_ADT} Observation"),
        plan("mention", "Account RelatedPerson*2 AllergyIntolerance Condition Coverage Observation"),
    ],
    "BAR-P02-02": [plan("mention", "Account"), plan("mention", "Account")],
    "BAR-P12-01": [plan("mention", "Account Observation Condition Procedure")],
    "DFT-P03-01": [
        plan("mention", "Account RelatedPerson Coverage ChargeItem*2 Procedure Condition*2 ServiceRequest")
    ],
    "DFT-P03-02": [
        plan(
            "mention",
            "Account RelatedPerson*2 Coverage ChargeItem*2 Procedure*2 Condition*2 ServiceRequest*2 Observation*2",
        )
    ],
    "DFT-P11-02": [
        plan(
            "mention",
            "Account RelatedPerson Coverage Condition*3 ChargeItem*2 Procedure ServiceRequest*3 Observation",
        )
    ],
    "IZ_1_1.1_Admin_Child_Max_Message": [plan("-", "RelatedPerson Immunization")],
    "LAB-ORU-1": [plan("-", "Account ServiceRequest*2 Specimen Observation*10 DiagnosticReport*2")],
    "LAB-ORU-2": [plan("-", "Account ServiceRequest*2 Specimen Observation*10 DiagnosticReport*2")],
    "MDHHS-OML-O21-1": [plan("-", "RelatedPerson*3 Coverage Condition ServiceRequest Specimen Observation")],
    "MDHHS-OML-O21-2": [plan("-", "RelatedPerson*3 Coverage ServiceRequest*2 Specimen Observation")],
    "MDM-T01-02": [plan("mention", "Account ServiceRequest*2 DocumentReference")],
    "MDM-T02-01": [plan("mention", "Account ServiceRequest Consent DocumentReference")],
    "MDM-T02-03": [plan("-", "ServiceRequest DocumentReference")],
    "MDM-T05-01": [plan("mention", "Account ServiceRequest Consent DocumentReference")],
    "MDM-T06-01": [plan("mention", "Account ServiceRequest Consent DocumentReference")],
    "MDM-T06-02": [plan("mention", "Account ServiceRequest*2 DocumentReference")],
    # A replacement: the new document and the one it supersedes.
    "MDM-T09-02": [plan("mention", "Account ServiceRequest*2 DocumentReference*2")],
    "MDM-T10-01": [plan("mention", "Account ServiceRequest Consent DocumentReference*2")],
    # By MSH-9 an admission; its orders and document do not belong there and are named in a warning.
    "MDM_01": [plan("admit", "Account")],
    "OMG-O19-01": [
        plan(
            "mention",
            "Account RelatedPerson*3 AllergyIntolerance Coverage Condition ServiceRequest*2 Specimen Observation*4 "
            "DocumentReference*6 ChargeItem",
        )
    ],
    "OML-O21-01": [
        plan(
            "mention",
            "Account RelatedPerson*2 AllergyIntolerance Coverage Condition ServiceRequest Specimen Observation*2 "
            "DocumentReference*2 ChargeItem*2",
        )
    ],
    "OML-O21-02": [plan("mention", "Account Condition ServiceRequest*2 Specimen Observation*2 DocumentReference")],
    "ORM-O01-01": [plan("mention", "Account AllergyIntolerance Condition ServiceRequest Observation ChargeItem")],
    "ORM-O01-02": [
        plan(
            "mention",
            "Account RelatedPerson*2 AllergyIntolerance Coverage Condition ServiceRequest Observation "
            "DocumentReference",
        )
    ],
    "ORM-O01-04": [plan("mention", "Account AllergyIntolerance Condition NutritionOrder Observation ChargeItem")],
    "ORM-O01-05": [plan("mention", "Account AllergyIntolerance Condition SupplyRequest Observation ChargeItem")],
    "ORU-R01-01": [
        plan("mention", "Account DocumentReference*3 ServiceRequest Specimen Observation*2 DiagnosticReport")
    ],
    "ORU-R01-RMGEAD": [plan("-", "Account ServiceRequest Observation DiagnosticReport")],
    "OUL-R22-02": [plan("-", "Observation*3 ServiceRequest*2 Specimen*2 DiagnosticReport*2 DocumentReference*4")],
    "OUL-R23-01": [plan("mention", "Observation*2 ServiceRequest Specimen DiagnosticReport DocumentReference*5")],
    "OUL-R24-01": [plan("mention", "Observation*2 ServiceRequest Specimen DiagnosticReport DocumentReference*5")],
    "OUL-R24-02": [
        plan("mention", "Observation*2 ServiceRequest*2 Specimen DiagnosticReport*2 DocumentReference*5")
    ],
    "PC1-Problem-Delete-v2.3.1": [plan("-", "Condition")],
    "PC1-Problem-Update-v2.3.1": [plan("-", "Condition")],
    "RDE-O11-02": [plan("mention", "Account RelatedPerson Coverage MedicationRequest*2 ChargeItem*2")],
    "RDE-O25-01": [plan("mention", "Account RelatedPerson*2 Coverage MedicationRequest Observation ChargeItem")],
    "RDS-O13-01": [plan("mention", "Account MedicationRequest MedicationDispense Observation ChargeItem")],
    "RDS-O13-02": [plan("mention", "Account MedicationRequest*2 MedicationDispense*2")],
    "REF-I12-02": [
        plan(
            "mention",
            "Account RelatedPerson*3 ServiceRequest*2 AllergyIntolerance Coverage Condition Procedure "
            "Observation*2 DiagnosticReport*2 DocumentReference",
        )
    ],
    "REF-I14-01": [
        plan(
            "mention",
            "Account RelatedPerson*3 ServiceRequest AllergyIntolerance Coverage Condition Procedure Observation "
            "DiagnosticReport",
        )
    ],
    "SIU-S12-01": [plan("mention", "Account Condition Observation Appointment")],
    "SIU-S12-02": _BOOKED,
    "SIU-S13-01": _BOOKED,
    "SIU-S13-02": _BOOKED,
    "SIU-S14-02": _BOOKED,
    "SIU-S15-01": _BOOKED,
    "SIU-S16-01": _BOOKED,
    "SIU-S16-02": _BOOKED,
    "SIU-S17-02": _BOOKED,
    "SIU-S26-01": _BOOKED,
    # By MSH-9 allergies (A60), by its segments a schedule: what belongs to a person is filed, the rest is named.
    "SIU_12": [plan("mention", "Account Condition Observation")],
    "VXU-V04-01": [plan("mention", "Account RelatedPerson*3 Observation Coverage Immunization")],
    "VXU": [plan("-", "Immunization*3")],
}


def mint(kind: str, key: str) -> str:
    return str(named_id("sample", kind, key))


def read(name: str) -> Plan:
    """The plan of a sample's one message."""
    messages = list(split_batch((FOLDER / f"{name}.hl7").read_bytes()))
    assert len(messages) == 1
    return to_fhir(parse(messages[0]), zone=ZONE, mint=mint)


def test_the_table_names_every_sample() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in FOLDER.glob("*.hl7"))


@pytest.mark.parametrize("name", EXPECTED)
def test_sample(name: str) -> None:
    expected = EXPECTED[name]
    if isinstance(expected, str):
        with pytest.raises(Hl7Error) as refused:
            read(name)
        assert str(refused.value) == expected
        return
    found = read(name)
    actual = []
    for each in found.all():
        counts = Counter(draft.type for draft in each.drafts if not draft.directory)
        assert counts.pop("Patient") == 1
        effect = each.visit.effect.value if each.visit else "-"
        actual.append((effect, counts, [f"{merge.kind}-{merge.action}" for merge in each.merges]))
    assert actual == expected


@pytest.mark.parametrize("name", [name for name, what in EXPECTED.items() if not isinstance(what, str)])
def test_sample_resources_are_sound(name: str) -> None:
    """Valid against HL7's schema, ids as minted, and every reference leads to something the plan files."""
    for each in read(name).all():
        resources = [draft.resource for draft in each.drafts]
        known = {draft.reference for draft in each.drafts}
        if each.visit:
            resources.append(apply_visit(None, each.visit).resource)
            known.add(each.visit.reference)
        known |= {merge.prior for merge in each.merges}
        # An addendum names the document it belongs to, which came with another message.
        known |= {
            relation["target"]["reference"] for resource in resources for relation in resource.get("relatesTo", ())
        }
        for resource in resources:
            plain = orjson.loads(orjson.dumps(resource))
            assert validate(plain) == []
            for reference in _references(plain):
                assert reference in known, reference
        for draft in each.drafts:
            assert draft.id == mint(draft.type, draft.key)
            assert draft.directory == (
                draft.type in ("Practitioner", "PractitionerRole", "Organization", "Location", "Device")
            )


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        found = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return found + [one for inner in value.values() for one in _references(inner)]
    if isinstance(value, list):
        return [one for inner in value for one in _references(inner)]
    return []


def test_a_patient_keeps_one_key_across_messages() -> None:
    names = ("ADT-A01-02", "ADT-A02-02", "ADT-A08-02", "ADT-A03-01", "VXU-V04-01", "SIU-S12-01")
    assert len({read(name).patient_key for name in names}) == 1


def test_a_visit_keeps_one_key_across_messages() -> None:
    visits = [read(name).visit for name in ("ADT-A01-02", "ADT-A02-02", "ADT-A13-01", "ORU-R01-01")]
    assert len({visit.key for visit in visits if visit}) == 1


def test_the_financial_segments_stay_raw() -> None:
    names = [segment.name for segment in read("DFT-P03-02").account_segments]
    assert names == ["FT1", "PR1", "FT1", "PR1", "DG1", "DG1", "GT1", "IN1", "IN2"]


def test_the_whole_discharge_summary_is_one_text() -> None:
    import base64

    document = next(d for d in read("MDM-T02-03").drafts if d.type == "DocumentReference").resource
    (content,) = document["content"]
    lines = base64.b64decode(content["attachment"]["data"]).decode().splitlines()
    assert len(lines) == 29
    assert lines[0].startswith("Toilet cylinder") and lines[-1].startswith("Reminder shofar")


def test_the_samples_play_one_visit() -> None:
    """A01, A02, A08, A03, A13 of the same visit, one after another."""
    current = None
    for name in ("ADT-A01-02", "ADT-A02-02", "ADT-A08-02", "ADT-A03-01", "ADT-A13-01"):
        visit = read(name).visit
        assert visit is not None
        current = apply_visit(current, visit).resource
        assert validate(orjson.loads(orjson.dumps(current))) == []
    assert current is not None
    assert current["status"] == "in-progress"
    assert "end" not in current["period"]
