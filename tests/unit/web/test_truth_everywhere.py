"""Whatever is done to a document, its screen, its print, an export and the API say the same of it; and who has no
right to do it does not. (Destruction: test_retention.)"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.test import Client

from charthouse.foundation.access.api import ALL_LABELS, AccessContext, PermissionRefused, Role, system_context
from charthouse.foundation.clock import now, wall
from charthouse.identity import api as identity
from charthouse.intake.api import Connector, take_in
from charthouse.record import api as record
from charthouse.record.api import Addition, Kind, Meaning, Party, Reason
from charthouse.record.verifying import verify
from charthouse.web.actions.print_chart import print_chart_section, print_document
from tests.support.readers import pages, said

from .test_words import client

SYSTEM = system_context("tests")
TEXT, ADDED, NEW = "Seen for a cough of two weeks.", "The culture grew nothing.", "Seen for a cough of three weeks."


def asker(number: int, name: str, *roles: Role) -> AccessContext:
    return AccessContext(f"user:{number}", name, frozenset(roles), clearance=ALL_LABELS)


NOVAK = asker(9001, "B. Novak", Role.PHYSICIAN)
CHEN = asker(9002, "L. Chen", Role.PHYSICIAN)
SATO = asker(9003, "M. Sato", Role.HIT)
OBI = asker(9004, "K. Obi", Role.MANAGER)
CLERK = asker(9005, "A. Clerk", Role.COORDINATOR)


@dataclass
class Desk:
    """Ida's chart with two encounters and an unsigned note of Dr. Novak's; Otto's chart; somebody who reads."""

    ida: UUID
    otto: UUID
    note: str
    encounters: dict[str, str]
    browser: Client

    @property
    def patients(self) -> tuple[int, ...]:
        return identity.patients_of(SYSTEM, self.ida)

    def read(self, person: UUID | None = None, id: str = "") -> Any:
        patients = identity.patients_of(SYSTEM, person or self.ida)
        return record.document(SYSTEM, patients, "DocumentReference", id or self.note)

    @property
    def where(self) -> tuple[Any, ...]:
        return self.patients, "DocumentReference", self.note

    def sign(self, ctx: AccessContext = NOVAK, meaning: Meaning = Meaning.AUTHOR) -> None:
        record.sign_document(ctx, *self.where, seen=self.read().seen, meaning=meaning, confirmed=wall())

    def everywhere(self, person: UUID | None = None) -> dict[str, str]:
        """What each reader finds of the note: the screen, the print, the export and the API, as text."""
        person = person or self.ida
        screen = self.browser.get(f"/chart/{person}/documents/DocumentReference/{self.note}")
        assert screen.status_code == 200
        document = self.read(person)
        patients = identity.patients_of(SYSTEM, person)
        exported = [each.resource for each in record.export(SYSTEM, patients)]
        mine = [each for each in exported if self.note in orjson.dumps(each).decode()]
        texts = [part.text for each in (document, *document.added) for part in each.parts]
        facts = [each.kind.words for each in document.corrections] + [
            each.name for each in document.signatures if each.current
        ]
        visit = document.visit.title if document.visit else ""
        return {
            "screen": said(screen),
            "print": " ".join(pages(print_document(OBI, person, "DocumentReference", self.note).content)),
            "export": "\n".join(orjson.dumps(_decoded(each)).decode() for each in mine),
            "api": " ".join([*texts, *facts, document.mark.value, visit]),
        }


def _decoded(resource: dict[str, Any]) -> dict[str, Any]:
    import base64

    for each in resource.get("content", []):
        if data := each["attachment"].get("data"):
            each["attachment"]["data"] = base64.b64decode(data).decode()
    return resource


