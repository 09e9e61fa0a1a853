"""The screens of word search, of reading and of comparing: what stands on them, and what of them in the ledger."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import transaction
from django.test import Client
from PIL import Image

from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.identity import api as identity
from charthouse.intake.api import Connector, take_in
from charthouse.people.api import User, add_account
from charthouse.people.testing import sign_in
from charthouse.record import api as record
from tests.support.readers import said

SYSTEM = system_context("test")
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SUBJECT = {"subject": {"reference": "Patient/p1"}}


def pdf(*lines: str) -> bytes:
    """A PDF with one page for each line."""
    pages = b""
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(lines))).encode()
    for at, line in enumerate(lines):
        stream = f"BT /F1 24 Tf 72 700 Td ({line}) Tj ET".encode()
        pages += (
            b"%d 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R"
            b"/Resources<</Font<</F1 3 0 R>>>>>>endobj\n%d 0 obj<</Length %d>>stream\n%s\nendstream endobj\n"
            % (4 + 2 * at, 5 + 2 * at, 5 + 2 * at, len(stream), stream)
        )
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[" + kids + b"]/Count %d>>endobj\n" % len(lines)
        + b"3 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n" + pages
        + b"trailer<</Root 1 0 R>>\n%%EOF"
    )  # fmt: skip


def document(public_id: str, content: bytes, media_type: str = "text/plain", **more: Any) -> dict[str, Any]:
    data = base64.b64encode(content).decode()
    return {
        "resourceType": "DocumentReference", "id": public_id, "status": "current", **SUBJECT,
        "type": {"text": "Progress note"}, "date": "2026-02-03T08:15:00Z",
        "content": [{"attachment": {"contentType": media_type, "data": data}}], **more,
    }  # fmt: skip


def file(*resources: dict[str, Any]) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    with transaction.atomic():
        list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender="ward"))
    record.index_texts()


@pytest.fixture
def person(db: None, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A chart with notes, one of them hidden, and a PDF of two pages."""
    from django.contrib.auth.hashers import Argon2PasswordHasher

    for name, value in {"time_cost": 1, "memory_cost": 64, "parallelism": 1}.items():
        monkeypatch.setattr(Argon2PasswordHasher, name, value)
    file(
        {"resourceType": "Patient", "id": "p1", "birthDate": "1961-04-17", "gender": "female",
         "name": [{"family": "Marsh", "given": ["Ida"]}],
         "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:mrn", "value": "00100"}]},
        document("d1", b"Give furosemide 40 mg daily.\nNo <b>fever</b> & no chills."),
        document("d2", pdf("Furosemide was stopped", "Nothing here"), "application/pdf"),
        document("d3", b"Furosemide, and a secret.", meta={"security": [{"system": ACT, "code": "PSYTHPN"}]}),
    )  # fmt: skip
    (hit,) = identity.find(SYSTEM, "Marsh")
    return hit.person


def client(*roles: Role) -> Client:
    name = f"u{'-'.join(roles)}"[:30]
    made = add_account(SYSTEM, username=name, display_name="A. Reader", roles=list(roles), require_totp=False)
    return sign_in(User.objects.get(pk=made.id))


def documents(page: str) -> list[str]:
    return re.findall(r'data-item href="/chart/[^"]+/documents/DocumentReference/([^"]+)"', page)


def test_words_in_a_chart(person: UUID) -> None:
    browser = client(Role.HIT)
    answer = browser.post(f"/chart/{person}/words", {"text": "  furosemide  "})
    assert answer.status_code == 302 and answer["Location"] == f"/chart/{person}/words"
    page = browser.get(answer["Location"])
    assert "2 found for “furosemide”" in said(page)
    assert len(documents(page.content.decode())) == 2
    assert "<mark>furosemide</mark>" in page.content.decode() and "secret" not in page.content.decode()


def test_what_is_found_is_escaped(person: UUID) -> None:
    browser = client(Role.HIT)
    browser.post(f"/chart/{person}/words", {"text": "fever <>"})
    page = browser.get(f"/chart/{person}/words").content.decode()
    assert "&lt;b&gt;<mark>fever</mark>&lt;/b&gt; &amp; no chills" in page
    assert "“fever &lt;&gt;”" in page


