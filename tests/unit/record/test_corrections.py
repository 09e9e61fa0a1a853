"""Documents signed and corrected: whatever is done to one, its original stays, and every reader finds the same."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.access.api import (
    ALL_LABELS,
    AccessContext,
    Label,
    PermissionRefused,
    Role,
    system_context,
)
from charthouse.foundation.clock import wall
from charthouse.foundation.disclosure.api import How, record_disclosure
from charthouse.foundation.ledger.api import Filters, Subject, entries
from charthouse.foundation.work import api as work
from charthouse.record import api as record
from charthouse.record.api import Addition, Kind, Meaning, Party, Reason
from charthouse.record.chart import Mark
from charthouse.record.queries import versions
from charthouse.record.verifying import Trouble, verify

SYSTEM = system_context("tests")
TEXT = "Seen for a cough of two weeks."
WRONG = Reason("misfiled")


def asker(number: int, name: str, *roles: Role) -> AccessContext:
    return AccessContext(f"user:{number}", name, frozenset(roles), clearance=ALL_LABELS)


NOVAK = asker(1, "B. Novak", Role.PHYSICIAN)
CHEN = asker(2, "L. Chen", Role.PHYSICIAN)
SATO = asker(3, "M. Sato", Role.HIT)
OBI = asker(4, "K. Obi", Role.MANAGER)
CLERK = asker(5, "A. Clerk", Role.COORDINATOR)


def note(
    by: AccessContext = NOVAK, text: str = TEXT, id: str = "d1", of: str = "p1", **more: Any
) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": id,
        "status": "current",
        "docStatus": "preliminary",
        "type": {"text": "Progress note"},
        "subject": {"reference": f"Patient/{of}"},
        "date": "2026-03-01T10:00:00Z",
        "author": [Party(by.actor, by.name).reference()],
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "data": base64.b64encode(text.encode()).decode(),
                    "title": "Progress note",
                }
            }
        ],
        "context": {"encounter": [{"reference": "Encounter/e1"}]},
        **more,
    }


def encounter(id: str, of: str = "p1") -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": id,
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{of}"},
    }


@dataclass
class Department:
    """Two patients, two encounters of the first, and one unsigned note of Dr. Novak's in the first chart."""

    book: Any
    ida: int
    otto: int

    @property
    def chart(self) -> tuple[int, ...]:
        return (self.ida,)

    def read(self, ctx: AccessContext = SYSTEM, id: str = "d1", of: int | None = None) -> Any:
        return record.document(ctx, (of or self.ida,), "DocumentReference", id)

    def seen(self, id: str = "d1", of: int | None = None) -> str:
        seen: str = self.read(id=id, of=of).seen
        return seen

    def sign(
        self, ctx: AccessContext = NOVAK, meaning: Meaning = Meaning.AUTHOR, id: str = "d1", **more: Any
    ) -> int:
        given = {"seen": self.seen(id), "confirmed": wall(), **more}
        return record.sign_document(ctx, self.chart, "DocumentReference", id, meaning=meaning, **given)

    def add(self, ctx: AccessContext = SATO, text: str = "The culture grew nothing.", **more: Any) -> str:
        given = Addition(text, Reason("result-arrived"), str(uuid.uuid4()))
        return record.file_addendum(
            ctx, self.chart, "DocumentReference", "d1", given, **{"seen": self.seen(), **more}
        )

    def ask(self, ctx: AccessContext = SATO, kind: Kind = Kind.RETRACTION) -> int:
        if kind is Kind.WRONG_PATIENT:
            return record.ask_to_move(
                ctx, self.chart, "DocumentReference", "d1", WRONG, seen=self.seen(), to_patient=self.otto
            )
        return record.ask_to_retract(
            ctx, self.chart, "DocumentReference", "d1", Reason("duplicate"), seen=self.seen()
        )

    def listed(self, of: int | None = None, ctx: AccessContext = SYSTEM) -> list[str]:
        return [row.id for row in record.documents(ctx, (of or self.ida,)).rows]

    def exported(self, of: int | None = None) -> dict[str, dict[str, Any]]:
        return {f"{each.type}/{each.public_id}": each.resource for each in record.export(SYSTEM, (of or self.ida,))}

    def provenances(self, target: str, of: int | None = None) -> list[dict[str, Any]]:
        return [
            each
            for key, each in self.exported(of).items()
            if key.startswith("Provenance/") and {"reference": target} in each["target"]
        ]

    def texts(self, id: str = "d1") -> list[str]:
        listed = versions(self.book.cursor, SYSTEM, "DocumentReference", id)
        return [
            base64.b64decode(each.resource["content"][0]["attachment"].get("data", "")).decode()
            for each in reversed(listed)
        ]