def _resources() -> list[dict[str, Any]]:
    import base64

    data = base64.b64encode(TEXT.encode()).decode()
    subject = {"subject": {"reference": "Patient/p1"}}
    stay = {"resourceType": "Encounter", "status": "finished", **subject}
    return [
        {"resourceType": "Patient", "id": "p1", "birthDate": "1961-04-17", "gender": "female",
         "name": [{"family": "Marsh", "given": ["Ida"]}]},
        {"resourceType": "Patient", "id": "p2", "birthDate": "1950-01-02", "gender": "male",
         "name": [{"family": "Weiss", "given": ["Otto"]}]},
        {**stay, "id": "e1", "class": {"code": "AMB"}, "type": [{"text": "Office visit"}],
         "period": {"start": "2026-02-01T10:00:00Z"}},
        {**stay, "id": "e2", "class": {"code": "EMER"}, "type": [{"text": "Emergency visit"}],
         "period": {"start": "2026-02-02T10:00:00Z"}},
        {"resourceType": "DocumentReference", "id": "d1", "status": "current", "docStatus": "preliminary",
         **subject,
         "type": {"text": "Progress note"}, "date": "2026-02-01T10:00:00Z",
         "author": [Party(NOVAK.actor, NOVAK.name).reference()],
         "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}],
         "context": {"encounter": [{"reference": "Encounter/e1"}]}},
    ]  # fmt: skip


@pytest.fixture
def desk(db: None) -> Desk:
    entry = [{"resource": each} for each in _resources()]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entry}
    (taken,) = list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender="clinic"))
    assert taken.result is not None and str(taken.result.state) == "filed", taken.result.problems
    ida, otto = (identity.find(SYSTEM, name)[0].person for name in ("Marsh", "Weiss"))
    patients = identity.patients_of(SYSTEM, ida)
    (row,) = record.documents(SYSTEM, patients).rows
    encounters = {each.title: each.id for each in record.encounters(SYSTEM, patients).rows}
    return Desk(ida, otto, row.id, encounters, client(Role.MANAGER))


def _added(late: bool) -> Callable[[Desk, AccessContext], None]:
    def act(desk: Desk, ctx: AccessContext) -> None:
        moment = now() - timedelta(days=1) if late else None
        given = Addition(
            ADDED, Reason("omitted" if late else "result-arrived"), str(uuid.uuid4()), speaks_of=moment
        )
        file = record.file_late_entry if late else record.file_addendum
        file(ctx, *desk.where, given, seen=desk.read().seen)

    return act


def _amend(desk: Desk, ctx: AccessContext) -> None:
    reason = Reason(next(iter(record.reasons(Kind.AMENDMENT))), "A slip of the pen.")
    record.amend_document(ctx, *desk.where, NEW, reason, seen=desk.read().seen, confirmed=wall())


def _revise(desk: Desk, ctx: AccessContext) -> None:
    record.revise_document(ctx, *desk.where, NEW, seen=desk.read().seen)


def _retract(desk: Desk, ctx: AccessContext) -> None:
    number = record.ask_to_retract(ctx, *desk.where, Reason("duplicate"), seen=desk.read().seen)
    record.confirm_correction(OBI, number)


def _other_encounter(desk: Desk, ctx: AccessContext) -> None:
    reason = Reason(next(iter(record.reasons(Kind.WRONG_ENCOUNTER))), "It was the emergency.")
    record.move_to_encounter(ctx, *desk.where, desk.encounters["Emergency visit"], reason, seen=desk.read().seen)


def _other_patient(desk: Desk, ctx: AccessContext) -> None:
    to = identity.patients_of(SYSTEM, desk.otto)[0]
    number = record.ask_to_move(ctx, *desk.where, Reason("misfiled"), seen=desk.read().seen, to_patient=to)
    record.confirm_correction(OBI, number)


@dataclass(frozen=True)
class Deed:
    """An act by who may, and the words that each reader must find afterwards (and must not)."""

    act: Callable[[Desk, AccessContext], None]
    by: AccessContext
    signed_before: bool
    finds: dict[str, str]
    misses: str = ""
    in_chart: str = "ida"


def _alike(words: str) -> dict[str, str]:
    return dict.fromkeys(("screen", "print", "export", "api"), words)


