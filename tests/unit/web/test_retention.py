"""A chart's retention from the screens: held, asked for, confirmed by another; then every reader finds that it was
destroyed, and the messages it came by are gone."""

from __future__ import annotations

import io
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import connection
from typer.testing import CliRunner

from charthouse.foundation.access.api import PermissionRefused, Role, system_context
from charthouse.foundation.events.api import drain
from charthouse.foundation.files import api as files
from charthouse.foundation.files import store
from charthouse.identity import api as identity
from charthouse.intake.api import Connector, provenance, take_in
from charthouse.record import api as record
from charthouse.record import due_queries
from charthouse.record.actions import index_texts as indexing
from charthouse.record.actions import read_scan as scanning
from charthouse.record.actions.index_texts import index_all_anew, index_texts
from charthouse.record.actions.note_last_entries import note_births, note_last_entries
from charthouse.record.consumers import LAST_ENTRIES
from charthouse.record.keepers import Keeper, declare_keeper
from charthouse.record.verifying import verify
from charthouse.web.actions.print_certificate import print_certificate
from charthouse.web.actions.print_chart import print_chart_section, print_face_sheet
from charthouse.web.commands.retention import app
from tests.support.readers import pages, said

from .test_prints import asker
from .test_words import client

SYSTEM = system_context("tests")
MANAGER, PRIVACY = asker(Role.MANAGER), asker(Role.PRIVACY)
ASKER = system_context("asker")
# Its own in each process: the store of files is one, and others destroy theirs meanwhile.
DATA = b"%PDF-1.4 " + uuid4().bytes + bytes(range(256)) * 300
ORU = (
    b"MSH|^~\\&|LAB|GEN|CH|GEN|20010105090000||ORU^R01|M1|P|2.5.1\rPID|1||77^^^GEN^MR||Overbury^Edith||19300506|F\r"
    b"OBR|1|O1|F1|24321-2^Panel^LN|||20010105070000+0000|||||||||||||||20010105090000+0000|||F\r"
    b"OBX|1|NM|2823-3^Potassium^LN||4.2|mmol/L|||||F|||20010105070000+0000\r"
)


def bundle(*resources: dict[str, Any]) -> bytes:
    entry = [{"resource": each, "request": {"method": "POST", "url": each["resourceType"]}} for each in resources]
    return orjson.dumps({"resourceType": "Bundle", "type": "batch", "entry": entry})


def send(data: bytes, sender: str) -> None:
    (taken,) = list(take_in(io.BytesIO(data), connector=Connector.FILES, sender=sender))
    assert taken.result is not None and str(taken.result.state) == "filed"


def old_chart() -> UUID:
    """Edith Overbury of 2001 by a bundle of two patients and by a laboratory's message; Otto Weiss beside her."""
    import base64

    subject = {"subject": {"reference": "Patient/e"}}
    scan = {"contentType": "application/pdf", "data": base64.b64encode(DATA).decode()}
    send(
        bundle(
            {"resourceType": "Patient", "id": "e", "birthDate": "1930-05-06", "gender": "female",
             "name": [{"family": "Overbury", "given": ["Edith"]}]},
            {"resourceType": "Patient", "id": "w", "birthDate": "1930-05-07", "gender": "male",
             "name": [{"family": "Weiss", "given": ["Otto"]}]},
            {"resourceType": "DocumentReference", "id": "d", "status": "current", "docStatus": "final", **subject,
             "type": {"text": "Letter"}, "date": "2001-01-05T10:00:00Z", "content": [{"attachment": scan}]},
            {"resourceType": "Condition", "id": "c", "code": {"text": "Gout"}, "recordedDate": "2001-01-05",
             "subject": {"reference": "Patient/w"}},
        ),
        "elsewhere",
    )  # fmt: skip
    send(ORU, "lab")
    first, *others = [hit.person for hit in identity.find(SYSTEM, "Overbury")]
    for other in others:
        identity.merge(SYSTEM, first, other, "The same.")
    index_texts()
    note_entries()
    return first


@pytest.fixture
def person(db: None) -> UUID:
    return old_chart()


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        return list(cursor.fetchall())