def test_the_words_are_in_no_address_and_the_ledger_has_their_fingerprint(person: UUID) -> None:
    browser = client(Role.HIT)
    browser.post("/words/", {"text": "Furosemide"})
    page = browser.get("/words/")
    assert "Marsh, Ida" in said(page) and "00100" in said(page)
    assert not re.search(r'(href|action|src)="[^"]*urosemide', page.content.decode())
    browser.post(f"/chart/{person}/words", {"text": "furosemide"})
    browser.get(f"/chart/{person}/words")
    chart, everywhere = entries(SYSTEM, Filters(action="record.search")).lines[:2]
    assert (chart.detail["within"], everywhere.detail["within"]) == ("chart", "all")
    assert chart.detail["text"] == everywhere.detail["text"] and "uros" not in str(chart.detail)
    assert chart.detail["found"] == 2
    assert [subject.id for subject in everywhere.subjects] == [str(person)]


def test_a_search_of_all_charts_keeps_its_filters_and_is_cleared(person: UUID) -> None:
    browser = client(Role.CODER)
    browser.post("/words/", {"text": "furosemide", "section": "results", "since": "2026-01-01"})
    page = browser.get("/words/")
    assert "Nothing found" in said(page) and "A filter is set" in said(page)
    assert '<option value="results" selected>' in page.content.decode()
    browser.post("/words/", {"text": "furosemide", "section": "documents", "until": "2026-12-31"})
    assert len(documents(browser.get("/words/").content.decode())) == 2
    browser.post("/words/", {})
    assert "What are you looking for?" in said(browser.get("/words/"))


@pytest.mark.parametrize(
    "wrong", [{"section": "x"}, {"since": "yesterday"}, {"service": "None such"}, {"text": "\0"}]
)
def test_what_is_no_filter_breaks_nothing(person: UUID, wrong: dict[str, str]) -> None:
    browser = client(Role.HIT)
    browser.post("/words/", {"text": "furosemide", **wrong})
    assert browser.get("/words/?page=x").status_code == 200


def test_what_is_behind_is_said(person: UUID) -> None:
    with transaction.atomic():
        list(
            take_in(
                io.BytesIO(orjson.dumps(document("d9", b"late"))), connector=Connector.FILES, sender="ward"
            )
        )  # fmt: skip
    page = client(Role.HIT).get(f"/chart/{person}/words")
    assert "One item filed since" in said(page)


def test_a_beginning_that_means_too_much_is_said(person: UUID) -> None:
    file(document("d4", " ".join(f"post{number}" for number in range(60)).encode()))
    browser = client(Role.HIT)
    browser.post("/words/", {"text": "post*"})
    assert "More than 50 words begin with “post”" in said(browser.get("/words/"))


def address(person: UUID, browser: Client, number: int = 0) -> str:
    page = browser.get(f"/chart/{person}/documents").content.decode()
    found = sorted(set(re.findall(rf"/chart/{person}/documents/DocumentReference/[0-9a-z-]+", page)))
    kinds = {each: browser.get(each, headers={"HX-Request": "true"}).content.decode() for each in found}
    return next(each for each, text in kinds.items() if ("data-page" in text) == bool(number))


def test_the_words_that_led_to_a_document_are_in_its_box(person: UUID) -> None:
    browser = client(Role.HIT)
    where = address(person, browser)
    assert 'name="text" value=""' in browser.get(where).content.decode()
    browser.post("/words/", {"text": "furosemide"})
    assert 'name="text" value="furosemide"' in browser.get(where).content.decode()
    browser.post(f"/chart/{person}/words", {"text": "chills"})
    assert (
        'name="text" value="chills" maxlength="200" placeholder="Find in doc' in browser.get(where).content.decode()
    )


def test_words_on_the_pages_of_a_pdf(person: UUID) -> None:
    browser = client(Role.HIT)
    where = address(person, browser, 1)
    page = browser.get(where).content.decode()
    assert 'data-page="1" data-part="0"' in page and 'data-page="2"' in page and "Next page" in page
    answer = browser.post(f"{where}/words", {"text": "stopped"})
    (found,) = json.loads(answer.content)["pages"]
    ((left, top, width, height),) = found["boxes"]
    assert (found["page"], found["part"], found["width"], found["height"]) == (1, 0, 612, 792)
    assert 72 < left < 400 and 60 < top < 92 and width > 40 and 10 < height < 40
    assert json.loads(browser.post(f"{where}/words", {"text": "unheard"}).content) == {"pages": []}
    assert json.loads(browser.post(f"{where}/words", {"text": ""}).content) == {"pages": []}
    assert browser.get(f"{where}/words").status_code == 405