@pytest.fixture
def department(book: Any, make: Any) -> Iterator[Department]:
    return make_department(book, make)


def make_department(book: Any, make: Any) -> Department:
    ida, otto = book.patient("p1"), book.patient("p2", name=[{"family": "Weiss", "given": ["Otto"]}])
    book.file(encounter("e1"), encounter("e2"), encounter("e9", of="p2"), note())
    return Department(book, ida, otto)


def whole() -> None:
    report = verify()
    assert report.is_whole, [each.sentence for each in report.findings]


def test_a_signature_binds_what_was_seen_and_makes_the_note_final(department: Department) -> None:
    before = department.read()
    assert before.mark is Mark.UNSIGNED and before.unsigned and not before.signed
    made = department.sign()
    after = department.read()
    assert (made, after.version, after.mark, after.final) == (2, 2, Mark.NONE, True)
    (signature,) = after.signed
    assert (signature.name, signature.version, signature.as_version) == ("B. Novak", 1, 2)
    assert department.texts() == [TEXT, TEXT]
    resource = department.exported()["DocumentReference/d1"]
    assert resource["docStatus"] == "final" and resource["authenticator"]["display"] == "B. Novak"
    (proof,) = department.provenances("DocumentReference/d1")
    assert proof["signature"][0]["type"][0]["code"] == "1.2.840.10065.1.12.1.1"
    assert base64.b64decode(proof["signature"][0]["data"]).hex() == before.seen.partition(":")[2]
    (line,) = entries(SYSTEM, Filters(action="record.sign-document")).lines
    assert line.detail["sha256"] == before.seen.partition(":")[2]
    whole()


def test_who_may_not_sign_is_refused_and_nothing_is_changed(department: Department) -> None:
    with pytest.raises(PermissionRefused):
        department.sign(SATO)
    with pytest.raises(record.NotConfirmed):
        department.sign(confirmed=None)
    with pytest.raises(record.NotConfirmed):
        department.sign(confirmed=wall() - timedelta(minutes=11))
    with pytest.raises(record.NotConfirmed):
        department.sign(confirmed=wall() + timedelta(minutes=1))
    with pytest.raises(record.DocumentError, match="wrote this document"):
        department.sign(CHEN)
    with pytest.raises(record.DocumentError, match="has not signed"):
        department.sign(CHEN, Meaning.COSIGNER)
    with pytest.raises(record.DocumentError, match="not open to you"):
        record.sign_document(
            NOVAK, (department.otto,), "DocumentReference", "d1", seen=department.seen(), meaning=Meaning.AUTHOR,
            confirmed=wall(),
        )  # fmt: skip
    assert department.read().version == 1
    assert not record.export.__doc__ or department.provenances("DocumentReference/d1") == []


def test_a_document_that_may_not_be_seen_cannot_be_signed_or_corrected(department: Department) -> None:
    secret = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSYTHPN"}
    department.book.file(note(id="d2", meta={"security": [secret]}))
    seen = department.seen("d2")
    blind = AccessContext("user:1", "B. Novak", frozenset({Role.PHYSICIAN}), clearance=Label.NONE)
    with pytest.raises(record.DocumentError, match="not open to you"):
        record.sign_document(
            blind, department.chart, "DocumentReference", "d2", seen=seen, meaning=Meaning.AUTHOR, confirmed=wall()
        )
    record.ask_to_retract(SATO, department.chart, "DocumentReference", "d2", Reason("duplicate"), seen=seen)
    (item,) = work.items(SATO, record.CORRECTIONS).items
    unseeing = AccessContext("user:4", "A. Vale", frozenset({Role.HIT}), clearance=Label.NONE)
    assert work.describe(unseeing, item) == "Retraction"


