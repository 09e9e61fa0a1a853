"""Documents on screen, in print, in an export and through the record's interface: the same truth in each.

A technician files an addendum, has a note of the wrong patient taken out and moves a document to the right
encounter; a physician signs; and the record is proved.
"""

from __future__ import annotations

import html
import io
import re
import uuid
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pypdfium2 as pdfium
import pytest
from django.db import connection
from django.test import Client

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, Role
from charthouse.foundation.access.clearance import clearance_for
from charthouse.foundation.disclosure.api import How, record_disclosure
from charthouse.foundation.files.api import WaitingFile, keep_waiting, waiting
from charthouse.foundation.ledger.api import Subject
from charthouse.identity.api import patients_of, sources_of
from charthouse.intake.api import Connector, provenance, take_in
from charthouse.people.api import User, add_account
from charthouse.people.testing import sign_in
from charthouse.record import api as record
from charthouse.record.chart import Mark
from charthouse.record.verifying import verify
from charthouse.web.actions.print_chart import print_chart_section, print_document

from .conftest import COORDINATOR, SYSTEM, set_up_desk, typed

PASSWORD = "lantern-harbour-quilt-9"
TEXT = "Seen for a cough of two weeks."


class Staff:
    """Somebody signed in at a browser, and the context they read with."""

    def __init__(self, name: str, *roles: Role, called: str = "") -> None:
        shown = called or name.title()
        made = add_account(SYSTEM, username=name, display_name=shown, roles=list(roles), require_totp=False)
        self.user = User.objects.get(pk=made.id)
        self.user.set_password(PASSWORD)
        self.user.save()
        self.browser: Client = sign_in(self.user)
        self.ctx = AccessContext(self.user.actor, shown, frozenset(roles), clearance=clearance_for(roles))

    def get(self, address: str) -> str:
        answer = self.browser.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        return html.unescape(answer.content.decode())

    def send(self, address: str, status: int = 302, **fields: str) -> str:
        """Send the form at an address with what it hides, as a browser does."""
        page = self.browser.get(address).content.decode()
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        hidden.pop("csrfmiddlewaretoken", None)
        answer = self.browser.post(address, {**hidden, **fields})
        assert answer.status_code == status, (address, answer.status_code, answer.content.decode()[-3000:])
        return str(answer.get("Location", "")) or html.unescape(answer.content.decode())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.auth.hashers import Argon2PasswordHasher

    for name, value in {"time_cost": 1, "memory_cost": 64, "parallelism": 1}.items():
        monkeypatch.setattr(Argon2PasswordHasher, name, value)


class Ward:
    """Two charts, a physician, a technician and a manager."""

    def __init__(self) -> None:
        from charthouse.frontdesk.api import enter_encounter, register_person

        set_up_desk()
        self.novak, self.sato = Staff("novak", Role.PHYSICIAN), Staff("sato", Role.HIT)
        self.obi, self.clerk = Staff("obi", Role.MANAGER), Staff("clerk", Role.COORDINATOR)
        self.marisol = register_person(COORDINATOR, typed()).person
        self.otto = register_person(
            COORDINATOR, typed(family="Weissmueller", given="Otto", birth="1931-01-05", sex="male", phone="")
        ).person
        visit = {"class": "AMB", "state": "finished", "start": "1/2/2026", "start_time": "10:00",
                 "end": "1/2/2026", "end_time": "11:00"}  # fmt: skip
        for _ in range(2):
            enter_encounter(COORDINATOR, self.marisol, {**visit, "once": str(uuid.uuid4())})

    def note(self, **fields: str) -> str:
        """A note of Dr. Novak's in Marisol's chart; its address."""
        return self.novak.send(f"/chart/{self.marisol}/new/note", type="11506-3", **{"text": TEXT, **fields})

    def read(self, address: str, person: UUID | None = None) -> Any:
        return record.document(SYSTEM, patients_of(SYSTEM, person or self.marisol), *address.split("/")[-2:])

    def printed(self, address: str, by: Staff, person: UUID | None = None) -> str:
        made = print_document(by.ctx, person or self.marisol, *address.split("/")[-2:])
        return text_of(made.content)

    def exported(self, person: UUID | None = None) -> dict[str, dict[str, Any]]:
        chart = patients_of(SYSTEM, person or self.marisol)
        return {f"{each.type}/{each.public_id}": each.resource for each in record.export(SYSTEM, chart)}