def note_entries() -> None:
    """What a consumer of events does some seconds later."""
    note_last_entries(
        [row for (row,) in rows("SELECT id FROM record_resource WHERE type = %s", record.TYPE_ID["Patient"])]
    )


def destroyed(person: UUID) -> int:
    patients = identity.patients_of(SYSTEM, person)
    number = record.ask_to_destroy(ASKER, patients, "Its time is over.")
    record.confirm_destruction(MANAGER, number, patients)
    return number


def test_two_persons_destroy_a_chart_from_the_screens(person: UUID) -> None:
    technician, manager = client(Role.HIT), client(Role.MANAGER)
    listed = technician.get("/retention/")
    assert "Overbury" in said(listed) and "Weiss" in said(listed)
    page = f"/chart/{person}/retention/"
    manager.post(f"{page}hold", {"matter": "Case 12-345", "item": ""})
    shown = technician.get(page)
    assert "Case 12-345" in said(shown) and "Nothing is destroyed while a hold is in force" in said(shown)
    assert technician.post(f"{page}destroy", {"reason": "Over."}, follow=True).status_code == 200
    assert not rows("SELECT FROM record_destruction")
    ((hold,),) = rows("SELECT id FROM record_hold")
    assert technician.post(f"{page}holds/{hold}/lift", {"reason": "x"}).status_code == 403
    manager.post(f"{page}holds/{hold}/lift", {"reason": "The case is closed."})
    technician.post(f"{page}destroy", {"reason": "Its time is over."})
    ((number,),) = rows("SELECT id FROM record_destruction")
    assert technician.post(f"/destructions/{number}/confirm").status_code == 403
    assert "Destroy this chart" in said(manager.get(f"/destructions/{number}"))
    assert "A chart of" in said(manager.get("/queues/record.destructions/"))
    answer = manager.post(f"/destructions/{number}/confirm", follow=True)
    assert "Destroyed. What is left of it stands below." in said(answer)
    certificate = manager.post(f"/destructions/{number}/certificate")
    assert certificate["Content-Type"] == "application/pdf"
    assert "Overbury" not in said(technician.get("/retention/"))


def test_a_document_is_destroyed_alone_from_the_screens(person: UUID) -> None:
    send(
        ORU.replace(b"|F\rOBX", b"|LAB|F\rOBX").replace(b"|||LAB|F\r", b"||LAB|F\r").replace(b"|M1|", b"|M2|"),
        "lab",
    )
    patients = identity.patients_of(SYSTEM, person)
    (time_,) = record.document_times(SYSTEM, patients)
    technician, manager = client(Role.HIT), client(Role.MANAGER)
    page = f"/chart/{person}/retention/"
    shown = technician.get(page).content.decode()
    assert f'value="{time_.key}" aria-labelledby="document-1"' in shown and 'id="document-1"' in shown
    sent = {"what": "documents", "reason": "Its own time is over."}
    assert "Choose at least one" in said(technician.post(f"{page}destroy", sent, follow=True))
    technician.post(f"{page}destroy", sent | {"document": [time_.key]})
    ((number,),) = rows("SELECT id FROM record_destruction")
    assert "One document of a chart" in said(manager.get("/queues/record.destructions/"))
    asked = said(manager.get(f"/destructions/{number}"))
    assert "Destroy these documents" in asked and time_.title in asked
    answer = said(manager.post(f"/destructions/{number}/confirm", follow=True))
    assert "Destroyed. What is left of it stands below." in answer
    assert {each.type for each in record.destroyed(SYSTEM, patients)} == {"DiagnosticReport", "Observation"}
    assert record.documents(SYSTEM, patients).rows
    assert manager.post(f"/destructions/{number}/certificate")["Content-Type"] == "application/pdf"