def test_what_was_changed_since_it_was_opened_is_not_signed_and_both_texts_are_shown(
    department: Department,
) -> None:
    opened = department.seen()
    record.revise_document(NOVAK, department.chart, "DocumentReference", "d1", "Another text.", seen=opened)
    with pytest.raises(record.ChangedSince) as told:
        department.sign(seen=opened)
    assert (told.value.opened, told.value.now) == (TEXT, "Another text.")
    assert not department.read().signed
    department.sign(seen=told.value.seen)
    whole()


def test_others_co_sign_and_attest_after_the_author(department: Department) -> None:
    department.sign()
    department.sign(CHEN, Meaning.COSIGNER)
    department.sign(CHEN, Meaning.ATTESTATION, statement="I saw the patient and agree.")
    with pytest.raises(record.DocumentError, match="signed this document so already"):
        department.sign(CHEN, Meaning.COSIGNER)
    with pytest.raises(record.DocumentError, match="signed already"):
        department.sign(NOVAK)
    assert [(each.name, each.meaning) for each in department.read().signed] == [
        ("B. Novak", Meaning.AUTHOR),
        ("L. Chen", Meaning.COSIGNER),
        ("L. Chen", Meaning.ATTESTATION),
    ]
    whole()


def test_a_transcription_is_verified_before_its_author_signs(department: Department) -> None:
    department.sign(SATO, Meaning.VERIFIER)
    waiting = department.read()
    assert waiting.mark is Mark.UNSIGNED and not waiting.signed
    assert [(each.stage.value, each.party.name) for each in waiting.stages] == [("verified", "M. Sato")]
    department.sign()
    assert department.read().mark is Mark.NONE
    whole()


def test_a_signed_document_is_not_changed_but_added_to(department: Department) -> None:
    department.sign()
    with pytest.raises(record.DocumentError, match="Only an unsigned document"):
        record.revise_document(NOVAK, department.chart, "DocumentReference", "d1", "Other.", seen=department.seen())
    added = department.add()
    shown = department.read()
    (addendum,) = shown.added
    assert shown.version == 2 and shown.mark is Mark.NONE
    assert (addendum.id, addendum.parts[0].text, addendum.mark) == (
        added,
        "The culture grew nothing.",
        Mark.UNSIGNED,
    )
    assert addendum.added_as is Kind.ADDENDUM and addendum.encounter == "e1"
    listed = {row.id: row.additions for row in record.documents(SYSTEM, department.chart).rows}
    assert listed == {"d1": 1, added: 0}
    resource = department.exported()[f"DocumentReference/{added}"]
    assert resource["relatesTo"] == [{"code": "appends", "target": {"reference": "DocumentReference/d1"}}]
    assert department.provenances(f"DocumentReference/{added}")[0]["activity"]["coding"][0]["code"] == "APPEND"
    whole()


def test_the_same_form_sent_twice_adds_once(department: Department) -> None:
    given = Addition("Once.", Reason("incomplete"), str(uuid.uuid4()))
    made = [
        record.file_addendum(SATO, department.chart, "DocumentReference", "d1", given, seen=seen)
        for seen in [department.seen()] * 2
    ]
    assert made[0] == made[1] and len(department.read().added) == 1


def test_an_addendum_may_be_signed_at_once_but_not_for_another(department: Department) -> None:
    department.sign()
    made = department.add(NOVAK, sign=True, confirmed=wall())
    assert department.read(id=made).signed[0].name == "B. Novak"
    with pytest.raises(PermissionRefused):
        department.add(SATO, sign=True, confirmed=wall())
    given = Addition(
        "As dictated.", Reason("incomplete"), str(uuid.uuid4()), dictated_by=Party("user:1", "B. Novak")
    )
    with pytest.raises(record.DocumentError, match="signed for somebody else"):
        record.file_addendum(
            CHEN, department.chart, "DocumentReference", "d1", given, seen=department.seen(), sign=True,
            confirmed=wall(),
        )  # fmt: skip
    typed = record.file_addendum(SATO, department.chart, "DocumentReference", "d1", given, seen=department.seen())
    shown = department.read(id=typed)
    assert shown.author == "B. Novak"
    assert [(each.stage.value, each.party.name) for each in shown.stages] == [
        ("dictated", "B. Novak"),
        ("transcribed", "M. Sato"),
    ]
    mine = record.unsigned_documents(NOVAK)
    assert [each.entry.id for each in mine.rows] == [typed]
    whole()


