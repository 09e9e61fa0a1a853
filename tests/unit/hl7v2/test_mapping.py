"""What segments become, in the words of FHIR."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from charthouse.exchange.hl7v2.api import (
    Draft,
    Effect,
    Hl7Error,
    Plan,
    Unsupported,
    merge_partial,
    merge_patient,
    parse,
    to_fhir,
)

Json = dict[str, Any]
ZONE = ZoneInfo("America/Chicago")
PID = "PID|1||4711^^^GEN^MR||Doe^Jane"


def plan(kind: str, *lines: str, evn: str = "EVN||20240301080000") -> Plan:
    """The plan of a message; ids are the natural keys themselves."""
    head = f"MSH|^~\\&|APP|GEN|CH|CH|20240301090000||{kind}|1|P|2.5.1"
    text = "\r".join((head, evn, *lines)) + "\r"
    return to_fhir(parse(text.encode()), zone=ZONE, mint=lambda _, key: key)


def seg(name: str, fields: dict[int, str]) -> str:
    """A segment of the fields named by number."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def drafts(found: Plan, kind: str) -> list[Draft]:
    return [draft for draft in found.drafts if draft.type == kind]


def resource(found: Plan, kind: str) -> Json:
    """The one resource of a type, as it would be written."""
    (draft,) = drafts(found, kind)
    return written(draft)


def written(draft: Draft) -> Json:
    result: Json = orjson.loads(orjson.dumps(draft.resource))
    return result


# The patient


def test_the_medical_record_number_names_the_patient() -> None:
    found = plan("ADT^A08", "PID|1|77|1^^^X^SS~2^^^GEN^PI~3^^^GEN^MR||Doe^Jane")
    assert found.patient_key == "GEN|3"
    assert plan("ADT^A08", "PID|1|77|1^^^X^SS~2^^^GEN^XX||Doe").patient_key == "GEN|2"
    assert plan("ADT^A08", "PID|1|77^^^OLD|||Doe").patient_key == "OLD|77"
    with pytest.raises(Hl7Error) as refused:
        plan("ADT^A08", "PID|1||||Doe^Jane")
    assert refused.value.place == "PID-3 (line 3)"


def test_demographics() -> None:
    patient = resource(
        plan(
            "ADT^A28",
            "PID|1||4711^^^GEN^MR||Doe^Jane^Q~Roe^Jane^^^^^M|Mother^Mary|19800229063000|F|Janie^|"
            "2106-3^White^CDCREC|1 Main^^Town^IL^60601^USA^H|Cook|^PRN^PH^^^312^5550100|^WPN^PH^^^312^5550101|"
            "spa^Spanish^HL70296|M|CAT|"
            "A1^^^GEN|123-45-6789|D99^IL||H|Chicago|Y|2||||",
        ),
        "Patient",
    )
    assert patient["birthDate"] == "1980-02-29"
    assert patient["_birthDate"]["extension"][0]["valueDateTime"] == "1980-02-29T06:30:00-06:00"
    assert patient["gender"] == "female"
    assert [name.get("use") for name in patient["name"]] == [None, "maiden", "old"]
    assert patient["address"][0]["district"] == "Cook"
    assert [t["use"] for t in patient["telecom"]] == ["home", "work"]
    assert patient["communication"][0]["language"]["coding"][0] == {"system": "urn:ietf:bcp:47", "code": "es"}
    assert patient["maritalStatus"]["coding"][0]["code"] == "M"
    assert patient["multipleBirthInteger"] == 2
    assert {i["type"]["coding"][0]["code"] for i in patient["identifier"]} == {"MR", "SS", "DL"}
    urls = {e["url"].rpartition("/")[2] for e in patient["extension"]}
    assert {"us-core-race", "us-core-ethnicity", "patient-mothersMaidenName", "patient-religion"} <= urls


def test_death() -> None:
    dead = resource(plan("ADT^A08", PID + "|" * 24 + "20240305|Y"), "Patient")
    assert dead["deceasedDateTime"] == "2024-03-05"
    alive = resource(plan("ADT^A08", PID + "|" * 25 + "N"), "Patient")
    assert alive["deceasedBoolean"] is False
    post_mortem = resource(plan("ADT^A03", PID, "PDA|I21^Infarction^I10"), "Patient")
    assert post_mortem["deceasedBoolean"] is True


def test_labels_and_flags() -> None:
    found = plan(
        "ADT^A01",
        PID,
        "PD1|||||||||||F^Family only|Y",
        "ARV|1|A|HIV|PAT",
        "PV1|1|I||||||||||||||VIP||||V1",
        "PV2" + "|" * 22 + "Y",
    )
    codes = {c["code"] for c in resource(found, "Patient")["meta"]["security"]}
    assert codes == {"R", "HIV", "PRS"}
    assert found.visit is not None
    assert {c["code"] for c in found.visit.elements["meta"]["security"]} == {"R", "HIV", "PRS", "CEL"}
    flag = resource(found, "Flag")
    assert flag["code"]["coding"][0]["display"] == "Family only"