def text_of(pdf: bytes) -> str:
    opened = pdfium.PdfDocument(io.BytesIO(pdf))
    return " ".join(" ".join(page.get_textpage().get_text_range() for page in opened).split())


def key_of(address: str) -> str:
    return "/".join(address.split("/")[-2:])


@pytest.fixture
def ward(db: None) -> Ward:
    return Ward()


def test_a_note_is_signed_and_screen_print_export_and_interface_say_so(ward: Ward) -> None:
    note = ward.note()
    assert 'amber">Unsigned' in ward.sato.get(note)
    assert "UNSIGNED" in ward.printed(note, ward.sato).upper()
    listed = ward.novak.get("/unsigned/")
    assert "Progress note" in listed and f"{note}/sign" in listed
    page = ward.novak.send(f"{note}/sign", 422, meaning="author")
    assert "Give your password" in page
    page = ward.novak.send(f"{note}/sign", 422, meaning="author", secret="not it")
    assert "not your password" in page
    assert ward.novak.send(f"{note}/sign", meaning="author", secret=PASSWORD) == note
    shown = ward.sato.get(note)
    assert "Signed by Novak" in shown and 'amber">Unsigned' not in shown
    paper = ward.printed(note, ward.sato)
    assert "Signed by Novak" in paper and "UNSIGNED" not in paper.upper()
    assert ward.exported()[key_of(note)]["docStatus"] == "final"
    assert [each.name for each in ward.read(note).signed] == ["Novak"]
    assert "Nothing waits" in ward.novak.get("/unsigned/")
    came = ward.sato.get(f"/chart/{ward.marisol}/from/{key_of(note)}")
    assert "Done here" in came and "signed by Novak" in came and "created by Novak" in came
    assert verify().is_whole


def test_signing_again_soon_does_not_ask_again_and_the_next_opens_by_itself(ward: Ward) -> None:
    first, second = ward.note(), ward.note(text="Another.")
    following = ward.novak.send(f"{first}/sign?then=next", meaning="author", secret=PASSWORD)
    assert following == f"{second}/sign?then=next"
    assert 'name="secret"' not in ward.novak.get(following)
    assert ward.novak.send(following, meaning="author") == "/unsigned/"
    assert verify().signatures == 2


def test_guessing_at_signing_locks_as_at_signing_in_and_a_proof_grows_old(ward: Ward) -> None:
    note = ward.note()
    for status in (422, 422, 422, 422, 429):
        ward.novak.send(f"{note}/sign", status, meaning="author", secret="a guess")
    ward.novak.send(f"{note}/sign", 429, meaning="author", secret=PASSWORD)
    assert not ward.read(note).signed
    chen = Staff("chen", Role.PHYSICIAN)
    other = chen.send(f"/chart/{ward.marisol}/new/note", type="11506-3", text="Mine.")
    chen.send(f"{other}/sign", meaning="author", secret=PASSWORD)
    session = chen.browser.session
    assert session["identity-confirmed"]
    session["identity-confirmed"] = (clock.wall() - timedelta(minutes=11)).isoformat()
    session.save()
    third = chen.send(f"/chart/{ward.marisol}/new/note", type="11506-3", text="Mine again.")
    assert "Give your password" in chen.send(f"{third}/sign", 422, meaning="author")


def test_who_may_not_is_refused_at_every_door(ward: Ward) -> None:
    note = ward.note()
    acts = ("sign", "change", "correct", *(f"correct/{each.value}" for each in record.Kind))
    for act in acts:
        assert ward.clerk.browser.get(f"{note}/{act}").status_code == 403, act
        assert ward.clerk.browser.post(f"{note}/{act}").status_code == 403, act
    assert ward.clerk.browser.get("/unsigned/").status_code == 403
    assert ward.sato.browser.get(f"{note}/correct/amendment").status_code == 403
    assert ward.novak.browser.get(f"{note}/correct/wrong-encounter").status_code == 403
    assert "nothing for you to sign" in ward.sato.get(f"{note}/sign")
    assert ward.read(note).version == 1