def test_words_are_marked_on_the_pages_of_the_version_that_is_read(person: UUID) -> None:
    file(document("d2", pdf("Apixaban was begun"), "application/pdf"))
    browser = client(Role.HIT)
    where = address(person, browser, 1)
    assert f'action="{where}/words?version=1"' in browser.get(f"{where}?version=1").content.decode()

    def pages(version: str) -> list[Any]:
        found: list[Any] = json.loads(browser.post(f"{where}/words{version}", {"text": "stopped"}).content)["pages"]
        return found

    assert pages("?version=1") and not pages("")


def test_the_pages_of_a_fax_are_read_on_screen(person: UUID) -> None:
    fax = io.BytesIO()
    pages = [Image.new("1", (170, 220), 1) for _ in range(3)]
    pages[0].save(fax, "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    file(document("d1", fax.getvalue(), "image/tiff"))
    browser = client(Role.HIT)
    page = browser.get(f"/chart/{person}/documents").content.decode()
    found = set(re.findall(rf"/chart/{person}/documents/DocumentReference/[0-9a-z-]+", page))
    shown = next(text for each in found if 'data-page="3"' in (text := browser.get(each).content.decode()))
    assert "Next page" in shown and "Download the file" in shown
    (third,) = re.findall(r'<img src="([^"]+)" alt="Page 3 of 3"', shown)
    drawn = browser.get(third)
    assert drawn["Content-Type"] == "image/png" and Image.open(io.BytesIO(drawn.content)).size == (170, 220)
    assert browser.get(third.replace("/3", "/4")).status_code == 404
    assert browser.get(third.replace("/3", "/0")).status_code == 404


def test_two_versions_of_a_c_cda_are_compared_by_what_they_say(person: UUID) -> None:
    def filed(dose: int) -> None:
        section = (
            '<section><code code="10160-0" codeSystem="2.16.840.1.113883.6.1"/><title>Medications</title>'
            f"<text><paragraph>Torsemide {dose} mg daily.</paragraph></text></section>"
        )
        content = (
            '<ClinicalDocument xmlns="urn:hl7-org:v3"><component><structuredBody><component>'
            f"{section}</component></structuredBody></component></ClinicalDocument>"
        )
        file(document("d2", content.encode(), "text/xml"))

    filed(20)
    filed(40)
    browser = client(Role.HIT)
    page = browser.get(f"/chart/{person}/documents").content.decode()
    found = set(re.findall(rf"/chart/{person}/documents/DocumentReference/[0-9a-z-]+", page))
    where = next(each for each in found if "Torsemide" in browser.get(each).content.decode())
    compared = browser.get(f"{where}/compare?left=v2&right=v3").content.decode()
    assert "<del>20</del>" in compared and "<ins>40</ins>" in compared


def test_a_result_in_words_is_set_as_text_and_a_number_as_one(person: UUID) -> None:
    said_long = "No growth after five days of incubation; no acid-fast bacilli seen."
    result = {"resourceType": "Observation", "status": "final", **SUBJECT, "effectiveDateTime": "2026-02-03"}
    file(
        {**result, "id": "o1", "code": {"text": "Culture"}, "valueString": said_long},
        {**result, "id": "o2", "code": {"text": "Sodium"}, "valueQuantity": {"value": 138, "unit": "mmol/L"}},
    )
    page = client(Role.HIT).get(f"/chart/{person}/results").content.decode()
    cells = re.findall(r'<td class="(number[^"]*)"><span class="result">([^<]+)', page)
    assert sorted(cells) == [("number", "138"), ("number told", said_long)]


def test_an_item_says_its_state_and_time_wherever_its_type_has_them(person: UUID) -> None:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    file(
        {"resourceType": "Condition", "id": "c1", **SUBJECT, "code": {"text": "Asthma"},
         "clinicalStatus": {"coding": [{"system": system, "code": "active"}]}, "recordedDate": "2025-06-01"},
    )  # fmt: skip
    (row,) = record.problems(SYSTEM, identity.patients_of(SYSTEM, person)).rows
    told = said(client(Role.HIT).get(f"/chart/{person}/item/Condition/{row.id}"))
    assert "StateActive" in told.replace(" ", "") and "1 Jun 2025" in told.partition("The whole resource")[0]


def test_a_document_about_a_whole_life_is_listed_by_when_that_ends(person: UUID) -> None:
    life = {"period": {"start": "1961-04-17", "end": "2026-02-05"}}
    file(document("d8", b"The whole life.", type={"text": "Continuity of care document"}, context=life))
    first = record.documents(SYSTEM, identity.patients_of(SYSTEM, person)).rows[0]
    assert (first.title, first.when.text) == ("Continuity of care document", "2026-02-05")


def test_what_was_replaced_leads_to_what_stands_in_its_place(person: UUID) -> None:
    after = {"relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/d3"}}]}
    file(document("d3", b"As it was.", status="superseded"), document("d4", b"As it is.", **after))
    listed = record.documents(SYSTEM, identity.patients_of(SYSTEM, person)).rows
    browser = client(Role.HIT)
    shown = {each.id: said(browser.get(f"/chart/{person}/documents/{each.type}/{each.id}")) for each in listed}
    (before,) = (each for each in shown.values() if "As it was." in each)
    (now,) = (each for each in shown.values() if "As it is." in each)
    assert "Replaced by" in before and "Replaces" not in before
    assert "Replaces" in now and "Replaced by" not in now