def test_an_access_restriction_on_the_address_conceals_it() -> None:
    patient = resource(plan("ADT^A08", PID + "|" * 6 + "9 Shelter^^Town", "ARV|1|A|PID-11"), "Patient")
    assert patient["address"][0]["extension"][0]["valueCode"] == "CONF"


def test_relatives_are_contacts_and_related_persons() -> None:
    found = plan("ADT^A08", PID, "NK1|1|Doe^John|SPO^Spouse^HL70063|||(312)555-0199|C")
    contact = resource(found, "Patient")["contact"][0]
    assert contact["relationship"][0]["coding"][0]["code"] == "SPS"
    assert contact["telecom"][0]["use"] == "work"
    assert resource(found, "RelatedPerson")["name"][0]["family"] == "Doe"


# What is absent, and what is null


def test_an_update_keeps_the_absent_and_deletes_the_null() -> None:
    first = plan(
        "ADT^A28",
        "PID|1||4711^^^GEN^MR||Doe^Jane||19800229|F|Alias^Ann||1 Main^^Town||5550100|5550101||M|CAT||111-22-3333",
    ).patient
    update = plan("ADT^A31", 'PID|1||4711^^^GEN^MR||Roe^Jane|||""|||||5550199|""||""|""||999-88-7777').patient
    assert first is not None and update is not None
    assert update.mode == "partial"
    assert update.cleared >= {"gender", "maritalStatus", "telecom:work", "extension:patient-religion"}
    before = orjson.dumps(first.resource)
    merged = merge_patient(first.resource, update)
    assert orjson.dumps(first.resource) == before
    assert merged["birthDate"] == "1980-02-29" and merged["address"]
    assert "gender" not in merged and "maritalStatus" not in merged
    assert [(n.get("family"), n.get("use")) for n in merged["name"]] == [("Roe", None), ("Alias", "old")]
    assert [t["value"] for t in merged["telecom"]] == ["5550199"]
    assert [i["value"] for i in merged["identifier"]] == ["4711", "999-88-7777"]
    assert not any("religion" in e["url"] for e in merged.get("extension", []))


def test_a_result_never_takes_demographics_away() -> None:
    full = plan("ADT^A28", "PID|1||4711^^^GEN^MR||Doe^Jane||19800229|F|||1 Main^^Town").patient
    brief = plan("ORU^R01", PID, "OBR|1||F1|1^X", "OBX|1|ST|1^X||ok").patient
    assert full is not None and brief is not None
    merged = merge_patient(full.resource, brief)
    assert merged == {**full.resource, "name": brief.resource["name"]}


def test_a_first_patient_is_filed_as_drafted() -> None:
    patient = plan("ADT^A04", PID, "PV1||O").patient
    assert patient is not None
    assert merge_patient(None, patient) == patient.resource


def test_protection_is_lifted_by_no() -> None:
    guarded = plan("ADT^A08", PID, "PD1|||||||||||" + "|Y").patient
    free = plan("ADT^A08", PID, "PD1|||||||||||" + "|N").patient
    assert guarded is not None and free is not None
    assert "meta" not in merge_patient(guarded.resource, free)


# The visit


def test_a_visit_in_full() -> None:
    found = plan(
        "ADT^A01",
        PID + "|" * 13 + "A1^^^GEN",
        seg(
            "PV1",
            {
                2: "I",
                3: "W1^101^A^GEN",
                4: "E",
                7: "1234567893^House^Gregory^^^^^^NPI",
                8: "8^Ref^Rita",
                10: "MED",
                14: "7",
                15: "A2",
                17: "9^Adm^Ada",
                19: "V1^^^GEN",
                36: "07^AMA",
                44: "202403010730",
            },
        ),
        seg("PV2", {3: "R07.9^Chest pain^I10C", 9: "20240304", 25: "1"}),
    )
    visit = found.visit
    assert visit is not None
    assert (visit.effect, visit.key, visit.at) == (Effect.ADMIT, "GEN|V1", "2024-03-01T07:30:00-06:00")
    assert visit.class_ is not None and visit.class_["code"] == "IMP"
    assert visit.location is not None and visit.location.display == "W1 101 A"
    assert [(p.code, p.reference) for p in visit.participants] == [
        ("ATND", "Practitioner/npi:1234567893"),
        ("REF", "Practitioner/|8"),
        ("ADM", "Practitioner/|9"),
    ]
    stay = visit.elements["hospitalization"]
    assert [c["code"] for c in stay["dischargeDisposition"]["coding"]] == ["aadvice", "07"]
    assert stay["specialArrangement"][0]["coding"][0]["code"] == "wheel"
    assert visit.elements["priority"]["coding"][0]["code"] == "EM"
    assert visit.elements["account"] == [{"reference": "Account/GEN|A1"}]
    assert visit.elements["extension"][0]["url"].endswith("Encounter.plannedEndDate")
    assert found.occurred == datetime(2024, 3, 1, 14, 0, tzinfo=UTC)
    ward = next(d for d in drafts(found, "Location") if d.key == "GEN///W1")
    assert ward.directory and ward.resource["partOf"]["reference"] == "Location/GEN"