def test_a_late_entry_names_the_moment_it_speaks_of(department: Department) -> None:
    then = datetime(2026, 2, 1, 8, 0, tzinfo=UTC)
    given = Addition("The dressing was changed.", Reason("omitted"), str(uuid.uuid4()), speaks_of=then)
    made = record.file_late_entry(SATO, department.chart, "DocumentReference", "d1", given, seen=department.seen())
    shown = department.read(id=made)
    assert shown.added_as is Kind.LATE_ENTRY and shown.when.instant == then
    assert shown.authored.instant is not None and shown.authored.instant > then
    for moment, words in ((None, "Say which moment"), (wall() + timedelta(days=1), "not come yet")):
        with pytest.raises(record.DocumentError, match=words):
            record.file_late_entry(
                SATO, department.chart, "DocumentReference", "d1",
                Addition("x", Reason("omitted"), str(uuid.uuid4()), speaks_of=moment), seen=department.seen(),
            )  # fmt: skip
    with pytest.raises(PermissionRefused):
        record.file_late_entry(CLERK, department.chart, "DocumentReference", "d1", given, seen=department.seen())


def test_an_amendment_is_signed_anew_and_the_text_before_stays_readable(department: Department) -> None:
    department.sign()
    why = Reason("factual-error")

    def amend(ctx: AccessContext, text: str = "Seen for a cough of three weeks.") -> int:
        return record.amend_document(
            ctx, department.chart, "DocumentReference", "d1", text, why, seen=department.seen(), confirmed=wall()
        )

    with pytest.raises(PermissionRefused):
        amend(SATO)
    with pytest.raises(record.DocumentError, match="Only who signed"):
        amend(CHEN)
    with pytest.raises(record.DocumentError, match="Nothing was changed"):
        amend(NOVAK, TEXT)
    amend(NOVAK)
    shown = department.read()
    assert shown.mark is Mark.CORRECTED and shown.parts[0].text == "Seen for a cough of three weeks."
    assert [(each.version, each.current) for each in shown.signatures] == [(1, False), (3, True)]
    earlier = record.document(SYSTEM, department.chart, "DocumentReference", "d1", 2)
    assert earlier is not None and earlier.parts[0].text == TEXT and earlier.signed[0].name == "B. Novak"
    assert department.exported()["DocumentReference/d1"]["docStatus"] == "amended"
    whole()


def test_a_retraction_waits_for_a_second_person(department: Department) -> None:
    department.sign()
    added = department.add()
    number = department.ask()
    waiting = department.read()
    assert waiting.questioned is not None and waiting.mark is Mark.NONE and "d1" in department.listed()
    (item,) = work.items(SATO, record.CORRECTIONS).items
    assert item.subject == Subject("correction", str(number)) and item.rule == "record.second-person"
    assert work.describe(SATO, item) == "Retraction: Progress note"
    with pytest.raises(record.DocumentError, match="somebody else"):
        record.confirm_correction(SATO, number)
    with pytest.raises(PermissionRefused):
        record.confirm_correction(NOVAK, number)
    with pytest.raises(record.DocumentError, match="already and waits"):
        department.ask()
    record.confirm_correction(OBI, number, "Seen twice indeed.")
    shown = department.read()
    assert shown.mark is Mark.RETRACTED and shown.parts[0].text == TEXT and department.listed() == []
    assert department.read(id=added).mark is Mark.RETRACTED
    out = record.taken_out(SYSTEM, department.chart)
    assert {(each.document, each.kind, each.name, each.decider) for each in out} == {
        ("d1", Kind.RETRACTION, "M. Sato", "K. Obi"),
        (added, Kind.RETRACTION, "K. Obi", "K. Obi"),
    }
    resource = department.exported()["DocumentReference/d1"]
    assert (resource["status"], resource["docStatus"]) == ("entered-in-error", "entered-in-error")
    proof = next(
        each for each in department.provenances("DocumentReference/d1")
        if each.get("activity", {}).get("text") == "Retraction"
    )  # fmt: skip
    assert [agent["who"]["display"] for agent in proof["agent"]] == ["M. Sato", "K. Obi"]
    assert work.items(SATO, record.CORRECTIONS).items == ()
    with pytest.raises(record.DocumentError, match="decided meanwhile by K"):
        record.confirm_correction(OBI, number)
    for again in (department.sign, department.add, department.ask):
        with pytest.raises(record.DocumentError, match="taken back already"):
            again()
    whole()