def test_documents_of_several_charts_are_asked_for_at_once(person: UUID) -> None:
    lab = ORU.replace(b"|||||||||20010105090000+0000|||F\r", b"|||||||||20010105090000+0000||LAB|F\r")
    send(lab.replace(b"|M1|", b"|M2|"), "lab")
    ada = lab.replace(b"|M1|", b"|M3|").replace(
        b"77^^^GEN^MR||Overbury^Edith||19300506", b"78^^^GEN^MR||Tarn^Ada||19400506"
    )
    send(ada.replace(b"O1|F1", b"O2|F2"), "lab")
    (other,) = [hit.person for hit in identity.find(SYSTEM, "Tarn")]
    technician, manager = client(Role.HIT), client(Role.MANAGER)
    page = "/retention/documents/"
    assert "Overbury" in said(technician.get(page)) and "Tarn" in said(technician.get(page))
    assert "Tarn" in said(technician.get(page, {"rule": "record.retention-laboratory", "year": "2001"}))
    assert "No document fits" in said(technician.get(page, {"year": "2002"}))
    assert "No document fits" in said(technician.get(page, {"rule": "record.retention-pathology"}))
    for role in (Role.CODER, Role.PHYSICIAN):
        other_role = client(role)
        assert other_role.get(page).status_code == 403 == other_role.post("/retention/ask").status_code
    manager.post(f"/chart/{other}/retention/hold", {"matter": "Case 55", "item": ""})
    listed = technician.get(page).content.decode()
    assert "Case 55" in listed and f'value="{person}/DiagnosticReport/' in listed
    assert f'value="{other}/DiagnosticReport/' not in listed
    keys = [
        f"{each}/{time.key}"
        for each in (person, other)
        for time in record.document_times(SYSTEM, identity.patients_of(SYSTEM, each))
    ]
    answer = said(technician.post("/retention/ask", {"chosen": keys, "reason": " "}, follow=True))
    assert "Say why it is destroyed" in answer and not rows("SELECT FROM record_destruction")
    answer = said(technician.post("/retention/ask", {"chosen": keys, "reason": "Their time is over."}, follow=True))
    assert "Asked for, of one chart" in answer and "Case 55" in answer
    ((number,),) = rows("SELECT id FROM record_destruction")
    assert f"/destructions/{number}" in technician.get(page).content.decode()
    assert technician.post("/retention/ask", {"chosen": ["x/y"], "reason": "x"}).status_code == 404
    manager.post(f"/destructions/{number}/confirm")
    assert "Overbury" not in said(technician.get(page))


def test_several_charts_are_asked_for_at_once(person: UUID) -> None:
    technician = client(Role.HIT)
    (otto,) = [hit.person for hit in identity.find(SYSTEM, "Weiss")]
    assert "Overbury" in said(technician.get("/retention/", {"year": "2001", "rule": "record.retention-adults"}))
    assert "No chart fits" in said(technician.get("/retention/", {"year": "1999"}))
    sent = {"chosen": [str(person), str(otto)], "reason": "Their time is over."}
    assert "Asked for, of 2 charts" in said(technician.post("/retention/ask", sent, follow=True))
    assert said(technician.get("/retention/")).count("Asked for") == 2
    assert "asked for already" in said(technician.post("/retention/ask", sent, follow=True))
    assert len(rows("SELECT FROM record_destruction")) == 2