def test_a_visit_without_a_number_goes_by_account_then_by_admit_time() -> None:
    by_account = plan("ADT^A08", PID + "|" * 13 + "A1^^^GEN", "PV1|1|I").visit
    by_time = plan("ADT^A08", PID, "PV1|1|I" + "|" * 42 + "202403010730").visit
    nothing = plan("ADT^A08", PID, "PV1|1|I")
    assert by_account is not None and by_account.key == "account:GEN|A1"
    assert by_time is not None and by_time.key == "GEN|4711@2024-03-01T07:30:00-06:00"
    assert nothing.visit is None and any("PV1-19" in warning for warning in nothing.warnings)


@pytest.mark.parametrize(
    ("number", "key"),
    [
        ("1234567893^House^^^^^^^NPI", "npi:1234567893"),
        ("1234567893^House^^^^^^^X&2.16.840.1.113883.4.6&ISO", "npi:1234567893"),
        ("1234567893^House^^^^^^^^^^^NPI", "npi:1234567893"),
        ("1234567890^House^^^^^^^NPI", "NPI|1234567890"),
        ("1234567893^House^^^^^^^GEN", "GEN|1234567893"),
        ("^House^Gregory", "name:HOUSE^GREGORY"),
    ],
)
def test_practitioners_go_by_npi_then_number_then_name(number: str, key: str) -> None:
    found = plan("ADT^A08", PID, f"PV1|1|I|||||{number}||||||||||||V1")
    (draft,) = drafts(found, "Practitioner")
    assert (draft.key, draft.directory, draft.mode) == (key, True, "partial")


def test_a_swap_of_beds_concerns_two_patients() -> None:
    found = plan(
        "ADT^A17", PID, "PV1|1|I|W1^1^A||||||||||||||||V1", "PID|2||8^^^GEN^MR", "PV1|1|I|W1^1^B||||||||||||||||V2"
    )
    (other,) = found.others
    assert [each.visit.location.display for each in found.all() if each.visit and each.visit.location] == [
        "W1 1 A",
        "W1 1 B",
    ]
    assert (found.patient_key, other.patient_key) == ("GEN|4711", "GEN|8")


# Merges


def test_merges_name_who_survives() -> None:
    (merge,) = plan("ADT^A40", PID, "MRG|99^^^GEN^MR").merges
    assert (merge.kind, merge.action, merge.survivor_key, merge.prior_key) == (
        "patient",
        "merge",
        "GEN|4711",
        "GEN|99",
    )
    assert merge.prior_identifiers[0]["value"] == "99"
    (account,) = plan("ADT^A35", PID + "|" * 13 + "A2^^^GEN", "MRG|||A1^^^GEN").merges
    assert (account.kind, account.survivor, account.prior) == ("account", "Account/GEN|A2", "Account/GEN|A1")
    (moved,) = plan("ADT^A45", PID, "MRG|99^^^GEN^MR||||V1^^^GEN", "PV1|1|I||||||||||||||||" + "|V1^^^GEN").merges
    assert (moved.kind, moved.action, moved.prior_owner, moved.owner) == (
        "visit",
        "move",
        "Patient/GEN|99",
        "Patient/GEN|4711",
    )


def test_a_merge_that_does_not_say_what_is_refused() -> None:
    with pytest.raises(Hl7Error, match="MRG is missing"):
        plan("ADT^A40", PID)
    with pytest.raises(Hl7Error) as refused:
        plan("ADT^A40", PID, "MRG|")
    assert refused.value.place == "MRG-1 (line 4)"
    assert plan("ADT^A40", PID, "MRG|4711^^^GEN^MR").merges == []


# Results

OBR = "OBR|1|P1^OE|F1^LAB|24323-8^CMP^LN|||202403020600||||||||BLD&Blood|||||||202403020700||CH|F"


def test_a_number_keeps_its_digits_to_the_byte() -> None:
    found = plan("ORU^R01", PID, OBR, "OBX|1|NM|2345-7^Glucose^LN||72.50|mg/dL^^UCUM|70.0-99|H|||F")
    (draft,) = drafts(found, "Observation")
    assert b'"value":72.50' in orjson.dumps(draft.resource)
    assert b'"low":{"value":70.0' in orjson.dumps(draft.resource)
    observation = written(draft)
    assert observation["valueQuantity"]["code"] == "mg/dL"
    assert observation["interpretation"][0]["coding"][0]["code"] == "H"
    assert observation["category"][0]["coding"][0]["code"] == "laboratory"
    assert observation["effectiveDateTime"] == "2024-03-02T06:00:00-06:00"