def test_a_retraction_is_refused_by_another_and_withdrawn_by_who_asked(department: Department) -> None:
    for ctx, outcome in ((OBI, "refused"), (SATO, "withdrawn")):
        number = department.ask()
        with pytest.raises(record.DocumentError, match="Say why"):
            record.refuse_correction(ctx, number, " ")
        record.refuse_correction(ctx, number, "It is right as it is.")
        found = record.correction(SATO, number)
        assert found is not None and found.outcome == outcome and not found.done
        assert department.read().questioned is None and department.listed() == ["d1"]
    assert work.items(SATO, record.CORRECTIONS).items == ()


def test_a_correction_of_a_document_that_changed_since_is_not_confirmed(department: Department) -> None:
    number = department.ask()
    record.revise_document(NOVAK, department.chart, "DocumentReference", "d1", "Other.", seen=department.seen())
    with pytest.raises(record.DocumentError, match="changed since this was asked"):
        record.confirm_correction(OBI, number)
    record.refuse_correction(OBI, number, "It was changed.")


def test_a_document_of_another_patient_goes_to_that_chart_and_leaves_nothing_of_itself(
    department: Department,
) -> None:
    department.sign()
    added = department.add()
    number = department.ask(kind=Kind.WRONG_PATIENT)
    record.confirm_correction(OBI, number)
    assert department.read() is None and department.listed() == []
    assert department.listed(department.otto) == [added, "d1"]
    moved = department.read(of=department.otto)
    assert moved.parts[0].text == TEXT and moved.encounter == "" and moved.mark is Mark.NONE
    assert [each.name for each in moved.signed] == ["B. Novak"] and moved.added[0].id == added
    assert moved.corrections[-1].kind is Kind.WRONG_PATIENT
    out = record.taken_out(SYSTEM, department.chart)
    assert {each.kind for each in out} == {Kind.WRONG_PATIENT} and len(out) == 2
    left = department.read(id=next(each.made for each in out if each.document == "d1"))
    assert left.mark is Mark.RETRACTED and TEXT not in str(left) and "Weiss" not in str(left)
    here, there = department.exported(), department.exported(department.otto)
    assert not any(key in here for key in ("DocumentReference/d1", f"DocumentReference/{added}"))
    stay = [each for key, each in here.items() if key.startswith(("DocumentReference/", "Provenance/"))]
    assert len([each for each in stay if each["resourceType"] == "DocumentReference"]) == 2
    assert "p2" not in str(stay) and base64.b64encode(TEXT.encode()).decode() not in str(stay)
    assert there["DocumentReference/d1"]["subject"] == {"reference": "Patient/p2"}
    assert department.provenances("DocumentReference/d1", department.otto)
    whole()


def test_a_document_cannot_be_moved_to_who_it_is_or_to_nobody(department: Department) -> None:
    for to, words in ((department.ida, "same person"), (987_654, "no such patient")):
        with pytest.raises(record.DocumentError, match=words):
            record.ask_to_move(
                SATO, department.chart, "DocumentReference", "d1", WRONG, seen=department.seen(), to_patient=to
            )
    with pytest.raises(PermissionRefused):
        department.ask(CLERK, Kind.WRONG_PATIENT)


def test_a_document_goes_to_the_right_encounter_and_its_signature_with_it(department: Department) -> None:
    department.sign()
    why = Reason("wrong-visit")

    def move(to: str, ctx: AccessContext = SATO) -> int:
        return record.move_to_encounter(
            ctx, department.chart, "DocumentReference", "d1", to, why, seen=department.seen()
        )

    for wrong in ("", "e9", "nowhere"):
        with pytest.raises(record.DocumentError, match="encounters of this chart"):
            move(wrong)
    with pytest.raises(record.DocumentError, match="already"):
        move("e1")
    with pytest.raises(PermissionRefused):
        move("e2", NOVAK)
    move("e2")
    shown = department.read()
    assert shown.encounter == "e2" and shown.mark is Mark.NONE and shown.signed[0].name == "B. Novak"
    row = department.book.one("SELECT encounter FROM record_resource WHERE public_id = 'd1'")
    assert row == department.book.one("SELECT id FROM record_resource WHERE public_id = 'e2'")
    assert department.exported()["DocumentReference/d1"]["context"]["encounter"] == [{"reference": "Encounter/e2"}]
    whole()