DEEDS = {
    "sign": Deed(lambda desk, ctx: desk.sign(ctx), NOVAK, False, _alike("B. Novak")),
    "co-signature": Deed(lambda desk, ctx: desk.sign(ctx, Meaning.COSIGNER), CHEN, True, _alike("L. Chen")),
    "transcription verified": Deed(
        lambda desk, ctx: desk.sign(ctx, Meaning.VERIFIER), SATO, False, _alike("M. Sato")
    ),
    "revise": Deed(_revise, NOVAK, False, _alike(NEW), misses=TEXT),
    "addendum": Deed(_added(False), SATO, True, _alike(ADDED)),
    "late-entry": Deed(_added(True), SATO, True, _alike(ADDED)),
    "amendment": Deed(_amend, NOVAK, True, _alike(NEW)),
    "retraction": Deed(
        _retract,
        SATO,
        True,
        {"screen": "Retracted", "print": "RETRACTED", "export": "entered-in-error", "api": "retracted"},
    ),
    "wrong-encounter": Deed(
        _other_encounter,
        SATO,
        True,
        {"screen": "Emergency visit", "print": "Emergency visit", "export": "encounter", "api": "Emergency visit"},
        misses="Office visit",
    ),
    "wrong-patient": Deed(_other_patient, SATO, True, _alike(TEXT), in_chart="otto"),
}


@pytest.mark.parametrize("name", DEEDS)
def test_every_reader_finds_what_was_done(desk: Desk, name: str) -> None:
    deed = DEEDS[name]
    if deed.signed_before:
        desk.sign()
    deed.act(desk, deed.by)
    found = desk.everywhere(getattr(desk, deed.in_chart))
    for reader, words in deed.finds.items():
        assert words.lower() in found[reader].lower(), (reader, found[reader][:3000])
        if deed.misses:
            assert deed.misses not in found[reader], reader
    if deed.in_chart == "otto":
        left = desk.browser.get(f"/chart/{desk.ida}/documents/DocumentReference/{desk.note}")
        assert left.status_code == 404 and desk.read() is None
        assert (
            TEXT not in orjson.dumps([_decoded(e.resource) for e in record.export(SYSTEM, desk.patients)]).decode()
        )
        (taken,) = record.taken_out(SYSTEM, desk.patients)
        instead = desk.browser.get(f"/chart/{desk.ida}/documents/DocumentReference/{taken.made}")
        assert "A document that stood here was taken out." in said(instead) and OBI.name in said(instead)
        assert "Download" not in said(instead)
    if name in {"wrong-encounter", "wrong-patient", "amendment"}:
        shown = desk.browser.get(
            f"/chart/{getattr(desk, deed.in_chart)}/documents/DocumentReference/{desk.note}"
        ).content.decode()
        assert '<details class="life" open' in shown, "what was set right is not folded away"
    if name == "wrong-encounter":
        moved = next(each for each in record.export(SYSTEM, desk.patients) if each.public_id == desk.note)
        (reference,) = moved.resource["context"]["encounter"]
        assert reference["reference"] == f"Encounter/{desk.encounters['Emergency visit']}"
    assert verify(processes=1).is_whole


def test_an_addition_is_never_listed_as_another_of_its_kind(desk: Desk) -> None:
    desk.sign()
    _added(False)(desk, SATO)
    printed = " ".join(pages(print_chart_section(OBI, desk.ida, "documents").content))
    listed = printed.partition("Documents")[2].partition("Author")[2]
    assert listed.count("Addendum: Progress note") == 2, "in the list, and above its text"
    (added,) = desk.read().added
    opened = desk.browser.get(f"/chart/{desk.ida}/documents/DocumentReference/{added.id}").content.decode()
    assert "<h2>Addendum: Progress note</h2>" in opened and "the other version" not in opened