@pytest.mark.parametrize(
    ("flag", "status", "mode"),
    [
        ("F", "final", "snapshot"),
        ("P", "preliminary", "snapshot"),
        ("C", "corrected", "snapshot"),
        ("D", "entered-in-error", "entered-in-error"),
        ("W", "entered-in-error", "entered-in-error"),
        ("X", "cancelled", "snapshot"),
        ("I", "registered", "snapshot"),
        ("U", "final", "partial"),
        ("", "final", "snapshot"),
    ],
)
def test_result_status(flag: str, status: str, mode: str) -> None:
    (draft,) = drafts(plan("ORU^R01", PID, OBR, f"OBX|1|NM|1^X||5||||||{flag}"), "Observation")
    assert (draft.resource["status"], draft.mode) == (status, mode)


@pytest.mark.parametrize(
    ("kind", "sent", "element", "value"),
    [
        ("CWE", "A^^L", "valueCodeableConcept", {"coding": [{"code": "A"}]}),
        ("DT", "20240301", "valueDateTime", "2024-03-01"),
        ("TM", "0815", "valueTime", "08:15:00"),
        ("DR", "20240301^20240302", "valuePeriod", {"start": "2024-03-01", "end": "2024-03-02"}),
        ("NR", "1^5.0", "valueRange", {"low": {"value": 1}, "high": {"value": 5.0}}),
        ("ST", "a^b \\T\\ c", "valueString", "a^b & c"),
        ("NM", "about 5", "valueString", "about 5"),
        ("ZZ", "whatever", "valueString", "whatever"),
    ],
)  # fmt: skip
def test_values_by_type(kind: str, sent: str, element: str, value: object) -> None:
    observation = resource(plan("ORU^R01", PID, OBR, f"OBX|1|{kind}|1^X||{sent}||||||F"), "Observation")
    assert observation[element] == value


def test_a_repeating_value_becomes_components() -> None:
    observation = resource(plan("ORU^R01", PID, OBR, "OBX|1|NM|8867-4^Pulse^LN||60~120|/min||||||F"), "Observation")
    assert [c["valueQuantity"]["value"] for c in observation["component"]] == [60, 120]
    assert not any(name.startswith("value") for name in observation)
    assert observation["category"][0]["coding"][0]["code"] == "vital-signs"


def test_report_specimen_and_order_belong_together() -> None:
    found = plan(
        "ORU^R01",
        PID,
        "ORC|RE|P1^OE|F1^LAB||CM",
        OBR.replace("|CH|F", "|CH|C").replace(
            "202403020600||||||||BLD", "202403020600|||7^Draw^Dan||||202403020615|BLD"
        ),
        "NTE|1|L|fasting",
        "OBX|1|NM|1^X||5||||||F",
        "NTE|1|L|haemolysed",
        "SPM|1|S1&OE^S2&LAB||BLD^Blood^HL70487|||||||||||||202403020600|202403020615",
    )
    report, specimen = resource(found, "DiagnosticReport"), resource(found, "Specimen")
    assert report["status"] == "corrected"
    assert report["issued"] == "2024-03-02T07:00:00-06:00"
    assert report["conclusion"] == "fasting"
    assert report["result"][0]["reference"] == drafts(found, "Observation")[0].reference
    assert report["specimen"] == [{"reference": drafts(found, "Specimen")[0].reference}]
    assert specimen["type"]["coding"][0]["code"] == "BLD"
    assert specimen["collection"]["collector"]["display"] == "Draw, Dan"
    assert specimen["collection"]["collectedDateTime"] == "2024-03-02T06:00:00-06:00"
    assert specimen["receivedTime"] == "2024-03-02T06:15:00-06:00"
    order = resource(found, "ServiceRequest")
    assert drafts(found, "ServiceRequest")[0].mode == "partial"
    assert order["status"] == "completed"
    observation = resource(found, "Observation")
    assert observation["note"] == [{"text": "haemolysed"}]
    assert observation["basedOn"] == report["basedOn"]


def test_a_correction_has_the_key_of_what_it_corrects() -> None:
    lines = (
        OBR,
        "OBX|1|NM|1^X|a|5||||||F|||202403020600",
        "OBX|2|NM|1^X|b|6||||||F",
        "OBX|3|NM|1^X|a|7||||||F|||2025",
    )
    first = [d.key for d in drafts(plan("ORU^R01", PID, *lines), "Observation")]
    again = [d.key for d in drafts(plan("ORU^R01", PID, *(x.replace("||F", "||C") for x in lines)), "Observation")]
    assert first == again and len(set(first)) == 3