def test_two_versions_side_by_side(person: UUID) -> None:
    file(document("d1", b"Give furosemide 80 mg daily.\nNo <b>fever</b> & no chills."))
    browser = client(Role.HIT)
    where = address(person, browser)
    page = browser.get(f"{where}/compare").content.decode()
    assert "1 place differs." in said(browser.get(f"{where}/compare"))
    assert "<del>40</del>" in page and "<ins>80</ins>" in page and "No &lt;b&gt;fever" in page
    only = browser.get(f"{where}/compare?left=v1&right=v2&only=changes").content.decode()
    assert "<del>40</del>" in only and "fever" not in only
    assert "Nothing differs." in said(browser.get(f"{where}/compare?left=v2&right=v2"))


def potassium(value: float, status: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "k1", "status": status, "code": {"text": "Potassium"},
            **SUBJECT, "effectiveDateTime": "2026-02-03", "valueQuantity": {"value": value, "unit": "mmol/L"},
            **more}  # fmt: skip


def test_a_result_that_was_amended_opens_beside_what_it_was(person: UUID) -> None:
    file(potassium(3.4, "final"))
    ours = identity.patients_of(SYSTEM, person)
    ((row,),) = (panel.results for panel in record.results(SYSTEM, ours).rows)
    where, browser = f"/chart/{person}/item/Observation/{row.id}", client(Role.HIT)
    assert f"{where}/compare" not in browser.get(where).content.decode()
    file(potassium(3.9, "amended"))
    assert f'href="{where}/compare"' in browser.get(where).content.decode()
    page = browser.get(f"{where}/compare")
    marked = page.content.decode()
    for before, now in (("4", "9"), ("final", "amended")):
        assert f"<del>{before}</del>" in marked and f"<ins>{now}</ins>" in marked, before
    assert f'href="{where}"' in marked and "Potassium, version 2, as it stands" in said(page)
    only = said(browser.get(f"{where}/compare?only=changes"))
    assert "amended" in only and "2026-02-03" not in only
    assert "Nothing differs." in said(browser.get(f"{where}/compare?left=v2"))
    (line, *_) = entries(SYSTEM, Filters(action="chart.read")).lines
    assert f"Observation/{row.id}" in str(line.subjects)
    for wrong in ("left=v9", "right=x", "left=Observation/none", "right=v0"):
        assert browser.get(f"{where}/compare?{wrong}").status_code == 404
    assert browser.get(f"/chart/{person}/item/Observation/none/compare").status_code == 404


def test_a_version_that_was_labelled_stays_hidden_beside_the_one_that_is_not(person: UUID) -> None:
    file(potassium(3.4, "final", meta={"security": [{"system": ACT, "code": "PSYTHPN"}]}))
    file(potassium(3.9, "amended"))
    ours = identity.patients_of(SYSTEM, person)
    ((row,),) = (panel.results for panel in record.results(SYSTEM, ours).rows)
    browser, where = client(Role.HIT), f"/chart/{person}/item/Observation/{row.id}/compare"
    shown = said(browser.get(where))
    assert "Nothing differs." in shown and "3.4" not in shown and "Version 1" not in shown
    assert browser.get(f"{where}?left=v1").status_code == 404


def test_two_documents_side_by_side(person: UUID) -> None:
    browser = client(Role.HIT)
    where, other = address(person, browser), address(person, browser, 1)
    page = browser.get(f"{where}/compare?left=v1&right={other.split('documents/')[1]}")
    assert "Furosemide was stopped" in said(page) and "Give furosemide 40 mg daily." in said(page)