def test_an_earlier_version_is_printed_as_it_read_then(desk: Desk) -> None:
    _revise(desk, NOVAK)
    where = f"/chart/{desk.ida}/documents/DocumentReference/{desk.note}?version=1"
    address = where.replace("/documents/", "/print/")
    assert f'href="{address}"' in desk.browser.get(where).content.decode()
    printed = " ".join(pages(desk.browser.post(address, {"use": "here"}).content))
    assert TEXT in printed and NEW not in printed and "version 1 of 2, as it read then" in printed
    now = " ".join(pages(desk.browser.post(address.partition("?")[0], {"use": "here"}).content))
    assert NEW in now and TEXT not in now and "as it read then" not in now


def test_the_form_of_an_addition_begins_with_its_text(desk: Desk) -> None:
    desk.sign()
    page = desk.browser.get(f"/chart/{desk.ida}/documents/DocumentReference/{desk.note}/correct/addendum")
    (focused,) = re.findall(r"<[^>]* autofocus[^>]*>", page.content.decode())
    assert focused.startswith("<textarea") and 'name="text"' in focused


def test_every_encounter_of_the_chart_may_be_the_right_one(desk: Desk) -> None:
    stay = {"resourceType": "Encounter", "status": "finished", "subject": {"reference": "Patient/p1"},
            "class": {"code": "AMB"}, "type": [{"text": "Check"}]}  # fmt: skip
    more = [
        {**stay, "id": f"m{day}", "period": {"start": f"2026-0{3 + day // 28}-{day % 28 + 1:02}T08:00:00Z"}}
        for day in range(110)
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in more]}
    list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender="clinic"))
    form = desk.browser.get(f"/chart/{desk.ida}/documents/DocumentReference/{desk.note}/correct/wrong-encounter")
    assert f'value="{desk.encounters["Emergency visit"]}"' in form.content.decode()
    sends = desk.browser.get(f"/chart/{desk.ida}/send/").content.decode()
    assert f"{desk.encounters['Office visit']}" in sends


def test_a_correction_is_decided_with_the_whole_chart_at_hand(desk: Desk) -> None:
    """The encounter a document belongs to may be of another source patient of the person."""
    other = {"resourceType": "Patient", "id": "p9", "birthDate": "1961-04-17", "gender": "female",
             "name": [{"family": "Marsh", "given": ["Ida"]}]}  # fmt: skip
    stay = {"resourceType": "Encounter", "id": "e9", "status": "finished", "class": {"code": "AMB"},
            "subject": {"reference": "Patient/p9"}, "type": [{"text": "Clinic visit"}],
            "period": {"start": "2026-02-03T10:00:00Z"}}  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": other}, {"resource": stay}]}
    list(take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender="another clinic"))
    patients = identity.patients_of(SYSTEM, desk.ida)
    assert len(patients) == 2
    (visit,) = (each.id for each in record.encounters(SYSTEM, patients).rows if each.title == "Clinic visit")
    desk.sign()
    where = (patients, "DocumentReference", desk.note)
    reason = Reason(next(iter(record.reasons(Kind.WRONG_ENCOUNTER))))
    record.move_to_encounter(SATO, *where, visit, reason, seen=desk.read().seen)
    number = record.ask_to_retract(SATO, *where, Reason("duplicate"), seen=desk.read().seen)
    shown = said(desk.browser.get(f"/corrections/{number}"))
    assert "Clinic visit" in shown and "not in this chart" not in shown


@pytest.mark.parametrize("name", DEEDS)
def test_who_has_no_right_changes_nothing_for_any_reader(desk: Desk, name: str) -> None:
    deed = DEEDS[name]
    if deed.signed_before:
        desk.sign()
    before = desk.everywhere()
    with pytest.raises(PermissionRefused):
        deed.act(desk, CLERK)
    after = desk.everywhere()
    for reader in ("screen", "export", "api"):  # a print bears its own time
        assert after[reader] == before[reader], reader
    assert deed.finds["print"] in before["print"] or deed.finds["print"] not in after["print"]
