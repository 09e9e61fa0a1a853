"""Prints from a chart: what stands on paper, what is withheld, and what is written down of it."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pypdfium2 as pdfium
import pytest

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Purpose, Role, system_context
from charthouse.foundation.access.clearance import clearance_for
from charthouse.foundation.disclosure.api import Basis, DisclosureLine, How, disclosures_of
from charthouse.foundation.ledger.api import Filters, Line, Subject, entries
from charthouse.foundation.work import api as work
from charthouse.people import api as people
from charthouse.people.api import User, add_account
from charthouse.people.testing import sign_in
from charthouse.record.chart import ChartSummary
from charthouse.web.actions import print_chart
from charthouse.web.actions.print_chart import (
    SECTIONS,
    print_chart_section,
    print_document,
    print_face_sheet,
)
from charthouse.web.actions.print_work_list import print_work_list
from charthouse.web.actions.printed import NothingToPrint, Outside, PrintError, given_outside
from charthouse.web.pdf import _png as drawing
from charthouse.web.views.chart import BY_SLUG
from tests.support.readers import pages

SYSTEM = system_context("test")
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SUBJECT = {"subject": {"reference": "Patient/p1"}}
CLINIC = Outside("Riverside Clinic", Purpose.TREATMENT, "1 River Road")
LONG_AGO, FAR_OFF = datetime(1990, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC)
PNG = drawing(bytes(range(192)), 8, 8, 24, 3)


def asker(*roles: Role) -> AccessContext:
    return AccessContext("user:7", "R. Vale", frozenset(roles), clearance=clearance_for(roles))


TECHNICIAN = asker(Role.HIT)


def resources() -> list[dict[str, Any]]:
    """One invented person's chart."""
    note = {"resourceType": "DocumentReference", "status": "current", **SUBJECT}
    return [
        {"resourceType": "Patient", "id": "p1", "birthDate": "1961-04-17", "gender": "female",
         "name": [{"family": "Marsh", "given": ["Ida"]}],
         "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:mrn", "value": "00100"}],
         "address": [{"line": ["12 Alder Street"], "city": "Northampton", "state": "MA"}],
         "telecom": [{"system": "phone", "value": "413 555 0100"}]},
        {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "Weight"}, **SUBJECT,
         "effectiveDateTime": "2026-02-03", "valueQuantity": {"value": 72.5, "unit": "kg"}},
        {"resourceType": "Observation", "id": "o2", "status": "preliminary", "code": {"text": "Sodium"}, **SUBJECT,
         "effectiveDateTime": "2026-02-04", "valueQuantity": {"value": 138, "unit": "mmol/L"}},
        {"resourceType": "Observation", "id": "o3", "status": "final", "code": {"text": "Serostatus"}, **SUBJECT,
         "meta": {"security": [{"system": ACT, "code": "PSYTHPN"}]}, "valueString": "withheld word"},
        {"resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p1"},
         "code": {"text": "Penicillin #1 $x$ \\"}, "criticality": "high"},
        {**note, "id": "d1", "docStatus": "preliminary", "type": {"text": "Discharge summary"},
         "content": [
             {"attachment": {"contentType": "text/plain",
                             "data": base64.b64encode(b"DIAGNOSES:\n  1. Asthma   mild").decode()}},
             {"attachment": {"contentType": "image/png", "data": base64.b64encode(PNG).decode()}},
             {"attachment": {"contentType": "application/zip", "data": base64.b64encode(b"PK..").decode()}},
         ]},
        {**note, "id": "d2", "docStatus": "final", "type": {"text": "Therapy note"},
         "meta": {"security": [{"system": ACT, "code": "PSYTHPN"}]},
         "content": [{"attachment": {"contentType": "text/plain",
                                     "data": base64.b64encode(b"what was said in confidence").decode()}}]},
    ]  # fmt: skip