def test_a_technician_adds_an_addendum_that_stands_wherever_the_note_stands(ward: Ward) -> None:
    note = ward.note(sign="yes", secret=PASSWORD)
    assert [each.name for each in ward.read(note).signed] == ["Novak"]
    page = ward.sato.send(f"{note}/correct/addendum", 422, text="x")
    assert "Choose a reason" in page
    ward.sato.send(
        f"{note}/correct/addendum", text="The culture grew nothing.", reason="result-arrived",
        dictated_by=ward.novak.user.actor,
    )  # fmt: skip
    shown = ward.sato.get(note)
    assert "The culture grew nothing." in shown and "Addendum" in shown and "Transcribed" not in shown
    assert "1 added" in ward.sato.get(f"/chart/{ward.marisol}/documents")
    paper = ward.printed(note, ward.sato)
    assert paper.index(TEXT) < paper.index("Addendum") < paper.index("The culture grew nothing.")
    (addendum,) = ward.read(note).added
    assert addendum.mark is Mark.UNSIGNED and addendum.author == "Novak"
    exported = ward.exported()[f"DocumentReference/{addendum.id}"]
    assert exported["relatesTo"][0]["target"]["reference"] == key_of(note)
    section = text_of(print_chart_section(ward.sato.ctx, ward.marisol, "documents").content)
    assert section.count("The culture grew nothing.") == 1
    assert f"/DocumentReference/{addendum.id}/sign" in ward.novak.get("/unsigned/")
    assert verify().is_whole


def test_a_note_of_the_wrong_patient_goes_where_it_belongs_and_both_charts_tell_it_truly(ward: Ward) -> None:
    note = ward.note(sign="yes", secret=PASSWORD)
    (source,) = sources_of(SYSTEM, ward.marisol)
    item = Subject("resource", key_of(note))
    record_disclosure(
        SYSTEM, recipient="Riverside", purpose="TREAT", items=[item], patient=source.public_id, how=How.PRINT
    )
    asking = f"{note}/correct/wrong-patient"
    assert "Find the patient" in ward.sato.send(asking, 422, reason="misfiled")
    found = ward.sato.send(asking, 200, step="find", who="weissm")
    assert str(ward.otto) in found and "Otto" in found
    ward.sato.send(asking, reason="misfiled", to=str(ward.otto))
    assert "Wrong patient asked for" in ward.novak.get(note)
    assert "asked for by Sato, not confirmed" in ward.printed(note, ward.novak)
    number = re.search(r"/corrections/(\d+)", ward.sato.get(note)).group(1)  # type: ignore[union-attr]
    assert f"/corrections/{number}" in ward.obi.get("/queues/record.corrections/")
    assert 'name="note"' in ward.sato.get(f"/corrections/{number}")
    assert "Confirm</button>" not in ward.sato.get(f"/corrections/{number}")
    page = ward.obi.get(f"/corrections/{number}")
    assert "Otto" in page and "Marisol" in page and TEXT in page and "Riverside" in page
    ward.obi.browser.post(f"/corrections/{number}/confirm")
    # The wrong chart: that one was here, and nothing of what it said.
    assert ward.sato.browser.get(note).status_code == 404
    listed = ward.sato.get(f"/chart/{ward.marisol}/documents")
    assert "Taken out of this chart" in listed and TEXT not in listed
    left = re.search(r'href="([^"]+)">Wrong patient', listed).group(1)  # type: ignore[union-attr]
    assert TEXT not in ward.sato.get(left)
    assert "not this patient's" in ward.sato.get(left)
    wrong = text_of(print_chart_section(ward.sato.ctx, ward.marisol, "documents").content)
    assert "Wrong patient" in wrong and TEXT not in wrong
    assert TEXT not in str(ward.exported()) and key_of(note) not in ward.exported()
    # The right one.
    moved = f"/chart/{ward.otto}/documents/{key_of(note)}"
    shown = ward.sato.get(moved)
    assert TEXT in shown and "Signed by Novak" in shown and "Wrong patient" in shown
    assert "Wrong patient" in ward.printed(moved, ward.sato, ward.otto)
    assert key_of(note) in ward.exported(ward.otto)
    queue = ward.sato.get("/queues/record.recipients/")
    assert f"/corrections/{number}" in queue
    assert "Riverside" in ward.sato.get(f"/corrections/{number}")
    assert verify().is_whole