def test_narrative_lines_make_one_text_and_a_presented_form() -> None:
    found = plan(
        "ORU^R01",
        PID,
        OBR.replace("|CH|F", "|RAD|F"),
        "OBX|1|TX|11502-2^Report^LN|1|CHEST X-RAY||||||F",
        "OBX|2|FT|11502-2^Report^LN|2|Heart normal.\\.br\\Lungs clear.||||||F",
        "OBX|3|TX|IMP^Impression||Normal.||||||F",
    )
    first, second = (written(d) for d in drafts(found, "Observation"))
    assert first["valueString"] == "CHEST X-RAY\nHeart normal.\nLungs clear."
    assert second["valueString"] == "Normal."
    form = resource(found, "DiagnosticReport")["presentedForm"][0]
    assert base64.b64decode(form["data"]).decode().splitlines()[-1] == "Normal."
    assert first["category"][0]["coding"][0]["code"] == "imaging"


def test_documents_in_results() -> None:
    found = plan(
        "ORU^R01",
        PID,
        OBR,
        "OBX|1|ED|PDF^Report||^application^pdf^Base64^JVBERi0xLjQK||||||F",
        "OBX|2|RP|PIC^Slide||https://pacs/1^^image^JPEG||||||F",
        "OBX|3|ED|BAD^Report||^application^pdf^Base64^%%%||||||F",
    )
    first, second = (written(d) for d in drafts(found, "DocumentReference"))
    assert first["content"][0]["attachment"]["contentType"] == "application/pdf"
    assert first["docStatus"] == "final"
    assert first["context"]["related"] == [{"reference": drafts(found, "DiagnosticReport")[0].reference}]
    assert second["content"][0]["attachment"]["url"] == "https://pacs/1"
    assert drafts(found, "Observation") == []
    assert any("not valid base64" in warning and "OBX-5 (line 7)" in warning for warning in found.warnings)


# Documents

TXA = "TXA|1|DS|TX|20240305||202403051200|||7^Author^Ann||9^T^Tim|D2^DICT|D1^DICT||||AU|R|AV"


@pytest.mark.parametrize(
    ("trigger", "status", "relation", "mode"),
    [
        ("T01", "current", None, "partial"),
        ("T02", "current", None, "snapshot"),
        ("T06", "current", "appends", "snapshot"),
        ("T08", "current", None, "snapshot"),
        ("T10", "current", "replaces", "snapshot"),
        ("T11", "entered-in-error", None, "partial"),
    ],
)
def test_document_events(trigger: str, status: str, relation: str | None, mode: str) -> None:
    body = ["OBX|1|TX|1^Text||Was ill."] if mode == "snapshot" else []
    found = plan(f"MDM^{trigger}", PID, TXA, *body)
    document = next(d for d in drafts(found, "DocumentReference") if d.key == "DICT|D2")
    assert (document.resource["status"], document.mode) == (status, mode)
    relations = document.resource.get("relatesTo", [{}])
    assert relations[0].get("code") == relation
    superseded = [d for d in drafts(found, "DocumentReference") if d.key == "DICT|D1"]
    assert [d.resource["status"] for d in superseded] == (["superseded"] if relation == "replaces" else [])
    assert document.resource["securityLabel"][0]["coding"][0]["code"] == "R"
    assert document.resource["type"]["coding"][1] == {"system": "http://loinc.org", "code": "18842-5"}


def test_an_edited_document_is_amended() -> None:
    found = plan("MDM^T08", PID, TXA, "OBX|1|TX|1^Text||x")
    assert resource(found, "DocumentReference")["docStatus"] == "amended"


def test_a_document_says_who_dictated_typed_and_signed_it_and_when() -> None:
    txa = (
        "TXA|1|DS|TX|20240305|7^Author^Ann|202403051200|202403051500||7^Author^Ann||9^Typist^Tim|D2^DICT"
        "|||||AU||AV|||7^Author^Ann^^^^^^^^^^^^20240306101500~8^Second^Sam"
    )
    found = resource(plan("MDM^T02", PID, txa, "OBX|1|TX|1^Text||Was ill."), "DocumentReference")
    told = [
        {part["url"]: next(value for name, value in part.items() if name != "url") for part in each["extension"]}
        for each in found["extension"]
    ]
    assert [(each["stage"], each["by"]["display"], each["at"][:16]) for each in told[:2]] == [
        ("dictated", "Author, Ann", "2024-03-05T12:00"),
        ("transcribed", "Typist, Tim", "2024-03-05T15:00"),
    ]
    assert [(each["party"]["display"], each.get("time", "")[:16]) for each in told[2:]] == [
        ("Author, Ann", "2024-03-06T10:15"),
        ("Second, Sam", ""),
    ]
    plain = resource(plan("MDM^T02", PID, "TXA|1|DS|TX|20240305||||||||D3^DICT|||||IP", "OBX|1|TX|1^T||x"),
                     "DocumentReference")  # fmt: skip
    assert "extension" not in plain


def test_an_announcement_never_takes_the_content_away() -> None:
    (told,) = drafts(plan("MDM^T03", PID, TXA.replace("|AU|", "|LA|")), "DocumentReference")
    (full,) = drafts(plan("MDM^T02", PID, TXA, "OBX|1|TX|1^Text||Was ill."), "DocumentReference")
    merged = merge_partial(full.resource, told)
    assert merged["content"] == full.resource["content"]
    assert merged["docStatus"] == "final"