@pytest.fixture
def person(db: None) -> UUID:
    """The chart of Ida Marsh, as it came in by intake."""
    from django.db import connection

    from charthouse.intake.api import Connector, take_in

    entry = [{"resource": each, "request": {"method": "POST", "url": each["resourceType"]}} for each in resources()]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entry}
    (taken,) = list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender=None))
    assert taken.result is not None and str(taken.result.state) == "filed"
    with connection.cursor() as cursor:
        cursor.execute("SELECT person FROM identity_source_patient")
        return UUID(str(cursor.fetchone()[0]))


def ids(*kinds: str) -> list[str]:
    """The public ids of what was filed, by type, in the order it was filed."""
    from django.db import connection

    from charthouse.record.api import TYPE_ID

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT public_id FROM record_resource WHERE type = ANY(%s) ORDER BY id", [[TYPE_ID[k] for k in kinds]]
        )
        return [public_id for (public_id,) in cursor.fetchall()]


def lines(action: str = "chart.print") -> tuple[Line, ...]:
    return entries(SYSTEM, Filters(action=action)).lines


def disclosed() -> list[DisclosureLine]:
    return disclosures_of(SYSTEM, ids("Patient"), LONG_AGO, FAR_OFF)


def test_the_face_sheet_says_who_it_is_and_what_must_be_known(person: UUID) -> None:
    (text,) = pages(print_face_sheet(TECHNICIAN, person).content)
    for words in ("Marsh, Ida", "17 Apr 1961", "00100", "12 Alder Street, Northampton, MA", "413 555 0100"):
        assert words in text
    assert "Penicillin #1 $x$ \\" in text and "! High risk" in text
    assert "Active problems None recorded." in text
    assert "It may not be the whole record." in text


def test_where_the_patient_asked_to_be_written_to_only_there_no_other_way_is_printed() -> None:
    summary = ChartSummary("Marsh, Ida", "1961", 65, "female", (), confidential_address="PO Box 12")
    pairs = dict(print_chart.who(summary, resources()[0]))
    assert pairs["Write only to"] == "PO Box 12"
    assert "Address" not in pairs and "Telephone" not in pairs
    assert pairs["MRN"] is None and pairs["May be told"] is None


def test_a_section_is_printed_with_units_and_marks(person: UUID) -> None:
    (text,) = pages(print_chart_section(TECHNICIAN, person, "results").content)
    assert "Weight" in text and "72.5 kg" in text and "3 Feb 2026" in text
    assert re.search(r"Sodium DRAFT .*138 mmol/L", text)


def scanned(*kinds: tuple[str, int]) -> str:
    """File a document of the person's with parts of these types and numbers of pages; its id."""
    import pypdfium2
    from PIL import Image

    from charthouse.intake.api import Connector, take_in

    content = []
    for kind, count in kinds:
        file = io.BytesIO()
        if kind == "application/pdf":
            made = pypdfium2.PdfDocument.new()
            for _ in range(count):
                made.new_page(300, 300)
            made.save(file)
        else:
            sheets = [Image.new("RGB", (40, 30), "red") for _ in range(count)]
            more = {"save_all": True, "append_images": sheets[1:]} if count > 1 else {}
            sheets[0].save(file, kind.removeprefix("image/").upper(), **more)
        content.append({"attachment": {"contentType": kind, "data": base64.b64encode(file.getvalue()).decode()}})
    scan = {"resourceType": "DocumentReference", "id": "d9", "status": "current", "docStatus": "final",
            "type": {"text": "Scan"}, **SUBJECT, "content": content}  # fmt: skip
    entry = [{"resource": each, "request": {"method": "POST", "url": each["resourceType"]}}
             for each in (resources()[0], scan)]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entry}
    (taken,) = list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender=None))
    assert taken.result is not None and str(taken.result.state) == "filed"
    return ids("DocumentReference")[-1]