def test_a_retraction_is_confirmed_by_another_and_reads_as_retracted_everywhere(ward: Ward) -> None:
    note = ward.note()
    ward.sato.send(f"{note}/correct/retraction", reason="other", note="It tells of nothing.")
    number = re.search(r"/corrections/(\d+)", ward.sato.get(note)).group(1)  # type: ignore[union-attr]
    ward.sato.browser.post(f"/corrections/{number}/confirm")
    assert ward.read(note).questioned is not None
    ward.obi.browser.post(f"/corrections/{number}/confirm")
    shown = ward.sato.get(note)
    assert "Retracted" in shown and "It tells of nothing." in shown and TEXT in shown
    assert "RETRACTED" in ward.printed(note, ward.sato).upper()
    assert ward.exported()[key_of(note)]["status"] == "entered-in-error"
    assert ward.read(note).mark is Mark.RETRACTED
    listed = ward.sato.get(f"/chart/{ward.marisol}/documents")
    assert "Taken out of this chart" in listed and note in listed
    assert "nothing for you to correct" in ward.sato.get(f"{note}/correct")
    assert ward.obi.get(f"/corrections/{number}").count("Done") >= 1


def test_a_document_is_moved_to_the_right_encounter(ward: Ward) -> None:
    first, second = [each.id for each in record.encounters(SYSTEM, patients_of(SYSTEM, ward.marisol)).rows]
    note = ward.note(encounter=first)
    page = ward.sato.get(f"{note}/correct/wrong-encounter")
    assert second in page and f'value="{first}"' not in page
    ward.sato.send(f"{note}/correct/wrong-encounter", encounter=second, reason="wrong-visit")
    assert ward.read(note).encounter == second
    assert "Wrong encounter" in ward.sato.get(note)
    assert "Wrong encounter" in ward.printed(note, ward.sato)
    assert ward.exported()[key_of(note)]["context"]["encounter"] == [{"reference": f"Encounter/{second}"}]


def test_an_amendment_shows_both_texts_by_version(ward: Ward) -> None:
    note = ward.note(sign="yes", secret=PASSWORD)
    assert TEXT in ward.novak.get(f"{note}/correct/amendment")
    ward.novak.send(f"{note}/correct/amendment", text="A cough of three weeks.", reason="factual-error")
    shown = ward.sato.get(note)
    assert "Corrected" in shown and "A cough of three weeks." in shown and "?version=2" in shown
    before = ward.sato.get(f"{note}?version=2")
    assert TEXT in before and "as it read then" in before and "Signed by Novak" in before
    paper = ward.printed(note, ward.sato)
    assert "CORRECTED" in paper.upper() and "three weeks" in paper and "Amendment" in paper
    assert ward.exported()[key_of(note)]["docStatus"] == "amended"


def test_what_changed_meanwhile_is_shown_beside_what_was_opened_and_nothing_typed_is_lost(ward: Ward) -> None:
    note = ward.note()
    opened = re.search(r'name="seen" value="([^"]+)"', ward.novak.get(f"{note}/change")).group(1)  # type: ignore[union-attr]
    ward.novak.send(f"{note}/change", text="From another window.")
    page = ward.novak.send(f"{note}/change", 422, seen=opened, text="What I typed here.")
    for text in (TEXT, "From another window.", "What I typed here."):
        assert text in page
    fresh = re.search(r'name="seen" value="([^"]+)"', page).group(1)  # type: ignore[union-attr]
    ward.novak.send(f"{note}/change", seen=fresh, text="What I typed here.")
    assert ward.read(note).own_text == "What I typed here."
    page = ward.novak.send(f"{note}/sign", 422, seen=opened, meaning="author", secret=PASSWORD, statement="Mine")
    assert "Changed since you opened it" in page and "Mine" in page and not ward.read(note).signed


def test_a_dictation_waits_for_who_dictated_it(ward: Ward) -> None:
    form = f"/chart/{ward.marisol}/new/dictation"
    assert ward.novak.browser.get(form).status_code == 403
    assert "Say who dictated it" in ward.sato.send(form, 200, type="11506-3", text=TEXT)
    filed = ward.sato.send(form, type="11506-3", text=TEXT, dictated_by=ward.novak.user.actor)
    shown = ward.sato.get(filed)
    assert "Dictated by Novak" in shown and "Transcribed by Sato" in shown
    assert "The transcription is as it was dictated" in ward.obi.get(f"{filed}/sign")
    ward.obi.send(f"{filed}/sign", meaning="verifier", secret=PASSWORD)
    assert f"{filed}/sign" in ward.novak.get("/unsigned/")
    ward.novak.send(f"{filed}/sign", meaning="author", secret=PASSWORD)
    assert [each.stage.value for each in ward.read(filed).stages] == ["dictated", "transcribed", "verified"]
    assert ward.read(filed).mark is Mark.NONE and verify().is_whole