def test_sections_become_headings() -> None:
    found = plan(
        "MDM^T02", PID, TXA, "OBX|1|TX|1^Course||Was ill.", "OBX|2|TX|2^Plan||Rest.", "OBX|3|TX|2^Plan||Drink."
    )
    (content,) = resource(found, "DocumentReference")["content"]
    assert base64.b64decode(content["attachment"]["data"]).decode() == "Course\nWas ill.\n\nPlan\nRest.\nDrink."


# Orders, medications, vaccines


def test_orders() -> None:
    order = resource(
        plan(
            "OML^O21", PID, "ORC|NW|P1^OE|||||||202403010700|||1234567893^House^^^^^^^NPI", "TQ1|1||Q6H||||||S", OBR
        ),
        "ServiceRequest",
    )
    assert (order["status"], order["intent"], order["priority"]) == ("active", "order", "stat")
    assert order["requester"]["reference"] == "Practitioner/npi:1234567893"
    assert order["occurrenceTiming"]["repeat"] == {"frequency": 1, "period": 6, "periodUnit": "h"}
    assert [i["type"]["coding"][0]["code"] for i in order["identifier"]] == ["PLAC", "FILL"]
    cancelled = resource(plan("ORM^O01", PID, "ORC|CA|P1^OE", OBR), "ServiceRequest")
    assert cancelled["status"] == "revoked"


def test_a_verbal_order_says_so_and_later_who_verified_it_when() -> None:
    told = {1: "NW", 2: "V1^OE", 9: "202403010700", 12: "1234567893^House^^^^^^^NPI", 30: "VE^Verbal"}
    order = resource(plan("ORM^O01", PID, seg("ORC", told), OBR), "ServiceRequest")
    assert order["category"][-1]["coding"][0] | {"display": ""} == {
        "system": "http://terminology.hl7.org/CodeSystem/v2-0483", "code": "VE", "display": "",
    }  # fmt: skip
    assert "extension" not in order
    later = told | {1: "SC", 9: "202403020800", 11: "1234567893^House^^^^^^^NPI", 15: "202403010700"}
    order = resource(plan("ORM^O01", PID, seg("ORC", later), OBR), "ServiceRequest")
    assert order["authoredOn"].startswith("2024-03-01T07:00")
    (verified,) = order["extension"]
    parts = {part["url"]: part for part in verified["extension"]}
    assert verified["url"].endswith("order-authenticated")
    assert parts["at"]["valueDateTime"].startswith("2024-03-02T08:00")
    assert parts["by"]["valueReference"]["display"] == "House"


def test_an_order_names_who_is_asked() -> None:
    asked = seg("OBR", {1: "1", 2: "P1^OE", 4: "11488-4^Consultation^LN", 32: "1234567893&House&Gregory"})
    order = resource(plan("ORM^O01", PID, "ORC|NW|P1^OE", asked), "ServiceRequest")
    assert "House" in order["performer"][0]["display"]


def test_a_procedure_says_what_anesthesia_it_was() -> None:
    told = {1: "1", 3: "0SRC0J9^Knee^I10P", 5: "202403010800", 7: "90", 9: "G^General^L"}
    done = resource(plan("ADT^A08", PID, "PV1|1|I|||||||||||||||||V1", seg("PR1", told)), "Procedure")
    (kind,) = done["extension"]
    assert kind["url"].endswith("procedure-anesthesia")
    assert kind["valueCodeableConcept"]["coding"][0]["code"] == "G"


def test_prescriptions_and_dispenses() -> None:
    lines = (
        PID,
        "ORC|NW|R1^OE",
        "TQ1|1||BID",
        "RXO|197361^Amlodipine^RXN|5||mg",
        seg(
            "RXE",
            {
                2: "197361^Amlodipine 5 MG^RXN",
                3: "5",
                4: "10",
                5: "mg",
                7: "^Take one twice a day",
                10: "30",
                11: "TAB",
                12: "2",
            },
        ),
        "RXR|PO^Oral^HL70162",
    )
    request = resource(plan("RDE^O11", *lines), "MedicationRequest")
    dosage = request["dosageInstruction"][0]
    assert dosage["text"] == "Take one twice a day"
    assert dosage["timing"]["repeat"]["frequency"] == 2
    assert dosage["doseAndRate"][0]["doseRange"]["high"]["value"] == 10
    assert dosage["route"]["coding"][0]["code"]
    assert request["dispenseRequest"]["numberOfRepeatsAllowed"] == 2
    found = plan("RDS^O13", *lines, "RXD|1|197361^Amlodipine^RXN|202403051000|30|TAB||RX7")
    dispense = resource(found, "MedicationDispense")
    assert dispense["authorizingPrescription"] == [{"reference": "MedicationRequest/placer:OE|R1/RX"}]
    assert drafts(found, "MedicationRequest")[0].mode == "partial"
    given = resource(
        plan("RAS^O17", *lines, "RXA|0|1|202403051000|202403051000|197361^Amlodipine^RXN|5|mg|||7^N||||||||||CP"),
        "MedicationAdministration",
    )
    assert (given["status"], given["dosage"]["dose"]["value"]) == ("completed", 5)
    stopped = resource(plan("RDE^O11", PID, "ORC|DC|R1^OE", *lines[3:]), "MedicationRequest")
    assert stopped["status"] == "stopped"