def images_in(content: bytes) -> int:
    document = pdfium.PdfDocument(content)
    return sum(each.type == 3 for page in document for each in page.get_objects(max_depth=6))


@pytest.mark.parametrize(("kind", "count"), [("image/tiff", 3), ("image/gif", 1), ("image/webp", 1)])
def test_scans_are_printed_as_the_pictures_of_their_pages(person: UUID, kind: str, count: int) -> None:
    printed = print_document(TECHNICIAN, person, "DocumentReference", scanned((kind, count)))
    assert images_in(printed.content) == count
    assert "Not all of it is printed" not in pages(printed.content)[0]


def test_a_scan_filed_with_a_pdf_of_its_pages_is_printed_once(person: UUID) -> None:
    id = scanned(("application/pdf", 2), ("image/tiff", 2))
    printed = print_document(TECHNICIAN, person, "DocumentReference", id)
    assert images_in(printed.content) == 2
    assert "image/tiff" in pages(printed.content)[0]


NORTH = people.FacilityDraft(
    "NORTH", "Northfield Hospital", "hospital", "America/Chicago", "9 Mill Road", "413 555 0900"
)
SOUTH = people.FacilityDraft("SOUTH", "Southfield Clinic", "clinic", "America/Chicago", "2 Quarry Lane")


@pytest.fixture
def houses(db: None) -> dict[str, int]:
    people.set_up_places(organization="Valley Health", time_zone="America/Chicago", facilities=[NORTH, SOUTH],
                         mrn_assigner=people.MrnAssignerDraft("urn:mrn"))  # fmt: skip
    return {line.code: line.id for line in people.facilities()}


def visited(person: UUID, *stated: dict[str, Any]) -> list[str]:
    """File a document of an encounter for each of these statements of where it was; the documents' ids."""
    from charthouse.intake.api import Connector, take_in

    made: list[dict[str, Any]] = [resources()[0]]
    for number, where in enumerate(stated):
        made.append({"resourceType": "Encounter", "id": f"e{number}", "status": "finished", **SUBJECT,
                     "class": {"code": "IMP"}, **where})  # fmt: skip
        made.append({"resourceType": "DocumentReference", "id": f"n{number}", "status": "current", **SUBJECT,
                     "docStatus": "final", "type": {"text": "Progress note"},
                     "context": {"encounter": [{"reference": f"Encounter/e{number}"}]},
                     "content": [{"attachment": {"contentType": "text/plain", "data": "Z29vZA=="}}]})  # fmt: skip
    ward = {"resourceType": "Location", "id": "w", "name": "4 West", "partOf": {"reference": "Location/s"}}
    site = {"resourceType": "Location", "id": "s", "name": "southfield  clinic"}
    entry = [{"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
             for each in (site, ward, *made)]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entry}
    (taken,) = list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender=None))
    assert taken.result is not None and str(taken.result.state) == "filed"
    return ids("DocumentReference")[-len(stated) :]


def test_a_document_bears_the_head_of_the_facility_of_its_encounter(person: UUID, houses: dict[str, int]) -> None:
    provider = {"serviceProvider": {"display": "NORTH"}}
    ward = {"location": [{"location": {"reference": "Location/w"}}]}
    elsewhere = {"serviceProvider": {"display": "Another House"}}
    documents = visited(person, provider, ward, elsewhere)

    def head(id: str, asker: AccessContext = TECHNICIAN) -> str:
        return pages(print_document(asker, person, "DocumentReference", id).content)[0]

    assert "Northfield Hospital" in head(documents[0])
    assert "9 Mill Road" in head(documents[0]) and "413 555 0900" in head(documents[0])
    assert "Southfield Clinic" in head(documents[1]) and "2 Quarry Lane" in head(documents[1])
    # The asker's own house is not over what another did, nor over what several did.
    southerner = replace(TECHNICIAN, facilities=frozenset({houses["SOUTH"]}))
    assert "Northfield Hospital" in head(documents[0], southerner)
    for text in (
        head(documents[2], southerner),
        pages(print_chart_section(southerner, person, "encounters").content)[0],
    ):
        assert "Valley Health" in text and "Mill Road" not in text and "Quarry Lane" not in text
    assert "Quarry Lane" in pages(print_face_sheet(southerner, person).content)[0]