def test_a_reason_is_needed_and_other_needs_words(department: Department) -> None:
    for reason, words in (
        (Reason(""), "Choose a reason"),
        (Reason("misfiled"), "Choose"),
        (Reason("other"), "words"),
    ):
        with pytest.raises(record.DocumentError, match=words):
            record.ask_to_retract(SATO, department.chart, "DocumentReference", "d1", reason, seen=department.seen())


def test_who_has_an_earlier_copy_is_listed_for_notice(department: Department) -> None:
    department.sign()
    item = Subject("resource", "DocumentReference/d1")
    record_disclosure(SYSTEM, recipient="Riverside", purpose="TREAT", items=[item], patient="p1", how=How.PRINT)
    department.add()
    (opened,) = work.items(SATO, record.RECIPIENTS).items
    assert opened.rule == "record.tell-recipients" and opened.patient == "p1" and opened.due is not None
    told = record.recipients_of(SATO, int(opened.subject.id))
    assert [each.recipient.name for each in told] == ["Riverside"]
    with pytest.raises(PermissionRefused):
        record.recipients_of(NOVAK, int(opened.subject.id))


def test_what_nobody_signed_is_listed_for_its_author(department: Department) -> None:
    department.book.file(note(CHEN, id="d2"))
    assert [each.entry.id for each in record.unsigned_documents(NOVAK).rows] == ["d1"]
    assert {each.entry.id for each in record.unsigned_documents(SATO, everybodys=True).rows} == {"d1", "d2"}
    assert record.unsigned_count(NOVAK, 9) == 1
    department.sign()
    assert record.unsigned_documents(NOVAK).rows == () and record.unsigned_count(NOVAK, 9) == 0
    with pytest.raises(PermissionRefused):
        record.unsigned_documents(CLERK)


def test_a_message_writes_the_same_signatures_as_a_hand(department: Department) -> None:
    signed = {"docStatus": "final", "authenticator": {"reference": "Practitioner/x", "display": "Ward, Ann"}}
    department.book.file(note(id="d2", **signed))
    shown = department.read(id="d2")
    (told,) = shown.signed
    assert (told.name, told.by_hand, told.meaning) == ("Ward, Ann", False, Meaning.AUTHENTICATOR)
    department.book.file(note(id="d2", text="Changed by its sender.", **signed))
    assert [(each.version, each.current) for each in department.read(id="d2").signatures] == [(1, False), (2, True)]
    whole()


@pytest.mark.parametrize("act", ["sign", "retract", "move"])
def test_a_sender_no_longer_changes_what_was_signed_or_corrected_here(department: Department, act: str) -> None:
    from charthouse.record.api import FilingBatch

    changed = department.book.prepare(note(text="Sent again, otherwise."))
    assert FilingBatch(department.book.cursor, changed).locked() == []
    if act == "sign":
        department.sign()
    else:
        kind = Kind.RETRACTION if act == "retract" else Kind.WRONG_PATIENT
        record.confirm_correction(OBI, department.ask(kind=kind))
    assert FilingBatch(department.book.cursor, changed).locked() == changed


def _damage(owner: Any, statement: str, *values: Any) -> None:
    for trigger in ("DISABLE", "ENABLE"):
        owner.execute(f"ALTER TABLE record_version {trigger} TRIGGER append_only_rows")
        owner.execute(f"ALTER TABLE record_signature {trigger} TRIGGER append_only_rows")
        if trigger == "DISABLE":
            owner.execute(statement, values)