def test_a_note_is_written_by_the_sections_of_its_template(ward: Ward) -> None:
    form = f"/chart/{ward.marisol}/new/note?template=11506-3"
    page = ward.novak.get(form)
    for title in ("Subjective", "Objective", "Assessment", "Plan"):
        assert title in page
    assert "There is no text" in ward.novak.send(form, 200)
    filed = ward.novak.send(form, section_1="Coughs.", section_4="Rest.")
    assert ward.read(filed).own_text == "SUBJECTIVE\nCoughs.\n\nPLAN\nRest."
    assert ward.read(filed).title == "Progress note"


def test_a_draft_waits_for_its_author_alone_and_goes_when_it_is_filed(ward: Ward) -> None:
    form = f"/chart/{ward.marisol}/new/note"
    ward.novak.send(form, type="11506-3", text="Half a thought", secret=PASSWORD, step="keep")
    assert record.documents(SYSTEM, patients_of(SYSTEM, ward.marisol)).rows == ()
    again = ward.novak.get(form)
    assert "Half a thought" in again and "You kept a draft" in again and PASSWORD not in again
    other = Staff("chen", Role.PHYSICIAN)
    assert "Half a thought" not in other.get(form)
    assert "Half a thought" not in ward.novak.get(f"/chart/{ward.otto}/new/note")
    # The sweep of chosen files, which wait minutes, leaves drafts alone.
    from charthouse.frontdesk.actions.keep_chosen_file import forget_old_chosen_files

    keep_waiting("user:1", "x", WaitingFile("x", b"x"), most=5, shelf="drafts")
    forget_old_chosen_files()
    assert "Half a thought" in ward.novak.get(form)
    ward.novak.send(form, type="11506-3", text="A whole one")
    assert "Half a thought" not in ward.novak.get(form)
    ward.novak.send(form, text="Another", step="keep")
    ward.novak.send(form, step="forget")
    assert "Another" not in ward.novak.get(form)
    assert waiting("user:1", "x", at_most=timedelta(hours=1), shelf="drafts")


MDM = """MSH|^~\\&|DICT|NORTH|EHR|NORTH|20260301100000||MDM^{trigger}|{control}|P|2.5
EVN|T02|20260301100000
PID|1||771^^^NORTH^MR||Lindner^Greta||19400101|F
PV1|1|O
TXA|1|PR|TX|20260301090000|7^Ward^Ann|202603010930|202603010945||D7^Ward^Ann||9^Typist^Tim|{number}^DICT|{parent}||||{state}||AV|||{signer}
OBX|1|TX|1^Text||{text}||||||F
"""


def hl7(**fields: str) -> Any:
    given = {"trigger": "T02", "number": "D1", "parent": "", "state": "AU", "signer": "", "text": "Was ill.",
             "control": str(uuid.uuid4())[:20]}  # fmt: skip
    data = MDM.format(**{**given, **fields}).replace("\n", "\r").encode()
    (taken,) = take_in(io.BytesIO(data), connector=Connector.FILES)
    return taken.result


def test_messages_and_hands_write_one_truth_of_signatures(ward: Ward) -> None:
    from charthouse.identity.api import find

    assert not hl7(signer="7^Ward^Ann^^^^^^^^^^^^20260301101500").problems
    (hit,) = find(SYSTEM, "Lindner")
    chart = patients_of(SYSTEM, hit.person)
    (row,) = record.documents(SYSTEM, chart).rows
    shown = record.document(SYSTEM, chart, row.type, row.id)
    assert shown is not None
    (told,) = shown.signed
    assert (told.name, told.by_hand) == ("Ward, Ann", False) and told.at is not None and told.at.hour == 10
    assert [(each.stage.value, each.party.name) for each in shown.stages] == [
        ("dictated", "Ward, Ann"),
        ("transcribed", "Typist, Tim"),
    ]
    hl7(trigger="T06", number="D2", parent="D1^DICT", text="Is better.", signer="7^Ward^Ann")
    page = ward.sato.get(f"/chart/{hit.person}/documents/{row.type}/{row.id}")
    assert "Signed" in page or "Authenticated by Ward, Ann" in page
    assert "Is better." in page
    # What is signed here, its sender changes no more: the message waits with the reason.
    hl7(number="D3", state="IP", text="Not yet signed.")
    third = next(each for each in record.documents(SYSTEM, chart).rows if each.mark is Mark.UNSIGNED)
    address = f"/chart/{hit.person}/documents/{third.type}/{third.id}"
    assert "has no account here" in ward.novak.send(f"{address}/sign", 422, meaning="author", secret=PASSWORD)
    assert "in your words" in ward.novak.send(f"{address}/sign", 422, meaning="attestation")
    ann = Staff("award", Role.PHYSICIAN, called="Ann Ward, MD")
    # Another system knows no accounts; the same name is enough to find one's own.
    assert f"{address}/sign" in ann.get("/unsigned/") and f"{address}/sign" not in ward.novak.get("/unsigned/")
    ann.send(f"{address}/sign", meaning="author", secret=PASSWORD)
    again = hl7(number="D3", state="IP", text="Sent otherwise.")
    assert [each.code for each in again.problems] == ["locked"]
    kept = record.document(SYSTEM, chart, third.type, third.id)
    assert kept is not None and "Not yet signed." in kept.parts[0].text
    assert verify().is_whole