def test_a_closed_facility_is_no_letters_head(person: UUID, houses: dict[str, int]) -> None:
    (document,) = visited(person, {"serviceProvider": {"display": "Northfield Hospital"}})
    people.close_facility(SYSTEM, houses["NORTH"], "moved")
    text = pages(print_document(TECHNICIAN, person, "DocumentReference", document).content)[0]
    assert "Valley Health" in text and "Mill Road" not in text


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_section_is_printed_and_an_empty_one_says_so(person: UUID, section: str) -> None:
    printed = print_chart_section(TECHNICIAN, person, section)
    first = pages(printed.content)[0]
    assert "Marsh, Ida" in first and "Page 1 of" in first
    if section in ("encounters", "procedures", "coverage"):
        assert f"No {section} recorded." in first


def test_the_sections_of_a_print_are_those_of_the_chart() -> None:
    assert set(BY_SLUG) - {"overview"} == SECTIONS


def test_a_document_has_its_mark_on_each_page_its_text_and_says_what_is_not_printed(person: UUID) -> None:
    printed = print_document(TECHNICIAN, person, "DocumentReference", ids("DocumentReference")[0])
    texts = pages(printed.content)
    assert printed.pages == len(texts)
    for text in texts:
        assert "Marsh, Ida" in text and "Discharge summary" in text and text.count("UNSIGNED") >= 2
    whole = " ".join(texts)
    assert "DIAGNOSES: 1. Asthma mild" in whole
    assert "Not all of it is printed:" in texts[0] and "application/zip, 4 bytes" in texts[0]
    document = pdfium.PdfDocument(printed.content)
    images = [each for page in document for each in page.get_objects(max_depth=6) if each.type == 3]
    assert len(images) == 1, "the picture is printed"


def test_what_the_reader_may_not_see_is_not_printed_and_not_spoken_of(person: UUID) -> None:
    therapy = ids("DocumentReference")[1]
    with pytest.raises(NothingToPrint):
        print_document(TECHNICIAN, person, "DocumentReference", therapy)
    for section in ("results", "documents"):
        whole = " ".join(pages(print_chart_section(TECHNICIAN, person, section).content))
        assert "Serostatus" not in whole and "withheld word" not in whole
        assert "Therapy note" not in whole and "in confidence" not in whole
    officer = asker(Role.PRIVACY)
    assert "withheld word" in pages(print_chart_section(officer, person, "results").content)[0]
    assert "in confidence" in " ".join(pages(print_document(officer, person, "DocumentReference", therapy).content))


def test_a_print_for_use_here_is_in_the_ledger_and_no_disclosure(person: UUID) -> None:
    printed = print_chart_section(TECHNICIAN, person, "results")
    assert "For use here; not to be given away." in pages(printed.content)[0]
    (line,) = lines()
    assert line.subjects == (Subject("person", str(person)),)
    assert line.detail == {"use": "here", "part": "results", "items": 2, "left_out": 0, "pages": 1}
    assert (line.actor, line.purpose) == ("user:7", "HOPERAT")
    assert disclosed() == [] and printed.disclosures == ()


def test_the_ledger_shows_what_was_printed(person: UUID) -> None:
    """A print's detail has a value called "items", which a template would take for the dictionary's own."""
    print_chart_section(TECHNICIAN, person, "results")
    made = add_account(
        SYSTEM, username="audra", display_name="A. Torrance", roles=[Role.AUDITOR], require_totp=False
    )
    page = sign_in(User.objects.get(pk=made.id)).get("/ledger/?action=chart.print")
    assert page.status_code == 200 and "items: 2" in page.content.decode()