@pytest.mark.parametrize("given", ["left=v9", "right=x", "left=DocumentReference/none", "right=v0", "left=../../x"])
def test_what_cannot_be_compared_is_not_found(person: UUID, given: str) -> None:
    browser = client(Role.HIT)
    assert browser.get(f"{address(person, browser)}/compare?{given}").status_code == 404


def test_a_hidden_document_is_neither_compared_nor_searched(person: UUID) -> None:
    ours = identity.patients_of(SYSTEM, person)
    hidden = next(row.id for row in record.documents(SYSTEM, ours).rows if int(row.labels))
    browser = client(Role.HIT)
    for part in ("", "/compare"):
        assert browser.get(f"/chart/{person}/documents/DocumentReference/{hidden}{part}").status_code == 404
    assert (
        browser.post(f"/chart/{person}/documents/DocumentReference/{hidden}/words", {"text": "secret"}).status_code
        == 404
    )
    where = address(person, browser)
    assert browser.get(f"{where}/compare?right=DocumentReference/{hidden}").status_code == 404
    assert hidden not in browser.get(f"{where}/compare").content.decode()


def panel(public_id: str, potassium: str) -> list[dict[str, Any]]:
    """A report that gathers two results, one of which may change."""
    tests = (("Sodium", "138"), ("Potassium", potassium))
    return [
        {"resourceType": "DiagnosticReport", "id": public_id, "status": "final", "code": {"text": "Basic panel"},
         **SUBJECT, "effectiveDateTime": "2026-02-03",
         "result": [{"reference": f"Observation/{public_id}-{name}"} for name, _ in tests]},
        *({"resourceType": "Observation", "id": f"{public_id}-{name}", "status": "final", "code": {"text": name},
           **SUBJECT, "valueQuantity": {"value": float(value), "unit": "mmol/L"}} for name, value in tests),
    ]  # fmt: skip


def test_the_results_of_a_report_are_read_and_compared_row_by_row(person: UUID) -> None:
    file(*panel("one", "3.4"), *panel("two", "4.1"))
    browser = client(Role.HIT)
    browser.post(f"/chart/{person}/words", {"text": "potassium basic"})
    browser.post(f"/chart/{person}/words", {"text": '"basic panel"'})
    page = browser.get(f"/chart/{person}/words").content.decode()
    one, two = re.findall(r'href="(/chart/[^"]+/documents/DiagnosticReport/[^"]+)"', page)
    shown = said(browser.get(one))
    assert "Sodium 138" in shown and "mmol/L" in shown and "has no content" not in shown
    compared = browser.get(f"{one}/compare?left=v1&right={two.split('documents/')[1]}").content.decode()
    assert len(re.findall("<del>", compared)) == len(re.findall("<ins>", compared)) >= 1
    assert "Sodium" in compared and "<del>138" not in compared
    assert "Nothing differs" in said(browser.get(f"{one}/compare"))


def test_machine_read_text_is_marked_wherever_it_is_shown(person: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    from charthouse.record.actions import read_scan

    file(document("scan", b"\x89PNG scanned", "image/png"))
    ours = identity.patients_of(SYSTEM, person)
    scan = next(row for row in record.documents(SYSTEM, ours).rows if record.document(
        SYSTEM, ours, row.type, row.id).parts[0].kind == "image")  # type: ignore[union-attr]  # fmt: skip
    monkeypatch.setattr(read_scan, "read_pages", lambda content, media_type: iter(["Lisinopril 10 mg"]))
    monkeypatch.setattr(read_scan, "engine", lambda: "tesseract 5.3.0")
    assert read_scan.read_scan(scan.type, scan.id) == {"parts": 1, "pages": 1}
    assert read_scan.read_scan(scan.type, scan.id) == {"parts": 0, "pages": 0}
    record.index_texts()
    browser = client(Role.HIT)
    browser.post(f"/chart/{person}/words", {"text": "lisinopril"})
    page = browser.get(f"/chart/{person}/words")
    assert "1 found" in said(page) and "Machine-read" in said(page)
    shown = said(browser.get(f"/chart/{person}/documents/DocumentReference/{scan.id}"))
    assert "Machine-read text" in shown and "Read by tesseract 5.3.0" in shown and "Lisinopril 10 mg" in shown
    browser.post(f"/chart/{person}/words", {"text": "furosemide"})
    assert "Machine-read" not in said(browser.get(f"/chart/{person}/words"))