@pytest.mark.parametrize(
    ("statement", "trouble"),
    [
        ("DELETE FROM record_version WHERE type = {type} AND version = 1", Trouble.MISSING),
        ("DELETE FROM record_version WHERE type = {type} AND version = 2", Trouble.MISSING),
        ("UPDATE record_version SET content = {other}, digest = NULL WHERE type = {type} AND version = 1",
         Trouble.SIGNATURE),
        ("UPDATE record_version SET content = {other} WHERE type = {type} AND version = 1", Trouble.ALTERED),
        ("UPDATE record_version SET content = 'x' WHERE type = {type} AND version = 2", Trouble.ALTERED),
        ("UPDATE record_signature SET name = 'Somebody else'", Trouble.SEAL),
        ("UPDATE record_signature SET signed_at = signed_at - interval '1 day'", Trouble.SEAL),
        ("DELETE FROM record_signature", Trouble.UNSIGNED),
        ("DELETE FROM record_resource WHERE type = {type}", Trouble.MISSING),
    ],
)  # fmt: skip
def test_what_somebody_with_the_owners_rights_changes_is_found_and_named(
    committed_db: str, owner_conninfo: str, make: Any, statement: str, trouble: Trouble
) -> None:
    import psycopg

    from charthouse.record.api import TYPE_ID, compress

    with connection.cursor() as cursor:
        department = make_department(make.book(cursor), make)
    department.sign()
    whole()
    other = compress(b'{"resourceType":"DocumentReference","id":"d1","status":"current"}')
    filled = statement.format(type=TYPE_ID["DocumentReference"], other="'\\x" + other.hex() + "'::bytea")
    with psycopg.connect(owner_conninfo) as owner:
        _damage(owner, filled)
    report = verify()
    assert not report.is_whole and trouble in {each.trouble for each in report.findings}
    assert all(each.type == "DocumentReference" for each in report.findings)
    assert any("d1" in each.sentence for each in report.findings) or "record_resource" in statement


ACTS = st.sampled_from(
    [
        "sign",
        "cosign",
        "add",
        "late",
        "amend",
        "revise",
        "retract",
        "confirm",
        "refuse",
        "encounter",
        "patient",
        "sent",
    ]
)


@given(acts=st.lists(ACTS, min_size=1, max_size=7))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_is_done_the_original_stays_readable_and_signatures_verify(
    book: Any, make: Any, acts: list[str]
) -> None:
    from django.db import transaction

    with transaction.atomic():
        department = make_department(book, make)
        first = versions(book.cursor, SYSTEM, "DocumentReference", "d1")[0].content
        kept: dict[int, bytes] = {1: first}
        for act in acts:
            _try(department, act)
            listed = versions(book.cursor, SYSTEM, "DocumentReference", "d1")
            for each in listed:
                assert kept.setdefault(each.version, each.content) == each.content
            assert {each.version for each in listed} == set(kept)
        assert TEXT in department.texts()[0]
        whole()
        transaction.set_rollback(True)


def _try(department: Department, act: str) -> None:
    """Do it where it may be done now; a refusal changes nothing."""
    where = department.ida if department.read() else department.otto
    chart = (where,)
    shown = department.read(of=where)
    seen, once = shown.seen, str(uuid.uuid4())
    late = Addition("Late.", Reason("omitted"), once, speaks_of=datetime(2026, 2, 1, tzinfo=UTC))
    waiting = shown.questioned
    where_it_is = ("DocumentReference", "d1")
    doing = {
        "sign": lambda: record.sign_document(
            NOVAK, chart, *where_it_is, seen=seen, meaning=Meaning.AUTHOR, confirmed=wall()
        ),
        "cosign": lambda: record.sign_document(
            CHEN, chart, *where_it_is, seen=seen, meaning=Meaning.COSIGNER, confirmed=wall()
        ),
        "add": lambda: record.file_addendum(
            SATO, chart, *where_it_is, Addition("Added.", Reason("incomplete"), once), seen=seen
        ),
        "late": lambda: record.file_late_entry(SATO, chart, *where_it_is, late, seen=seen),
        "amend": lambda: record.amend_document(
            NOVAK, chart, *where_it_is, f"Amended {once}", Reason("wrong-side"), seen=seen, confirmed=wall()
        ),
        "revise": lambda: record.revise_document(NOVAK, chart, *where_it_is, f"Revised {once}", seen=seen),
        "retract": lambda: record.ask_to_retract(SATO, chart, *where_it_is, Reason("duplicate"), seen=seen),
        "patient": lambda: record.ask_to_move(
            SATO, chart, *where_it_is, WRONG, seen=seen,
            to_patient=department.otto if where == department.ida else department.ida,
        ),
        "confirm": lambda: record.confirm_correction(OBI, waiting.id if waiting else 0),
        "refuse": lambda: record.refuse_correction(OBI, waiting.id if waiting else 0, "No."),
        "encounter": lambda: record.move_to_encounter(
            SATO, chart, *where_it_is, "e2", Reason("wrong-visit"), seen=seen
        ),
        "sent": lambda: _send(department),
    }  # fmt: skip
    before = department.book.one("SELECT count(*) FROM record_version")
    try:
        doing[act]()
    except record.DocumentError:
        assert department.book.one("SELECT count(*) FROM record_version") == before