def test_vaccinations() -> None:
    def vaccinated(rxa: str, orc: str = "ORC|RE||I1^REG", *more: str) -> Draft:
        (draft,) = drafts(plan("VXU^V04", PID, orc, rxa, *more), "Immunization")
        return draft

    rxa = (
        "RXA|0|1|20240301||140^Influenza^CVX|0.5|mL^^UCUM||00^New^NIP001|7^Nurse||||Z1|LOT1|20250101|PMC^Sanofi^MVX"
    )
    given = vaccinated(
        rxa + "|||CP|A",
        "ORC|RE||I1^REG",
        "RXR|IM^Intramuscular^HL70162|LD^Left Deltoid^HL70163",
        "OBX|1|CE|64994-7^Eligibility^LN|1|V05^VFC^HL70064",
        "OBX|2|DT|29769-7^Presented^LN|2|20240301",
    )
    shot = written(given)
    assert (shot["status"], shot["primarySource"], shot["lotNumber"]) == ("completed", True, "LOT1")
    assert shot["doseQuantity"] == {"value": 0.5, "unit": "mL", "system": "http://unitsofmeasure.org", "code": "mL"}
    assert shot["programEligibility"][0]["coding"][0]["code"] == "V05"
    assert shot["education"] == [{"presentationDate": "2024-03-01"}]
    refused = vaccinated("RXA|0|1|20240301||140^Influenza^CVX|999||||||||||||00^Parental^NIP002||RE")
    assert refused.resource["status"] == "not-done" and refused.resource["statusReason"]
    deleted = vaccinated(rxa + "|||CP|D")
    assert (deleted.mode, deleted.key) == ("entered-in-error", given.key)
    history = plan(
        "VXU^V04", PID, "ORC|RE||9999", "RXA|0|1|2012||88^flu^CVX|999|||01^Hist^NIP001",
        "ORC|RE||9999", "RXA|0|1|2013||88^flu^CVX|999|||01^Hist^NIP001",
    )  # fmt: skip
    assert len(drafts(history, "Immunization")) == 2


# Appointments, money, problems


@pytest.mark.parametrize(
    ("trigger", "told", "status"),
    [
        ("S12", "Booked", "booked"), ("S13", "", "booked"), ("S14", "Complete", "fulfilled"),
        ("S15", "Booked", "cancelled"), ("S17", "Deleted", "entered-in-error"), ("S26", "", "noshow"),
    ],
)  # fmt: skip
def test_appointments(trigger: str, told: str, status: str) -> None:
    found = plan(
        f"SIU^{trigger}",
        f"SCH|A1^OE|A2^SCH||||C1^Patient asked|CHECKUP|Normal|30|min|||||||||||||||{told}",
        PID,
        "RGS|1",
        "AIS|1||CHK^Check|202404010900|||30|min",
        "AIP|1||1234567893^House^^^^^^^NPI|D^Doctor",
        "AIL|1||C1^R1^^GEN",
        evn="NTE|1||bring card",
    )
    appointment = resource(found, "Appointment")
    assert appointment["status"] == status
    assert (appointment["start"], appointment["end"]) == ("2024-04-01T09:00:00-05:00", "2024-04-01T09:30:00-05:00")
    actors = [p["actor"]["reference"] for p in appointment["participant"]]
    assert actors == ["Patient/GEN|4711", "Practitioner/npi:1234567893", "Location/GEN///C1/R1"]
    assert drafts(found, "Appointment")[0].key == "filler:SCH|A2"
    assert ("cancelationReason" in appointment) == (status in ("cancelled", "noshow"))


def test_a_calendar_without_a_patient_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match=r"SIU\^S23 blocks"):
        plan("SIU^S23", "SCH|1", PID)