def test_a_print_for_somebody_outside_is_a_disclosure_of_all_that_is_on_it(person: UUID) -> None:
    printed = print_chart_section(TECHNICIAN, person, "results", CLINIC)
    assert "Given to Riverside Clinic for treatment." in pages(printed.content)[0]
    (row,) = disclosed()
    (patient,) = ids("Patient")
    weight, sodium, _ = ids("Observation")
    assert set(row.items) == {
        Subject("resource", f"Patient/{patient}"),
        Subject("resource", f"Observation/{weight}"),
        Subject("resource", f"Observation/{sodium}"),
    }
    assert (row.recipient.name, row.recipient.address) == ("Riverside Clinic", "1 River Road")
    assert (row.purpose, row.basis, row.how) == (Purpose.TREATMENT, Basis.TREATMENT, How.PRINT)
    assert (row.patient, row.description, row.actor) == (patient, "Results", "user:7")
    (line,) = lines()
    assert line.purpose == "TREAT" and line.detail["use"] == "outside" and line.detail["disclosures"] == [row.id]
    assert "Riverside" not in str(line), "the ledger names no recipient: it could be the patient"


def test_what_needs_a_permission_of_its_own_does_not_leave_with_a_print(person: UUID) -> None:
    officer = asker(Role.PRIVACY)
    therapy = ids("DocumentReference")[1]
    assert "withheld word" in pages(print_chart_section(officer, person, "results").content)[0]
    assert "withheld word" not in pages(print_chart_section(officer, person, "results", CLINIC).content)[0]
    with pytest.raises(NothingToPrint):
        print_document(officer, person, "DocumentReference", therapy, CLINIC)
    (row,) = disclosed()
    assert Subject("resource", f"Observation/{ids('Observation')[2]}") not in row.items


