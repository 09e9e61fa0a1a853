"""A chart sent to somebody outside as a C-CDA document: what is in it, what is left out, what is written down."""
# ruff: noqa: E501 (tables)

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import orjson
import pytest
from typer.testing import CliRunner

from charthouse.exchange.cda.api import DocumentKind
from charthouse.foundation.access.api import (
    AccessContext,
    PermissionRefused,
    Purpose,
    Role,
    system_context,
)
from charthouse.foundation.access.clearance import clearance_for
from charthouse.foundation.disclosure.api import DisclosureLine, disclosures_of
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.people.api import User, add_account
from charthouse.people.testing import sign_in
from charthouse.web.actions.export_document import NothingToSend, Sent, export_document
from charthouse.web.actions.printed import Outside
from tests.support.cda import converted

SYSTEM = system_context("test")
CLINIC = Outside("Riverside Clinic", Purpose.TREATMENT, "1 River Road")
SUBJECT = {"subject": {"reference": "Patient/p1"}}
STAY = {"encounter": {"reference": "Encounter/e1"}}
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LAB = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}]
V3 = {"c": "urn:hl7-org:v3"}


def asker(*roles: Role) -> AccessContext:
    return AccessContext("user:7", "R. Vale", frozenset(roles), clearance=clearance_for(roles))


def category(code: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": code}]}]


def resources() -> list[dict[str, Any]]:
    """One invented person's chart."""
    active = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
    return [
        {"resourceType": "Patient", "id": "p1", "birthDate": "1961-04-17", "gender": "female",
         "name": [{"family": "Marsh", "given": ["Ida"]}],
         "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:mrn", "value": "00100"}]},
        {"resourceType": "Encounter", "id": "e1", "status": "finished", **SUBJECT, "identifier": [{"value": "V77"}],
         "class": {"system": ACT, "code": "IMP"}, "period": {"start": "2026-02-03T08:00:00Z", "end": "2026-02-06T12:00:00Z"},
         "hospitalization": {"dischargeDisposition": {"text": "Home"}}},
        {"resourceType": "Encounter", "id": "e2", "status": "finished", **SUBJECT,
         "class": {"system": ACT, "code": "AMB"}, "period": {"start": "2025-06-01T08:00:00Z"}},
        {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "Sodium"}, **SUBJECT, **STAY,
         "category": LAB, "effectiveDateTime": "2026-02-03", "valueQuantity": {"value": 138, "unit": "mmol/L"}},
        {"resourceType": "Observation", "id": "o2", "status": "final", "code": {"text": "Cholesterol"}, **SUBJECT,
         "category": LAB, "effectiveDateTime": "2025-06-01", "valueQuantity": {"value": 5.2, "unit": "mmol/L"}},
        {"resourceType": "Observation", "id": "o3", "status": "final", "code": {"text": "Serostatus"}, **SUBJECT,
         "category": LAB, "meta": {"security": [{"system": ACT, "code": "PSYTHPN"}]}, "valueString": "withheld word"},
        {"resourceType": "Observation", "id": "o4", "status": "entered-in-error", "code": {"text": "Wrong tube"},
         **SUBJECT, "category": LAB, "effectiveDateTime": "2026-02-03", "valueString": "retracted word"},
        {"resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p1"},
         "code": {"text": "Penicillin <b>&"}, "criticality": "high"},
        {"resourceType": "Condition", "id": "c1", **SUBJECT, **STAY, "clinicalStatus": active,
         "category": category("encounter-diagnosis"),
         "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J18.9"}], "text": "Pneumonia"}},
        {"resourceType": "Condition", "id": "c2", **SUBJECT, "clinicalStatus": active,
         "category": category("problem-list-item"), "code": {"text": "Asthma"}},
        {"resourceType": "DocumentReference", "id": "d1", "status": "current", "docStatus": "final", **SUBJECT,
         "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}], "text": "Discharge summary"},
         "context": {"encounter": [{"reference": "Encounter/e1"}]},
         "content": [{"attachment": {"contentType": "text/plain",
                                     "data": base64.b64encode(b"Came with fever.\nWent home well.").decode()}}]},
    ]  # fmt: skip