def test_charges_insurance_and_guarantor_go_to_the_account() -> None:
    found = plan(
        "DFT^P03",
        PID + "|" * 13 + "A1^^^GEN",
        seg(
            "FT1",
            {
                1: "1",
                2: "T1",
                4: "20240301",
                5: "20240302",
                6: "CG",
                7: "71045^X-ray^C4",
                10: "2",
                11: "100&USD",
                12: "50.00&USD",
                19: "R07^Pain^I10C",
                20: "1234567893^House^^^^^^^NPI",
            },
        ),
        seg("GT1", {1: "1", 3: "Doe^John", 11: "SPO"}),
        seg(
            "IN1",
            {
                1: "1",
                2: "BC1^Blue",
                3: "77^^^NAIC",
                4: "Blue Cross",
                8: "G1",
                9: "Group",
                12: "20240101",
                16: "Doe^John",
                17: "SPO",
                36: "P99",
            },
        ),
        "IN2|1",
    )
    charge, cover, account = (resource(found, t) for t in ("ChargeItem", "Coverage", "Account"))
    assert b'"value":50.00' in orjson.dumps(drafts(found, "ChargeItem")[0].resource)
    assert (charge["quantity"]["value"], charge["priceOverride"]["currency"]) == (2, "USD")
    assert charge["account"] == [{"reference": "Account/GEN|A1"}]
    assert (cover["subscriberId"], cover["relationship"]["coding"][0]["code"]) == ("P99", "spouse")
    assert account["coverage"][0]["priority"] == 1 and account["guarantor"]
    assert [s.name for s in found.account_segments] == ["FT1", "GT1", "IN1", "IN2"]
    assert found.account_segments[0].text.startswith("FT1|1|T1||20240301|")
    assert found.account_key == "GEN|A1"


def test_an_ended_account_is_inactive_and_stays() -> None:
    found = plan("BAR^P06", PID + "|" * 13 + "A1^^^GEN")
    assert resource(found, "Account")["status"] == "inactive"
    assert any("nothing is deleted" in warning for warning in found.warnings)


def test_diagnoses_stand_in_the_visit() -> None:
    found = plan(
        "ADT^A08",
        PID,
        "PV1|1|I||||||||||||||||" + "|V1",
        "DG1|1||I21.4^NSTEMI^I10C|Heart attack|20240301|A||||||||" + "|1",
    )
    assert found.visit is not None
    (entry,) = found.visit.elements["diagnosis"]
    assert entry["use"]["coding"][0]["code"] == "AD" and entry["rank"] == 1
    condition = resource(found, "Condition")
    assert condition["code"]["text"] == "Heart attack"
    gone = plan("ADT^A08", PID, "DG1|1||I21.4^NSTEMI^I10C" + "|" * 18 + "D")
    assert drafts(gone, "Condition")[0].mode == "entered-in-error"


def test_problems() -> None:
    lines = (PID, "PRB|AD|20240301|I10^Hypertension^I10C|7^HIS||||||||||Active||20200101")
    added = plan("PPR^PC1", *lines)
    assert resource(added, "Condition")["clinicalStatus"]["coding"][0]["code"] == "active"
    removed = plan("PPR^PC3", *lines)
    assert drafts(removed, "Condition")[0].mode == "entered-in-error"
    assert drafts(removed, "Condition")[0].key == drafts(added, "Condition")[0].key


def test_allergies() -> None:
    allergy = resource(
        plan("ADT^A01", PID, "AL1|1|DA|70618^Penicillin^RXNORM|SV|Hives~Swelling|2020"), "AllergyIntolerance"
    )
    assert (allergy["category"], allergy["criticality"]) == (["medication"], "high")
    assert [m["text"] for m in allergy["reaction"][0]["manifestation"]] == ["Hives", "Swelling"]
    refuted = resource(
        plan("ADT^A60", PID, "IAM|1|DA|70618^Penicillin^RXNORM|||A|||||||||||D"), "AllergyIntolerance"
    )
    assert refuted["verificationStatus"]["coding"][0]["code"] == "refuted"
    gone = plan("ADT^A60", PID, "IAM|1|DA|70618^Penicillin^RXNORM|||D")
    assert drafts(gone, "AllergyIntolerance")[0].mode == "entered-in-error"


# Refusals


@pytest.mark.parametrize("kind", ["QRY^A19", "ADT^A20", "MFN^M02", "ORU^R99", "MDM^T12", "ACK^A01"])
def test_what_is_not_filed_is_refused_by_name(kind: str) -> None:
    with pytest.raises(Unsupported) as refused:
        plan(kind, PID)
    assert kind in refused.value.reason
    assert refused.value.place == "MSH-9 (line 1)"


@pytest.mark.parametrize(
    ("kind", "lines", "reason"),
    [
        ("ADT^A01", (), "PID is missing"),
        ("ORU^R01", (PID,), "neither OBR nor OBX"),
        ("MDM^T02", (PID,), "TXA"),
        ("OML^O21", (PID,), "neither ORC nor OBR"),
        ("SIU^S12", (PID,), "SCH"),
        ("DFT^P03", (PID,), "FT1"),
        ("REF^I12", (PID,), "RF1"),
        ("PPR^PC1", (PID,), "PRB"),
    ],
)
def test_what_a_message_lacks_is_named(kind: str, lines: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Hl7Error, match=reason):
        plan(kind, *lines)


def test_warnings_name_the_place_and_never_the_value() -> None:
    found = plan("ADT^A08", "PID|1||4711^^^GEN^MR||Doe^Jane||notadate|Q")
    assert any(warning.startswith("PID-7 (line 3)") for warning in found.warnings)
    assert not any("notadate" in warning or "Doe" in warning for warning in found.warnings)
