"""C-CDA documents through intake: filed section by section, once, traced to their entry, mended and reported."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from typer.testing import CliRunner

from charthouse.foundation.access.api import ALL_LABELS, AccessContext, Label, Role
from charthouse.intake.api import (
    IntakeError,
    UnfiledState,
    add_sender_token,
    correct_message,
    provenance,
    unfiled_message,
)
from charthouse.intake.connectors.folder import sweep
from charthouse.intake.provenance import Format
from charthouse.record import api as record
from charthouse.record.chart import PartKind

DOCUMENTS = Path(__file__).parents[1] / "cda" / "documents"
TECHNICIAN = AccessContext("user:7", "R. Vale", frozenset({Role.HIT}))
EVERYTHING = AccessContext("user:9", "R. Vale", frozenset({Role.HIT}), clearance=ALL_LABELS)


def document(name: str = "nested-and-null") -> bytes:
    return (DOCUMENTS / f"{name}.xml").read_bytes()


def test_a_document_is_filed_and_the_same_again_is_a_duplicate(inbox: Any) -> None:
    taken = inbox.take_one(document())
    assert taken.kind == "C-CDA Continuity of care document"
    assert inbox.state(taken.receipt.message) == "filed"
    counts = inbox.counts()
    assert counts["AllergyIntolerance"] == 1 and counts["Observation"] == 5 and counts["DocumentReference"] == 1
    again = inbox.take_one(document())
    assert again.receipt.duplicate_of == taken.receipt.message
    assert inbox.counts() == counts
    # Without another sender's name the custodian is the sender.
    assert inbox.rows("SELECT name FROM record_source") == [
        ("Northshore Health|1.2.840.114350.1.13.999.1.7.3.688884",)
    ]


def test_a_later_document_changes_what_it_names_and_adds_no_twin(inbox: Any) -> None:
    inbox.take_one(document())
    later = document().replace(b"688883.1", b"688883.2").replace(b'code code="8517006"', b'code code="8517006"')
    later = later.replace(b"20240312093015", b"20240501080000").replace(b'value="131.0"', b'value="99.0"')
    taken = inbox.take_one(later)
    assert inbox.state(taken.receipt.message) == "filed"
    assert inbox.counts()["Patient"] == 1 and inbox.counts()["AllergyIntolerance"] == 1
    (ldl,) = [each for each in inbox.all_of("Observation") if "LDL" in str(each["code"])]
    assert ldl["valueQuantity"]["value"] == 99.0
    assert [each.version for each in inbox.versions("Observation", ldl["id"])] == [2, 1]
    assert inbox.counts()["DocumentReference"] == 2


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one batch"])
def test_an_older_document_that_comes_later_changes_nothing(inbox: Any, together: bool) -> None:
    newer = document().replace(b"688883.1", b"688883.2").replace(b'value="131.0"', b'value="99.0"')
    newer = newer.replace(b'effectiveTime value="20240312093015', b'effectiveTime value="20240501080000')
    newer = newer.replace(b"12 Salt Lane", b"9 New Street")
    for data in (newer, document()):
        inbox.take_one(data, file=not together)
    inbox.file_waiting()
    (ldl,) = [each for each in inbox.all_of("Observation") if "LDL" in str(each["code"])]
    assert ldl["valueQuantity"]["value"] == 99.0
    assert inbox.only("Patient")["address"][0]["line"] == ["9 New Street"]
    # Both documents can be read.
    assert inbox.counts()["DocumentReference"] == 2 and inbox.items() == []


def test_digits_are_kept(inbox: Any) -> None:
    inbox.take_one(document())
    (ldl,) = [each for each in inbox.all_of("Observation") if "LDL" in str(each["code"])]
    assert b"131.0" in inbox.versions("Observation", ldl["id"])[0].content


def test_an_item_leads_to_its_very_entry(inbox: Any) -> None:
    inbox.take_one(document())
    found = provenance(EVERYTHING, "AllergyIntolerance", inbox.only("AllergyIntolerance")["id"])
    assert found is not None and found.original is not None
    assert found.original.format is Format.CDA
    marked = [each.text.strip() for each in found.original.lines if each.marked]
    assert marked[0].startswith('<entry><act classCode="ACT"') and marked[-1].endswith("</act></entry>")
    assert any('extension="9"' in each for each in marked)
    first = found.original.lines[0].number
    assert document().split(b"\n")[first - 1].decode().strip() == found.original.lines[0].text.strip()


def test_who_may_not_see_all_of_a_document_sees_the_item_own_lines(inbox: Any) -> None:
    data = document().replace(b"<title>Results</title>", b'<title>Results</title><confidentialityCode code="V"/>')
    inbox.take_one(data)
    reader = replace(TECHNICIAN, clearance=Label.NONE)
    found = provenance(reader, "AllergyIntolerance", inbox.only("AllergyIntolerance")["id"])
    assert found is not None and found.original is not None
    assert found.original.lines and all(each.marked for each in found.original.lines)
    assert not [each for each in inbox.all_of("Observation") if "LDL" in str(each) and "security" not in str(each)]
    # The document holds what is restricted, and so is restricted itself.
    (patients,) = inbox.charts()
    key = ("DocumentReference", inbox.only("DocumentReference")["id"])
    assert record.document(reader, tuple(patients), *key) is None
    assert record.document(EVERYTHING, tuple(patients), *key) is not None


def test_the_document_is_read_on_screen_by_its_sections(inbox: Any) -> None:
    inbox.take_one(document("without-templates"))
    (patients,) = inbox.charts()
    shown = record.document(EVERYTHING, tuple(patients), "DocumentReference", inbox.only("DocumentReference")["id"])
    assert shown is not None
    assert [(part.kind, part.title) for part in shown.parts] == [
        (PartKind.HTML, "PROBLEM LIST"),
        (PartKind.HTML, "Current Medications"),
        (PartKind.HTML, "Something of our own"),
        (PartKind.FILE, "The document in XML, as it came"),
    ]
    assert shown.parts[2].text == "Seen at home."
    assert "names neither a code nor words" in shown.parts[1].note
    file = record.document_file(EVERYTHING, tuple(patients), shown.type, shown.id, shown.parts[3].file or 0)
    assert file is not None and file.content == document("without-templates")


def test_what_is_broken_is_named_to_a_person_and_the_rest_is_filed(inbox: Any) -> None:
    taken = inbox.take_one(document("one-broken-element"))
    message = taken.receipt.message
    assert inbox.state(message) == "partly"
    assert inbox.problems(message) == [("section", "ClinicalDocument")]
    assert inbox.only("Condition")["code"]["text"] == "Pneumonia"
    shown = unfiled_message(TECHNICIAN, message)
    assert shown is not None and shown.editable is not None and shown.hints
    copy, state = correct_message(TECHNICIAN, message, _mended(shown.editable), "the tag was not closed")
    assert state is UnfiledState.FILED and copy != message
    assert inbox.items() == []
    assert inbox.only("Condition")["code"]["text"] == "Pneumonia"


def _mended(text: str) -> str:
    return text.replace("two days</paragraph>", "two days</content></paragraph>").replace("\x01", "")


def test_a_replaced_document_is_superseded_whichever_comes_first(inbox: Any) -> None:
    first = document("without-templates")
    second = first.replace(b"f0b001", b"f0b002").replace(
        b"<recordTarget>",
        b'<relatedDocument typeCode="RPLC"><parentDocument><id root="f0a2b6de-5f0e-4dd3-b1f3-4a2f06f0b001"/>'
        b"</parentDocument></relatedDocument><recordTarget>",
    )
    # Both name nobody by a number: a name and a birth date are who it is.
    for order in ((first, second), (second, first)):
        for data in order:
            inbox.take_one(data, sender=f"clinic {order[0] is first}")
    found = inbox.all_of("DocumentReference")
    by_sender = [found[:2], found[2:]]
    for pair in by_sender:
        status = {each["masterIdentifier"]["value"][-1]: each["status"] for each in pair}
        assert status == {"1": "superseded", "2": "current"}
        (new,) = [each for each in pair if each["status"] == "current"]
        (old,) = [each for each in pair if each["status"] == "superseded"]
        assert new["relatesTo"] == [{"code": "replaces", "target": {"reference": f"DocumentReference/{old['id']}"}}]
        assert old["content"][0]["attachment"].get("data")


def test_two_senders_of_one_document_name_two_patients_of_one_person(inbox: Any) -> None:
    inbox.take_one(document(), sender="north")
    inbox.take_one(document(), sender="south")
    assert inbox.counts()["Patient"] == 2
    assert [len(each) for each in inbox.charts()] == [2]


def test_the_same_ids_about_another_patient_are_other_items(inbox: Any) -> None:
    inbox.take_one(document())
    other = document().replace(b'extension="E404417"', b'extension="E555"').replace(b"Marguerite", b"Lotte")
    taken = inbox.take_one(other.replace(b"19670214", b"19911230"))
    assert inbox.state(taken.receipt.message) == "filed"
    assert inbox.counts()["AllergyIntolerance"] == 2


@pytest.mark.parametrize(
    "data",
    [b'<!DOCTYPE a [<!ENTITY b "c">]><ClinicalDocument>&b;</ClinicalDocument>', b"<html><p>no</p></html>"],
    ids=["entities", "another kind"],
)
def test_what_is_no_document_is_refused_whole_and_nothing_is_kept(inbox: Any, data: bytes) -> None:
    with pytest.raises(IntakeError):
        inbox.take(data)
    assert inbox.rows("SELECT id FROM intake_message") == []


def test_a_document_about_nobody_is_kept_and_waits(inbox: Any) -> None:
    taken = inbox.take_one(b"<ClinicalDocument xmlns='urn:hl7-org:v3'><title>x</title></ClinicalDocument>")
    assert inbox.state(taken.receipt.message) == "unfiled"
    assert inbox.problems(taken.receipt.message) == [("not-cda", "")]
    ((_, reason),) = inbox.items()
    assert "whom it is about" in reason


def test_a_custodian_cannot_pass_for_our_own_desk(inbox: Any) -> None:
    from charthouse.intake.api import OWN_DESK

    data = document().replace(b"<name>Northshore Health</name>", f"<name>{OWN_DESK}</name>".encode())
    inbox.take_one(data)
    assert OWN_DESK not in [name for (name,) in inbox.rows("SELECT name FROM record_source")]


def test_by_http_and_by_folder(inbox: Any, tmp_path: Path) -> None:
    token = add_sender_token(AccessContext("user:4", "A manager", frozenset({Role.MANAGER})), "clinic", "CLINIC")
    answer = Client().post(
        "/intake", document(), content_type="application/xml", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 202
    inbox.file_waiting()
    assert inbox.counts()["AllergyIntolerance"] == 1
    answer = Client().post(
        "/intake", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", content_type="application/xml",
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    assert answer.status_code == 400 and "document type" in answer.json()["error"]
    for name, data in {"good.xml": document("no-known"), "bad.xml": b"<html/>"}.items():
        path = tmp_path / name
        path.write_bytes(data)
        import os

        os.utime(path, (1, 1))
    sweep(tmp_path)
    assert (tmp_path / "done" / "good.xml").exists()
    assert "no CDA document" in (tmp_path / "refused" / "bad.xml.reason.txt").read_text()


def test_the_report_names_every_section(inbox: Any, tmp_path: Path) -> None:
    import typer

    from charthouse.intake.commands import intake

    for name in ("nested-and-null", "without-templates"):
        (tmp_path / f"{name}.xml").write_bytes(document(name))
    (tmp_path / "bomb.xml").write_bytes(b'<!DOCTYPE a [<!ENTITY b "c">]><ClinicalDocument>&b;</ClinicalDocument>')
    app = typer.Typer()
    app.command()(intake)
    run = CliRunner().invoke(app, [str(tmp_path), "--report", "--processes", "1"], env={"COLUMNS": "200"})
    assert run.exit_code == 1, run.output
    for words in ("Current Medications", "partly read", "kept as text", "refused", "2 taken in, 1 refused"):
        assert words in run.output, run.output
    run = CliRunner().invoke(app, [str(tmp_path), "--format", "json", "--processes", "1"])
    found = {each["file"]: each for each in json.loads(run.stdout)["files"]}
    assert found["without-templates.xml"]["states"] == {"duplicate": 1}
    assert "DOCTYPE" in found["bomb.xml"]["refused"]


def test_the_report_for_programs_has_the_sections(inbox: Any, tmp_path: Path) -> None:
    import typer

    from charthouse.intake.commands import intake

    (tmp_path / "one.xml").write_bytes(document("without-templates"))
    app = typer.Typer()
    app.command()(intake)
    run = CliRunner().invoke(app, [str(tmp_path), "--report", "--format", "json", "--processes", "1"])
    assert run.exit_code == 0, run.output
    (file,) = json.loads(run.stdout)["files"]
    (made,) = file["documents"]
    assert [(each["title"], each["outcome"]) for each in made["sections"]] == [
        ("PROBLEM LIST", "partly"),
        ("Current Medications", "partly"),
        ("Something of our own", "text"),
    ]


# Documents within messages


def _fhir(about: bytes, family: str = "Oduya-Brandt", kind: str = "transaction") -> dict[str, Any]:
    patient = {"resourceType": "Patient", "id": "p1", "name": [{"family": family}], "birthDate": "1967-02-14"}
    reference = {
        "resourceType": "DocumentReference", "id": "d1", "status": "current", "type": {"text": "Summary"},
        "subject": {"reference": "Patient/p1"},
        "content": [{"attachment": {"contentType": "application/xml", "data": base64.b64encode(about).decode()}}],
    }  # fmt: skip
    entry = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for each in (patient, reference)
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entry}


def test_a_document_that_came_as_attachment_is_filed_for_the_message_patient(inbox: Any) -> None:
    taken = inbox.take_one(_fhir(document()), sender="hie")
    assert inbox.state(taken.receipt.message) == "filed"
    assert inbox.counts()["Patient"] == 1 and inbox.counts()["DocumentReference"] == 1
    allergy = inbox.only("AllergyIntolerance")
    assert allergy["patient"]["reference"] == f"Patient/{inbox.only('Patient')['id']}"
    found = provenance(EVERYTHING, "AllergyIntolerance", allergy["id"])
    assert found is not None and found.kind == "Bundle transaction"
    again = inbox.take_one(_fhir(document()), sender="hie")
    assert again.receipt.duplicate_of == taken.receipt.message


def test_an_attachment_about_somebody_else_is_filed_as_a_document_alone(inbox: Any) -> None:
    whole = inbox.take_one(_fhir(document(), family="Somebody"), sender="elsewhere")
    assert inbox.state(whole.receipt.message) == "partly"
    assert inbox.problems(whole.receipt.message) == [("document-patient", "entry 2")]
    taken = inbox.take_one(_fhir(document(), family="Somebody", kind="batch"), sender="hie")
    assert inbox.state(taken.receipt.message) == "partly"
    assert inbox.problems(taken.receipt.message) == [("document-patient", "entry 2")]
    assert inbox.counts()["DocumentReference"] == 2 and inbox.counts()["AllergyIntolerance"] == 0


def test_a_document_in_an_hl7_message_is_filed_for_its_patient(inbox: Any, make: Any) -> None:
    body = base64.b64encode(document()).decode()
    txa = "TXA|1|DS|TX|20260105|||||||||DOC1^LAB|||||AU"
    data = make.hl7("MDM^T02", txa, f"OBX|1|ED|18842-5^Summary^LN||^TEXT^XML^Base64^{body}||||||F")
    patient = inbox.take_one(data)
    # The patient of the message has another name than the one in the document: a person is told.
    assert inbox.problems(patient.receipt.message) == [("document-patient", "TXA[1]")]
    assert [reason for _, reason in inbox.items()] == [
        "The document is about another person than the message; nothing of it is filed as data."
    ]
    assert inbox.counts()["DocumentReference"] == 1 and inbox.counts()["AllergyIntolerance"] == 0
    name = inbox.only("Patient")["name"][0]["family"]
    same = document().replace(b"<family>Oduya-Brandt</family>", f"<family>{name}</family>".encode())
    born = inbox.only("Patient")["birthDate"].replace("-", "").encode()
    same = same.replace(b'birthTime value="19670214"', b'birthTime value="' + born + b'"')
    body = base64.b64encode(same).decode()
    txa = txa.replace("DOC1", "DOC2")
    taken = inbox.take_one(
        make.hl7("MDM^T02", txa, f"OBX|1|ED|18842-5^Summary^LN||^TEXT^XML^Base64^{body}||||||F", control="C2")
    )
    assert inbox.state(taken.receipt.message) == "filed", inbox.problems(taken.receipt.message)
    allergy = inbox.only("AllergyIntolerance")
    assert allergy["patient"]["reference"] == f"Patient/{inbox.only('Patient')['id']}"
    found = provenance(EVERYTHING, "AllergyIntolerance", allergy["id"])
    assert found is not None and found.original is not None
    assert [each.text[:6] for each in found.original.lines if each.marked] == ["TXA|1|"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data.replace(b"</ClinicalDocument>", b""), "section"),
        (lambda data: b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + data[data.index(b"<ClinicalDocument") :], "not-cda"),
        (None, "attachment"),
    ],
    ids=["not well-formed", "hostile", "no base64"],
)
def test_a_broken_document_in_an_hl7_message_is_named_to_a_person(
    inbox: Any, make: Any, change: Any, code: str
) -> None:
    same = document().replace(b"<family>Oduya-Brandt</family>", b"<family>Marsh</family>")
    same = same.replace(b'birthTime value="19670214"', b'birthTime value="19610417"')
    body = base64.b64encode(change(same)).decode() if change else "PD94bWwg*bad*"
    txa = "TXA|1|DS|TX|20260105|||||||||DOC1^LAB|||||AU"
    message = make.hl7("MDM^T02", txa, f"OBX|1|ED|18842-5^Summary^LN||^TEXT^XML^Base64^{body}||||||F")
    taken = inbox.take_one(message)
    assert inbox.state(taken.receipt.message) == "partly"
    assert code in [found for found, _ in inbox.problems(taken.receipt.message)]
    assert [subject for subject, _ in inbox.items()] == [str(taken.receipt.message)]
    shown = unfiled_message(TECHNICIAN, taken.receipt.message)
    assert shown is not None and shown.row.reason and shown.hints
    # The same bytes again would lose the same; what came since stays.
    inbox.take_one(make.hl7("ADT^A08", at="20260301080000", control="C2", name="Marsh^Ida^Ruth"))
    again = inbox.take_one(message)
    assert again.receipt.duplicate_of == taken.receipt.message and inbox.file_waiting() == []
    assert inbox.only("Patient")["name"][0]["given"] == ["Ida", "Ruth"]
    # The message itself is filed.
    assert inbox.counts()["Patient"] == 1 and inbox.counts()["DocumentReference"] == 1