def _send(department: Department) -> None:
    """Its sender sends it anew, as intake files it: not where it is locked."""
    from charthouse.record.api import FilingBatch

    filings = department.book.prepare(note(text=f"Sent {uuid.uuid4()}"))
    batch = FilingBatch(department.book.cursor, filings)
    if not batch.locked():
        batch.file(filings, wall())


def test_what_waits_about_an_addendum_that_went_to_another_chart_can_still_be_refused(
    department: Department,
) -> None:
    added = department.add()
    of_addendum = record.ask_to_retract(
        SATO, department.chart, "DocumentReference", added, Reason("duplicate"), seen=department.seen(added)
    )
    record.confirm_correction(OBI, department.ask(kind=Kind.WRONG_PATIENT))
    with pytest.raises(record.DocumentError, match="changed since this was asked"):
        record.confirm_correction(OBI, of_addendum)
    record.refuse_correction(OBI, of_addendum, "It went with the note.")
    assert work.items(SATO, record.CORRECTIONS).items == ()


def test_a_signature_binds_the_files_of_a_document(department: Department) -> None:
    import hashlib

    scan = b"%PDF-1.4 " + bytes(range(256)) * 300
    attachment = {"contentType": "application/pdf", "data": base64.b64encode(scan).decode()}
    department.book.file(note(id="d3", content=[{"attachment": attachment}]))
    department.sign(id="d3")
    (kept,) = department.book.one("SELECT files FROM record_signature")
    assert bytes(kept) == hashlib.sha256(scan).digest()
    whole()
    department.book.cursor.execute("DELETE FROM record_attachment")
    department.book.cursor.execute("UPDATE files_file SET state = 'destroyed'")
    report = verify()
    assert {each.trouble for each in report.findings} == {Trouble.FILE}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _other_bytes(path: Path) -> None:
    held = path.read_bytes()
    path.write_bytes(held[:-40] + bytes([held[-40] ^ 1]) + held[-39:])


@pytest.mark.parametrize("harm", [Path.unlink, _cut, _other_bytes], ids=["lost", "cut-off", "altered"])
def test_a_signature_fails_by_name_when_a_file_it_binds_is_lost_or_altered(
    department: Department, harm: Callable[[Path], None]
) -> None:
    from charthouse.foundation.files import store

    scan = b"%PDF-1.4 " + bytes(range(256)) * 300
    attachment = {"contentType": "application/pdf", "data": base64.b64encode(scan).decode()}
    department.book.file(note(id="d3", content=[{"attachment": attachment}]))
    department.sign(id="d3")
    whole()
    ((file, name),) = department.book.rows("SELECT id, name FROM files_file")
    harm(store.path_of(name))
    report = verify()
    assert [(each.trouble, each.type, each.id) for each in report.findings] == [
        (Trouble.FILE, "DocumentReference", "d3")
    ]
    assert str(file) in report.findings[0].words and report.files == 1


def test_a_file_nobody_signed_is_read_too_and_one_in_anothers_place_is_found(department: Department) -> None:
    from charthouse.foundation.files import api as files

    scan = b"%PDF-1.4 " + bytes(range(256)) * 300
    attachment = {"contentType": "application/pdf", "data": base64.b64encode(scan).decode()}
    department.book.file(note(id="d3", content=[{"attachment": attachment}]))
    other = files.put(scan + b"and more", "application/pdf")
    own = department.book.one("SELECT file FROM record_attachment")
    whole()
    for file, words in ((other.id, "another's place"), (uuid.uuid4(), "There is no file")):
        department.book.cursor.execute("UPDATE record_attachment SET file = %s", [file])
        (found,) = verify().findings
        assert (found.trouble, found.id) == (Trouble.FILE, "d3") and words in found.words
    department.book.cursor.execute("UPDATE record_attachment SET file = %s", [own])
    whole()