def test_what_cannot_be_written_down_is_not_printed(person: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no ledger")

    monkeypatch.setattr("charthouse.web.actions.printed.ledger.append", broken)
    with pytest.raises(RuntimeError):
        print_chart_section(TECHNICIAN, person, "results", CLINIC)
    assert disclosed() == [], "the disclosure went with its entry"


def test_who_may_not_disclose_may_still_print_for_use_here(person: UUID) -> None:
    coordinator = asker(Role.COORDINATOR)
    assert print_face_sheet(coordinator, person).pages == 1
    with pytest.raises(PermissionRefused):
        print_face_sheet(coordinator, person, CLINIC)
    with pytest.raises(PermissionRefused):
        print_chart_section(asker(Role.AUDITOR), person, "results")
    assert len(lines()) == 1 and disclosed() == []


def test_a_chart_that_there_is_not_is_not_printed(person: UUID) -> None:
    with pytest.raises(NothingToPrint):
        print_face_sheet(TECHNICIAN, UUID(int=7))
    with pytest.raises(NothingToPrint):
        print_chart_section(TECHNICIAN, person, "overview")
    with pytest.raises(NothingToPrint):
        print_document(TECHNICIAN, person, "DocumentReference", "none")
    assert lines() == ()


@pytest.mark.parametrize(
    ("recipient", "address", "purpose", "said"),
    [
        ("", "", "TREAT", "who is given"),
        (" \t", "", "TREAT", "who is given"),
        ("A clinic", "", "", "what the print is given for"),
        ("A clinic", "", "SYSADMIN", "what the print is given for"),
        ("A clinic", "", "nonsense", "what the print is given for"),
        ("x" * 201, "", "TREAT", "Shorten"),
        ("A clinic", "x" * 501, "TREAT", "Shorten"),
        ("A\0clinic", "", "TREAT", "cannot be kept"),
    ],
)
def test_a_disclosure_needs_its_recipient_and_purpose(
    recipient: str, address: str, purpose: str, said: str
) -> None:
    with pytest.raises(PrintError, match=said):
        given_outside(recipient, address, purpose)


def test_a_work_list_names_what_waits_in_its_order_and_is_in_the_ledger(db: None) -> None:
    for number, due in ((1, None), (2, datetime(2020, 5, 1, 12, 0, tzinfo=UTC))):
        work.open_item(
            "intake.unfiled", subject=Subject("message", str(number)), reason=f"Reason #{number} $",
            dedupe=str(number), due=due,
        )  # fmt: skip
    printed = print_work_list(TECHNICIAN, "intake.unfiled", shown="all that wait")
    (text,) = pages(printed.content)
    assert "Unfiled messages" in text and "All that wait, 2 items" in text
    assert text.index("Reason #2 $") < text.index("Reason #1 $"), "the one that is due comes first"
    assert "1 May 2020" in text and "overdue" in text and "no date" in text
    (line,) = lines("work.print")
    assert line.detail == {"use": "here", "queue": "intake.unfiled", "items": 2, "pages": 1}
    assert {subject.kind for subject in line.subjects} == {"work-item"}
    with pytest.raises(PermissionRefused):
        print_work_list(asker(Role.AUDITOR), "intake.unfiled")
    with pytest.raises(work.UnknownQueue):
        print_work_list(TECHNICIAN, "no.such")


@pytest.fixture
def browser(db: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    from django.contrib.auth.hashers import Argon2PasswordHasher

    for name, value in {"time_cost": 1, "memory_cost": 64, "parallelism": 1}.items():
        monkeypatch.setattr(Argon2PasswordHasher, name, value)
    made = add_account(SYSTEM, username="vale", display_name="R. Vale", roles=[Role.HIT], require_totp=False)
    return sign_in(User.objects.get(pk=made.id))


def test_the_pdf_is_shown_kept_nowhere_and_named_without_the_patient(person: UUID, browser: Any) -> None:
    response = browser.post(f"/chart/{person}/print/results", {"use": "here"})
    assert response.status_code == 200 and response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == 'inline; filename="print.pdf"'
    assert response["Cache-Control"] == "no-store" and response["X-Content-Type-Options"] == "nosniff"
    assert "script-src" not in response["Content-Security-Policy"]
    assert response.content.startswith(b"%PDF-1.7")


def test_a_form_without_a_recipient_prints_nothing_and_keeps_what_was_typed(person: UUID, browser: Any) -> None:
    sent = {"use": "outside", "recipient": "  ", "address": "1 River Road <b>", "purpose": "TREAT"}
    response = browser.post(f"/chart/{person}/print/results", sent)
    page = response.content.decode()
    assert response["Content-Type"].startswith("text/html") and "Not printed: Say who is given the print" in page
    assert "1 River Road &lt;b&gt;" in page and "script-src 'self'" in response["Content-Security-Policy"]
    assert lines() == () and disclosed() == []
    browser.post(f"/chart/{person}/print/results", sent | {"recipient": "Riverside Clinic"})
    assert [row.recipient.name for row in disclosed()] == ["Riverside Clinic"]


def test_a_document_is_printed_from_its_address_and_one_that_is_not_there_is_missing(
    person: UUID, browser: Any
) -> None:
    document, therapy = ids("DocumentReference")
    assert browser.get(f"/chart/{person}/print/DocumentReference/{document}").status_code == 200
    answer = browser.post(f"/chart/{person}/print/DocumentReference/{document}", {"use": "here"})
    assert answer["Content-Type"] == "application/pdf"
    for missing in (f"DocumentReference/{therapy}", "nothing", f"DocumentReference/{UUID(int=3)}"):
        for method in (browser.get, browser.post):
            assert method(f"/chart/{person}/print/{missing}").status_code == 404
    assert browser.post("/work/no.such/print").status_code == 404
    assert browser.post("/work/intake.unfiled/print")["Content-Type"] == "application/pdf"