def test_what_somebody_without_an_account_wrote_is_attested_in_ones_own_words(ward: Ward) -> None:
    from charthouse.identity.api import find

    hl7(number="D4", state="IP", text="Dictated far away.")
    (hit,) = find(SYSTEM, "Lindner")
    (row,) = record.documents(SYSTEM, patients_of(SYSTEM, hit.person)).rows
    address = f"/chart/{hit.person}/documents/{row.type}/{row.id}"
    page = ward.novak.get(f"{address}/sign")
    assert 'value="attestation"' in page and 'value="author"' not in page
    ward.novak.send(f"{address}/sign", meaning="attestation", statement="I saw the patient.", secret=PASSWORD)
    shown = ward.read(address, hit.person)
    assert shown.mark is Mark.NONE and shown.signed[0].statement == "I saw the patient."
    assert "Attested by Novak" in ward.printed(address, ward.sato, hit.person)
    assert verify().is_whole


def test_the_original_of_a_moved_document_shows_its_own_lines_alone(ward: Ward) -> None:
    from charthouse.identity.api import find

    hl7(number="D9", text="Of somebody else.")
    (hit,) = find(SYSTEM, "Lindner")
    chart = patients_of(SYSTEM, hit.person)
    (row,) = record.documents(SYSTEM, chart).rows
    address = f"/chart/{hit.person}/documents/{row.type}/{row.id}"
    ward.sato.send(f"{address}/correct/wrong-patient", reason="misfiled", to=str(ward.otto))
    number = re.search(r"/corrections/(\d+)", ward.sato.get(address)).group(1)  # type: ignore[union-attr]
    before = provenance(ward.sato.ctx, row.type, row.id, 1)
    assert before is not None and "Lindner" in str(before.original)
    ward.obi.browser.post(f"/corrections/{number}/confirm")
    after = provenance(ward.sato.ctx, row.type, row.id, 1)
    assert after is not None and "Lindner" not in str(after.original) and "TXA|1|PR" in str(after.original)


def test_a_document_stays_whose_it_is_when_persons_are_joined_and_parted(ward: Ward) -> None:
    from charthouse.identity.api import link

    note = ward.note()
    ward.sato.send(f"{note}/correct/wrong-patient", reason="misfiled", to=str(ward.otto))
    number = re.search(r"/corrections/(\d+)", ward.sato.get(note)).group(1)  # type: ignore[union-attr]
    one, other = (sources_of(SYSTEM, each)[0].patient for each in (ward.marisol, ward.otto))
    link(SYSTEM, one, other, "the same person after all")
    answer = ward.obi.browser.post(f"/corrections/{number}/confirm", follow=True).content.decode()
    assert "one person now" in answer
    with connection.cursor() as cursor:
        key = ("DocumentReference", note.split("/")[-1])
        assert record.current(cursor, SYSTEM, [key])[key].patient == one
    ward.obi.browser.post(f"/corrections/{number}/refuse", {"note": "They are one."})
    found = record.correction(SYSTEM, int(number))
    assert found is not None and found.outcome == "refused"


def test_what_is_filed_here_is_valid_fhir(ward: Ward) -> None:
    from charthouse.exchange.fhir.api import validate

    note = ward.note(sign="yes", secret=PASSWORD)
    ward.sato.send(f"{note}/correct/addendum", text="More.", reason="incomplete")
    ward.novak.send(
        f"{note}/correct/late-entry", text="Late.", reason="omitted", when="1/1/2026", when_time="10:00"
    )
    ward.novak.send(f"{note}/correct/amendment", text="Otherwise.", reason="wrong-side")
    for key, resource in ward.exported().items():
        assert validate(orjson.loads(orjson.dumps(resource))) == [], key