def many_charts(count: int, first: int = 2001) -> list[UUID]:
    """So many more charts of one entry each, in turn of three years."""
    sounds = ("bar", "del", "fos", "gun", "him", "jor", "kel", "lam", "mos", "nor", "pik", "rus")
    names = [(sounds[number // 12] + sounds[number % 12]).capitalize() for number in range(count)]
    found: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        born = f"{1930 + number * 7 % 40}-{1 + number * 5 % 12:02}-{1 + number % 28:02}"
        found += [
            {"resourceType": "Patient", "id": f"q{number}", "birthDate": born,
             "name": [{"family": name, "given": [f"{sounds[number % 11]}ann".capitalize()]}]},
            {"resourceType": "Condition", "id": f"qc{number}", "code": {"text": "Gout"},
             "recordedDate": f"{first + number % 3}-03-0{1 + number % 9}",
             "subject": {"reference": f"Patient/q{number}"}},
        ]  # fmt: skip
    send(bundle(*found), "many")
    note_entries()
    return [hit.person for name in names for hit in identity.find(SYSTEM, name)]


def listed_on(answer: Any) -> list[str]:
    return re.findall(r"data-item href=\"/chart/([0-9a-f-]+)/retention/", answer.content.decode())


def test_the_list_goes_through_all_charts_page_by_page_and_its_filters_act_on_all(person: UUID) -> None:
    many = many_charts(130)
    technician = client(Role.HIT)
    seen: list[str] = []
    address, pages_read = "/retention/", 0
    while address:
        answer = technician.get(address)
        assert "132 charts may be destroyed" in said(answer)
        seen += listed_on(answer)
        pages_read += 1
        more = re.search(r'href="(/retention/\?after=[^"]+)"', answer.content.decode())
        address = more[1] if more else ""
    assert pages_read == 3 and len(seen) == len(set(seen)) == 132
    assert {str(each) for each in many} < set(seen)
    answer = technician.get("/retention/", {"year": "2003", "rule": "record.retention-adults"})
    assert "43 charts of this filter may be destroyed" in said(answer) and len(listed_on(answer)) == 43
    assert "No chart fits" in said(technician.get("/retention/", {"rule": "record.retention-minors"}))
    assert listed_on(technician.get("/retention/", {"after": "nonsense"})) == seen[:50]
    ended = technician.get("/retention/", {"after": "2003-03-09.9223372036854775807", "year": "2003"})
    assert ended.status_code == 200
    for role in (Role.CODER, Role.PHYSICIAN, Role.COORDINATOR):
        assert client(role).get("/retention/").status_code == 403


def test_more_than_a_thousand_are_said_so_and_can_be_gone_through(
    person: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_queries, "COUNTED", 60)
    monkeypatch.setattr(due_queries, "_CHUNK", 7)
    many_charts(130)
    ctx, after, seen = SYSTEM, "", list[tuple[int, ...]]()
    while True:
        page = record.due_charts(ctx, lambda patients: identity.charts_of(ctx, patients), after=after)
        assert page.more_than_counted and page.count == 61
        seen += [each.patients for each in page.rows]
        if not (after := page.next):
            break
    assert len(seen) == len(set(seen)) == 132
    assert [min(map(len, seen)), max(map(len, seen))] == [1, 2]


def test_a_chart_leaves_the_list_with_a_new_entry_and_comes_back_when_that_was_wrong(person: UUID) -> None:
    technician = client(Role.HIT)
    (otto,) = [hit.person for hit in identity.find(SYSTEM, "Weiss")]
    condition = {"resourceType": "Condition", "id": "c", "code": {"text": "Gout"},
                 "subject": {"reference": "Patient/w"}}  # fmt: skip
    patient = {"resourceType": "Patient", "id": "w", "birthDate": "1930-05-07", "gender": "male",
               "name": [{"family": "Weiss", "given": ["Otto"]}]}  # fmt: skip
    send(bundle(patient, {**condition, "recordedDate": "2025-01-05"}), "elsewhere")
    # Even before the list knows, nobody is shown a chart that is not over.
    assert str(otto) not in listed_on(technician.get("/retention/"))
    note_entries()
    assert "One chart may be destroyed" in said(technician.get("/retention/"))
    send(bundle(patient, {**condition, "recordedDate": "2002-01-05"}), "elsewhere")
    note_entries()
    assert str(otto) in listed_on(technician.get("/retention/", {"year": "2002"}))
    identity.merge(SYSTEM, person, otto, "The same.")
    (both,) = listed_on(technician.get("/retention/", {"year": "2002"}))
    assert both in (str(person), str(otto)) and not listed_on(technician.get("/retention/", {"year": "2001"}))


def test_a_minor_of_then_is_listed_by_that_rule_and_not_before_coming_of_age(db: None) -> None:
    child = {"resourceType": "Patient", "id": "k", "birthDate": "1990-05-07", "gender": "male",
             "name": [{"family": "Young", "given": ["Kit"]}]}  # fmt: skip
    baby = {**child, "id": "b", "birthDate": "2003-05-07", "name": [{"family": "Small", "given": ["Tim"]}]}
    entries = [
        {"resourceType": "Condition", "id": f"c{of}", "code": {"text": "Croup"}, "recordedDate": "2004-01-05",
         "subject": {"reference": f"Patient/{of}"}}
        for of in ("k", "b")
    ]  # fmt: skip
    send(bundle(child, baby, *entries), "elsewhere")
    note_entries()
    technician = client(Role.HIT)
    wanted = {hit.person: name for name in ("Young", "Small") for hit in identity.find(SYSTEM, name)}
    for person, name in wanted.items():
        found = record.retention(SYSTEM, identity.patients_of(SYSTEM, person))
        assert found.due is not None
        answer = technician.get("/retention/", {"rule": found.due.rule, "year": "2004"})
        assert (name in said(answer)) == found.over


def test_what_is_filed_is_noted_by_the_consumer(committed_db: str) -> None:
    old_chart()
    rows("DELETE FROM record_last_entry RETURNING 1")
    assert drain(LAST_ENTRIES) > 0
    assert {day.year for (day,) in rows("SELECT day FROM record_last_entry")} == {2001}
    person = identity.find(SYSTEM, "Overbury")[0].person
    destroyed(person)
    drain(LAST_ENTRIES)
    assert rows("SELECT count(*) FROM record_last_entry") == [(1,)]
    rows("UPDATE record_last_entry SET born = NULL RETURNING 1")
    assert note_births() == 1 and note_births() == 0
    assert rows("SELECT born FROM record_last_entry") == [("1930-05-07",)]


def test_a_refused_destruction_leaves_the_chart(person: UUID) -> None:
    technician, manager = client(Role.HIT), client(Role.MANAGER)
    technician.post(f"/chart/{person}/retention/destroy", {"reason": "Its time is over."})
    ((number,),) = rows("SELECT id FROM record_destruction")
    assert "Say why the chart is kept" in said(manager.post(f"/destructions/{number}/refuse", follow=True))
    manager.post(f"/destructions/{number}/refuse", {"note": "A study needs it."})
    assert "A study needs it." in said(technician.get(f"/destructions/{number}"))
    assert record.documents(SYSTEM, identity.patients_of(SYSTEM, person)).rows


def test_the_truth_of_a_destroyed_chart_on_screen_in_print_in_an_export_and_by_api(person: UUID) -> None:
    patients = identity.patients_of(SYSTEM, person)
    (letter,) = (row for row in record.documents(SYSTEM, patients).rows if row.type == "DocumentReference")
    observation = rows("SELECT public_id FROM record_resource WHERE type = %s", record.TYPE_ID["Observation"])[0][0]
    number = destroyed(person)
    browser = client(Role.HIT)
    address = f"/chart/{person}/documents/DocumentReference/{letter.id}"
    for path in (address, f"/chart/{person}/item/Observation/{observation}"):
        answer = browser.get(path)
        assert answer.status_code == 410
        assert "Practice brief" not in said(answer) and "Under the rule" in said(answer)
    assert browser.get(f"/chart/{person}/documents/DocumentReference/none").status_code == 404
    assert "Destroyed 2" in said(browser.get(f"/chart/{person}/documents"))
    for printed in (print_face_sheet(MANAGER, person), print_chart_section(MANAGER, person, "results")):
        assert any("Destroyed" in page and "items, by" in page for page in pages(printed.content))
    assert any("SHA-256" in page for page in pages(print_certificate(MANAGER, number).content))
    exported = [each.resource for each in record.export(SYSTEM, patients)]
    assert {each["resourceType"] for each in exported} == {"Patient", "Provenance"}
    assert {"reference": f"DocumentReference/{letter.id}"} in exported[-1]["target"]
    assert letter.id in {each.id for each in record.destroyed(SYSTEM, patients)}
    with pytest.raises(PermissionRefused):
        print_certificate(asker(Role.COORDINATOR), number)
    assert verify(processes=1).is_whole


def test_the_messages_go_with_the_chart_but_not_the_entries_of_another(person: UUID) -> None:
    before = rows("SELECT id FROM intake_original")
    letter = rows("SELECT public_id FROM record_resource WHERE type = %s", record.TYPE_ID["DocumentReference"])[0][
        0
    ]
    assert provenance(SYSTEM, "DocumentReference", letter) is not None
    destroyed(person)
    bodies = b" ".join(record.decompress(body) for (body,) in rows("SELECT body FROM intake_original"))
    assert b"Gout" in bodies and b"Weiss" in bodies
    assert b"Letter" not in bodies and b"Potassium" not in bodies and b"Overbury" not in bodies
    ((left,),) = rows("SELECT count(*) FROM record_tombstone WHERE kind = 'original'")
    assert 0 < left < len(before)
    otto = identity.find(SYSTEM, "Weiss")[0].person
    assert record.problems(SYSTEM, identity.patients_of(SYSTEM, otto)).rows[0].title == "Gout"


def test_the_same_message_again_does_not_bring_the_chart_back(person: UUID) -> None:
    destroyed(person)
    changed = ORU.replace(b"4.2", b"4.9").replace(b"|M1|", b"|M2|")
    list(take_in(io.BytesIO(changed), connector=Connector.FILES, sender="lab"))
    (problem,) = {code for (code,) in rows("SELECT code FROM intake_unfiled WHERE state = 'open'")}
    assert problem == "destroyed"
    assert verify(processes=1).is_whole


def test_a_message_that_waits_keeps_the_chart(person: UUID) -> None:
    list(take_in(io.BytesIO(ORU.replace(b"|M1|", b"|M3|")), connector=Connector.FILES, sender="lab", file=False))
    with pytest.raises(record.DocumentError, match="wait to be filed"):
        record.ask_to_destroy(ASKER, identity.patients_of(SYSTEM, person), "Its time is over.")


def test_the_command_line_lists_and_asks_and_never_destroys(person: UUID) -> None:
    run = CliRunner()
    assert "2 charts may be destroyed." in run.invoke(app, ["eligible"]).output
    assert "kept until 2011-01-05" in run.invoke(app, ["show", str(person)]).output
    told = run.invoke(app, ["destroy", str(person), "--reason", "Its time is over."])
    assert told.exit_code == 0 and "waits to be confirmed" in told.output
    again = run.invoke(app, ["destroy", str(person), "--reason", "Its time is over."])
    assert again.exit_code == 1 and "asked for already" in again.output
    assert "waits to be confirmed" in run.invoke(app, ["show", str(person)]).output
    assert record.documents(SYSTEM, identity.patients_of(SYSTEM, person)).rows


def _die(*args: Any, **more: Any) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def _killed_while_confirming(number: int, patients: Any, prepare: Any) -> None:
    """Confirm in a process of its own that is killed where ``prepare`` says."""
    connection.close()
    child = os.fork()
    if not child:
        try:
            prepare()
            record.confirm_destruction(MANAGER, number, patients)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def test_killed_in_the_middle_nothing_is_gone_and_the_second_try_ends_it_once(committed_db: str) -> None:
    person = old_chart()
    patients = identity.patients_of(SYSTEM, person)
    number = record.ask_to_destroy(ASKER, patients, "Its time is over.")
    before = rows("SELECT count(*) FROM record_version")
    dies = Keeper("dies", lambda cursor, going: "", _die)
    _killed_while_confirming(number, patients, lambda: declare_keeper(dies))
    assert rows("SELECT count(*) FROM record_version") == before and not rows("SELECT FROM record_tombstone")
    (letter,) = (row for row in record.documents(SYSTEM, patients).rows if row.type == "DocumentReference")
    found = record.document_file(SYSTEM, patients, "DocumentReference", letter.id, 0)
    assert found is not None and found.content == DATA
    record.confirm_destruction(MANAGER, number, patients)
    with pytest.raises(record.DocumentError, match="decided meanwhile"):
        record.confirm_destruction(MANAGER, number, patients)
    assert verify(processes=1).is_whole
    ((name,),) = rows("SELECT name FROM files_file")
    assert not store.path_of(name).exists()


def test_killed_after_the_decision_the_bytes_of_files_are_swept(committed_db: str) -> None:
    person = old_chart()
    patients = identity.patients_of(SYSTEM, person)
    number = record.ask_to_destroy(ASKER, patients, "Its time is over.")

    def prepare() -> None:
        store._remove_unkept = _die

    _killed_while_confirming(number, patients, prepare)
    assert [each.done for each in record.retention(SYSTEM, patients).asked] == [True]
    ((name, file),) = rows("SELECT name, id FROM files_file")
    with pytest.raises(files.FileMissing):
        files.read(file)
    assert store.path_of(name).exists()
    os.utime(store.path_of(name), (0, 0))
    files.sweep()
    assert not store.path_of(name).exists() and verify(processes=1).is_whole


def _until_waited_for() -> None:
    """Go on when another transaction waits for this one."""
    end = time.monotonic() + 60
    while not rows("SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"):
        assert time.monotonic() < end, "nobody waits for this transaction"
        time.sleep(0.01)


def _confirmed_beside(act: Callable[[], object], reached: threading.Event, number: int, patients: Any) -> None:
    """Confirm while ``act``, in a thread of its own, is where it says that it has ``reached``."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert reached.wait(60)
    record.confirm_destruction(MANAGER, number, patients)
    thread.join()
    assert not failed, failed


def test_a_chart_that_is_being_indexed_leaves_no_words(committed_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    person = old_chart()
    patients = identity.patients_of(SYSTEM, person)
    number = record.ask_to_destroy(ASKER, patients, "Its time is over.")
    index_all_anew()
    reached, stored = threading.Event(), indexing._stored

    def slow(*args: Any) -> Any:
        found = stored(*args)
        if not reached.is_set():
            reached.set()
            _until_waited_for()
        return found

    monkeypatch.setattr(indexing, "_stored", slow)
    _confirmed_beside(index_texts, reached, number, patients)
    assert not rows("SELECT FROM record_text WHERE patient = ANY(%s)", list(patients))
    assert rows("SELECT FROM record_text")
    assert index_texts() == 0


def test_a_file_that_another_chart_gets_meanwhile_stays(committed_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import base64

    person = old_chart()
    patients = identity.patients_of(SYSTEM, person)
    number = record.ask_to_destroy(ASKER, patients, "Its time is over.")
    reached, same = threading.Event(), store._same

    def slow(name: str, media_type: str) -> Any:
        found = same(name, media_type)
        assert found is not None
        reached.set()
        _until_waited_for()
        return found

    monkeypatch.setattr(store, "_same", slow)
    scan = {"contentType": "application/pdf", "data": base64.b64encode(DATA).decode()}
    again = bundle(
        {"resourceType": "Patient", "id": "x", "name": [{"family": "Xanthos", "given": ["Ada"]}]},
        {"resourceType": "DocumentReference", "id": "dx", "status": "current", "date": "2001-01-05T10:00:00Z",
         "subject": {"reference": "Patient/x"}, "content": [{"attachment": scan}]},
    )  # fmt: skip
    _confirmed_beside(lambda: send(again, "third"), reached, number, patients)
    (hit,) = identity.find(SYSTEM, "Xanthos")
    other = identity.patients_of(SYSTEM, hit.person)
    (letter,) = record.documents(SYSTEM, other).rows
    found = record.document_file(SYSTEM, other, "DocumentReference", letter.id, 0)
    assert found is not None and found.content == DATA
    assert [each.done for each in record.retention(SYSTEM, patients).asked] == [True]


def test_what_a_machine_reads_of_a_document_that_goes_meanwhile_is_not_kept(
    person: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = identity.patients_of(SYSTEM, person)
    (letter,) = (row for row in record.documents(SYSTEM, patients).rows if row.type == "DocumentReference")

    def pages_of(content: bytes, media_type: str) -> Iterator[str]:
        destroyed(person)
        yield "What stands on the page."

    monkeypatch.setattr(scanning, "read_pages", pages_of)
    monkeypatch.setattr(scanning, "text_of", lambda content, media_type: "")
    monkeypatch.setattr(scanning, "engine", lambda: "a reader")
    scanning.read_scan("DocumentReference", letter.id)
    assert not rows("SELECT FROM record_machine_text")
    assert not rows("SELECT FROM record_text_due")