@pytest.fixture
def person(db: None, request: pytest.FixtureRequest) -> UUID:
    """The chart of Ida Marsh, as it came in by intake; a test may name what else is in it."""
    from django.db import connection

    from charthouse.intake.api import Connector, take_in

    entry = [
        {"resource": each, "request": {"method": "POST", "url": each["resourceType"]}}
        for each in [*resources(), *getattr(request, "param", [])]
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entry}
    (taken,) = list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender=None))
    assert taken.result is not None and str(taken.result.state) == "filed", taken.result.problems
    with connection.cursor() as cursor:
        cursor.execute("SELECT person FROM identity_source_patient")
        return UUID(str(cursor.fetchone()[0]))


def encounter(text: str) -> str:
    """The public id of the encounter of this class."""
    from charthouse.record.api import encounters

    with_class = {"IMP": "inpatient", "AMB": "ambulatory"}[text]
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT patient FROM identity_source_patient")
        patients = [cursor.fetchone()[0]]
    rows = encounters(SYSTEM, patients).rows
    return next(row.id for row in rows if with_class in (row.class_title or row.title).lower())


def disclosed() -> list[DisclosureLine]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT public_id FROM identity_source_patient")
        patients = [public for (public,) in cursor.fetchall()]
    return disclosures_of(SYSTEM, patients, datetime(1990, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC))


def sent(person: UUID, kind: DocumentKind = DocumentKind.CCD, of: str = "") -> Sent:
    return export_document(asker(Role.HIT), person, kind, CLINIC, of)


def sections(content: bytes) -> dict[str, str]:
    """The sections of a document: title and text."""
    root = ElementTree.fromstring(content)
    return {
        str(each.findtext("c:title", "", V3)): " ".join("".join(each.find("c:text", V3).itertext()).split())  # type: ignore[union-attr]
        for each in root.iter("{urn:hl7-org:v3}section")
    }


def test_a_ccd_holds_the_chart_and_says_where_it_holds_nothing(person: UUID) -> None:
    document = sent(person)
    root = ElementTree.fromstring(document.content)
    templates = {each.get("root") for each in root.findall("c:templateId", V3)}
    assert {"2.16.840.1.113883.10.20.22.1.1", "2.16.840.1.113883.10.20.22.1.2"} <= templates
    told = sections(document.content)
    assert list(told) == ["Allergies", "Medications", "Problems", "Procedures", "Results", "Social history", "Vital signs",
                          "Immunizations", "Encounters", "Payers", "Plan of treatment"]  # fmt: skip
    assert "Penicillin <b>&" in told["Allergies"] and "Asthma" in told["Problems"]
    assert "Pneumonia" in told["Encounters"] and "Pneumonia" not in told["Problems"]
    assert told["Immunizations"] == "No information about immunizations."
    empty = [each.get("nullFlavor") for each in root.iter("{urn:hl7-org:v3}section")]
    assert empty.count("NI") == sum("No information" in text for text in told.values())
    back = converted(document.content)
    assert {draft.resource["code"]["text"] for draft in back.drafts if draft.type == "Condition"} == {
        "Pneumonia",
        "Asthma",
    }
    recipient = root.find("c:informationRecipient/c:intendedRecipient/c:receivedOrganization/c:name", V3)
    assert recipient is not None and recipient.text == "Riverside Clinic"


def test_what_needs_its_own_permission_and_what_was_retracted_is_left_out(person: UUID) -> None:
    for kind, of in ((DocumentKind.CCD, ""), (DocumentKind.DISCHARGE_SUMMARY, encounter("IMP"))):
        content = sent(person, kind, of).content
        assert b"withheld word" not in content and b"Serostatus" not in content
        assert b"retracted word" not in content


def test_a_discharge_summary_is_of_one_stay(person: UUID) -> None:
    document = sent(person, DocumentKind.DISCHARGE_SUMMARY, encounter("IMP"))
    told = sections(document.content)
    assert (
        told["Hospital course"] == "Came with fever. Went home well."
        or "Came with fever." in told["Hospital course"]
    )
    assert "Pneumonia" in told["Discharge diagnoses"] and "Asthma" in told["Problems"]
    assert "Sodium" in told["Results"] and "Cholesterol" not in told["Results"]
    root = ElementTree.fromstring(document.content)
    stay = root.find("c:componentOf/c:encompassingEncounter", V3)
    assert stay is not None
    assert [each.get("value") for each in stay.findall("c:effectiveTime/*", V3)] == [
        "20260203080000+0000",
        "20260206120000+0000",
    ]
    back = converted(document.content)
    assert back.kind == "Discharge summary"
    (visit,) = [draft.resource for draft in back.drafts if draft.type == "Encounter"]
    assert visit["class"]["code"] == "IMP" and visit["hospitalization"]["dischargeDisposition"]["text"] == "Home"


def note(id: str, text: str, **more: Any) -> dict[str, Any]:
    """A document of the stay, a discharge summary by its type, in HTML."""
    data = base64.b64encode(text.encode()).decode()
    return {
        "resourceType": "DocumentReference", "id": id, "status": "current", **SUBJECT, "docStatus": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}], "text": "Discharge summary"},
        "context": {"encounter": [{"reference": "Encounter/e1"}]},
        "content": [{"attachment": {"contentType": "text/html", "data": data}}], **more,
    }  # fmt: skip


@pytest.mark.parametrize("person", [[
    note("d2", "<p>The newest course.</p><table><tr><td>Weight</td><td>74 kg</td></tr></table>", date="2026-02-07T09:00:00Z"),
    note("d3", "<p>TSH was normal.</p>", date="2026-02-09T09:00:00Z", docStatus="preliminary",
         author=[{"display": "Vale, Rose"}],
         relatesTo=[{"code": "appends", "target": {"reference": "DocumentReference/d2"}}]),
]], indirect=True)  # fmt: skip
def test_an_addendum_stands_with_its_discharge_summary_and_not_for_it(person: UUID) -> None:
    told = sections(sent(person, DocumentKind.DISCHARGE_SUMMARY, encounter("IMP")).content)
    assert told["Hospital course"] == (
        "The newest course.Weight; 74 kgAddendum, unsigned, 9 Feb 2026 09:00, Vale, Rose:TSH was normal."
    )
    (line,) = disclosed()
    assert sum(item.id.startswith("DocumentReference/") for item in line.items) == 2


def test_every_document_is_a_disclosure_and_an_entry_of_the_ledger(person: UUID) -> None:
    document = sent(person)
    (line,) = disclosed()
    assert (line.recipient.name, line.recipient.address, line.purpose, line.how.value) == (
        "Riverside Clinic", "1 River Road", Purpose.TREATMENT, "export",
    )  # fmt: skip
    assert line.description == "Continuity of care document"
    kinds = {item.id.partition("/")[0] for item in line.items}
    assert kinds == {"Patient", "AllergyIntolerance", "Condition", "Encounter", "Observation"}
    assert len(line.items) == document.items
    (entry,) = entries(SYSTEM, Filters(action="chart.export")).lines
    assert entry.detail["document"] == str(document.id) and entry.detail["disclosures"] == list(
        document.disclosures
    )
    assert "Marsh" not in str(entry.detail) and "Riverside" not in str(entry.detail)


def test_nobody_sends_without_the_right_and_nothing_is_written(person: UUID) -> None:
    with pytest.raises(PermissionRefused):
        export_document(asker(Role.CODER), person, DocumentKind.CCD, CLINIC)
    with pytest.raises(NothingToSend):
        sent(UUID(int=5))
    with pytest.raises(NothingToSend):
        sent(person, DocumentKind.DISCHARGE_SUMMARY, "no-such-encounter")
    assert disclosed() == [] and entries(SYSTEM, Filters(action="chart.export")).lines == ()


def test_the_screen_asks_and_gives_the_document(person: UUID) -> None:
    made = add_account(SYSTEM, username="vale", display_name="R. Vale", roles=[Role.HIT], require_totp=False)
    client = sign_in(User.objects.get(pk=made.id))
    page = client.get(f"/chart/{person}/send/")
    assert page.status_code == 200
    assert "Discharge summary" in page.content.decode() and "Riverside" not in page.content.decode()
    form = {"what": "ccd", "recipient": "Riverside Clinic", "address": "", "purpose": "TREAT"}
    for wrong in ({"recipient": " "}, {"purpose": ""}, {"what": "everything"}, {"what": "discharge-summary:x"}):
        answer = client.post(f"/chart/{person}/send/", {**form, **wrong})
        assert answer.status_code == 200 and "Not sent:" in answer.content.decode(), wrong
    assert disclosed() == []
    answer = client.post(f"/chart/{person}/send/", form)
    assert answer["Content-Type"] == "application/xml"
    assert answer["Content-Disposition"] == 'attachment; filename="document.xml"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert sections(answer.content)["Allergies"]
    assert len(disclosed()) == 1


def test_the_command_writes_a_file_and_never_over_one(person: UUID, tmp_path: Path) -> None:
    from charthouse.web.commands.export import app

    to = ["--to", "Riverside Clinic", "--for", "TREAT"]
    file = tmp_path / "ccd.xml"
    run = CliRunner().invoke(app, ["ccd", "00100", "-o", str(file), *to])
    assert run.exit_code == 0, run.output
    assert file.stat().st_mode & 0o077 == 0 and "Asthma" in file.read_text()
    run = CliRunner().invoke(app, ["ccd", str(person), "-o", str(file), *to])
    assert run.exit_code == 2 and "already" in run.output
    run = CliRunner().invoke(app, ["ccd", "00999", "-o", str(tmp_path / "x.xml"), *to])
    assert run.exit_code == 1 and "Nobody" in run.output
    run = CliRunner().invoke(app, ["discharge-summary", "00100", "-o", str(tmp_path / "ds.xml"), *to])
    assert run.exit_code == 2 and "V77" in run.output
    run = CliRunner().invoke(
        app, ["discharge-summary", "00100", "-o", str(tmp_path / "ds.xml"), *to, "--encounter", "V77"]
    )
    assert run.exit_code == 0, run.output
    assert len(disclosed()) == 2


def test_a_whole_chart_is_sent_as_fhir_with_its_files_and_every_item_is_disclosed(person: UUID) -> None:
    from charthouse.intake.api import Connector, take_in
    from charthouse.web.actions.export_chart import export_chart

    scan = b"%PDF-1.4 " + bytes(range(256)) * 300
    attachment = {"contentType": "application/pdf", "data": base64.b64encode(scan).decode()}
    more = {
        "resourceType": "DocumentReference",
        "id": "d9",
        "status": "current",
        **SUBJECT,
        "content": [{"attachment": attachment}],
    }
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": more}]}
    list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender=None))
    made = User.objects.get(
        pk=add_account(SYSTEM, username="hit", display_name="R. Vale", roles=[Role.HIT], require_totp=False).id
    )
    browser = sign_in(made)
    form = {"what": "fhir", "recipient": "Riverside Clinic", "purpose": Purpose.TREATMENT.value}
    refused = browser.post(f"/chart/{person}/send/", form | {"recipient": ""})
    assert "Not sent" in refused.content.decode() and not disclosed()
    answer = browser.post(f"/chart/{person}/send/", form)
    assert answer["Content-Type"] == "application/fhir+json" and "attachment" in answer["Content-Disposition"]
    found = [each["resource"] for each in orjson.loads(answer.content)["entry"]]
    by_type = {each["resourceType"] for each in found}
    assert {"Patient", "Encounter", "Observation", "DocumentReference", "Binary"} <= by_type
    assert b"withheld word" not in answer.content
    (binary,) = (each for each in found if each["resourceType"] == "Binary")
    named = [part["attachment"].get("url") for each in found for part in each.get("content", [])]
    assert f"Binary/{binary['id']}" in named and base64.b64decode(binary["data"]) == scan
    retracted = [each for each in found if each.get("status") == "entered-in-error"]
    assert len(retracted) == 1
    (line,) = disclosed()
    assert {item.id for item in line.items} == {
        f"{each['resourceType']}/{each['id']}" for each in found if each["resourceType"] != "Binary"
    }
    with pytest.raises(PermissionRefused):
        export_chart(asker(Role.ADMINISTRATOR), person, CLINIC)
