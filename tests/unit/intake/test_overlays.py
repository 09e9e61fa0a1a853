"""An update that speaks of somebody else is held, and decided; two persons in one record are parted, and that is
undone."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role
from charthouse.foundation.ledger.api import Filters, entries
from charthouse.identity import api as identity
from charthouse.intake.api import decide_overlay, refuse_message, retry_message
from charthouse.intake.models import MessageState
from charthouse.record import api as record
from tests.support.threads import together

QUEUE = identity.SUSPECTED_OVERLAYS
ZELLER = (b"Marsh^Ida", b"Zeller^Otto"), (b"19610417|F", b"19330102|M"), (b"12 Alder", b"7 Quarry")
Send = Callable[..., Any]


@pytest.fixture
def send(inbox: Any, make: Any) -> Send:
    """Marsh, or with ``other`` quite somebody else, under the same number."""
    count = 0

    def send(event: str, *, other: bool = False, **more: Any) -> Any:
        nonlocal count
        count += 1
        data = make.hl7(f"ADT^{event}", control=f"M{count}", **more)
        for before, after in ZELLER if other else ():
            assert before in data or before == b"12 Alder", data
            data = data.replace(before, after)
        return inbox.take_one(data)

    return send


def patient_row(inbox: Any) -> int:
    return int(inbox.one("SELECT min(patient) FROM identity_source_patient"))


def names(inbox: Any) -> list[str]:
    return [each["name"][0]["family"] for each in inbox.all_of("Patient")]


def test_an_update_of_somebody_else_overwrites_nothing(inbox: Any, make: Any, send: Send) -> None:
    send("A01")
    taken = send("A08", other=True, at="20260106080000")
    assert taken.result.state is MessageState.UNFILED
    assert names(inbox) == ["Marsh"]
    assert {code for code, _ in inbox.problems(taken.receipt.message)} == {"suspected-overlay"}
    assert inbox.items() == [], "it waits in one queue, not in two"
    ((subject, reason),) = inbox.items(QUEUE)
    assert subject == inbox.only("Patient")["id"] and "somebody else" in reason


def test_the_same_person_after_all_is_applied_with_what_waited_behind_it(inbox: Any, make: Any, send: Send) -> None:
    send("A01")
    first = send("A08", other=True, at="20260106080000")
    second = send("A03", other=True, at="20260107080000")
    assert second.result.state is MessageState.UNFILED
    assert len(inbox.items(QUEUE)) == 1
    row = patient_row(inbox)
    assert decide_overlay(make.technician(), row, first.receipt.message, same=True, reason="Adopted.") == []
    assert names(inbox) == ["Zeller"]
    assert inbox.state(second.receipt.message) == "filed"
    assert inbox.items(QUEUE) == [] == inbox.items()
    (entry,) = entries(make.system, Filters(action="identity.decide-overlay")).lines
    assert entry.actor == make.technician().actor and entry.detail["same"] is True


def test_another_person_gets_a_chart_of_their_own(inbox: Any, make: Any, send: Send) -> None:
    send("A01", visit="V100")
    first = send("A01", other=True, at="20260106080000", visit="V200")
    second = send("A03", other=True, at="20260107080000", visit="V200")
    row = patient_row(inbox)
    assert decide_overlay(make.technician(), row, first.receipt.message, same=False, reason="Wrong number.") == []
    assert sorted(names(inbox)) == ["Marsh", "Zeller"]
    assert inbox.state(second.receipt.message) == "filed", "what speaks of the same other person goes with it"
    assert inbox.items(QUEUE) == []
    charts = inbox.charts()
    assert [len(each) for each in charts] == [1, 1]
    found = [
        (
            record.chart_summary(make.system, each).name,
            [e.number for e in record.encounters(make.system, each).rows],
        )
        for each in charts
    ]
    assert found == [("Marsh, Ida", ["V100"]), ("Zeller, Otto", ["V200"])]
    (one,), (other,) = charts
    person = identity.persons_of([one])[one]
    assert [each.in_force for each in identity.apart_of(make.technician(), person)] == [True]
    again = send("A08", other=True, at="20260108080000", visit="V200")
    assert again.result.state is MessageState.UNFILED
    item = inbox.one("SELECT id FROM work_item WHERE queue = %s AND state <> 'finished'", QUEUE)
    held = identity.held_of_item(make.technician(), item)
    assert held is not None
    ((parted, agreement),) = held.parted
    assert parted.patient == other and agreement > 0
    decide_overlay(
        make.technician(), row, again.receipt.message, same=False, reason="The same again.", parted=parted.public_id
    )
    assert [len(each) for each in inbox.charts()] == [1, 1]


def test_who_may_decide_and_what_was_decided_meanwhile(inbox: Any, make: Any, send: Send) -> None:
    send("A01")
    message = send("A08", other=True, at="20260106080000").receipt.message
    row = patient_row(inbox)
    with pytest.raises(PermissionRefused):
        decide_overlay(
            AccessContext("user:9", "x", frozenset({Role.COORDINATOR})), row, message, same=True, reason="x"
        )
    with pytest.raises(identity.CannotDecide, match="Say why"):
        decide_overlay(make.technician(), row, message, same=True, reason=" ")
    decide_overlay(make.technician(), row, message, same=True, reason="x")
    with pytest.raises(identity.CannotDecide, match="meanwhile"):
        decide_overlay(make.technician(), row, message, same=False, reason="x")


def test_a_held_message_that_is_tried_again_is_held_again_and_one_refused_is_let_go(
    inbox: Any, make: Any, send: Send
) -> None:
    send("A01")
    message = send("A08", other=True, at="20260106080000").receipt.message
    retry_message(make.technician(), message)
    assert names(inbox) == ["Marsh"] and len(inbox.items(QUEUE)) == 1
    refuse_message(make.technician(), message, "Sent by mistake.")
    assert inbox.items(QUEUE) == []


def test_in_a_bundle_only_that_patient_is_held(inbox: Any, make: Any) -> None:
    inbox.take_one(make.bundle("collection", make.patient("p1"), make.patient("p2", "Quill", "Ada")), sender="S")
    other = make.patient("p1", "Zeller", "Otto", birthDate="1933-01-02", gender="male")
    taken = inbox.take_one(
        make.bundle("collection", other, make.observation("o1"), make.observation("o2", "Patient/p2")), sender="S"
    )
    assert taken.result.state is MessageState.PARTLY
    assert sorted(names(inbox)) == ["Marsh", "Quill"]
    assert [each["subject"] for each in inbox.all_of("Observation")] == [
        {"reference": f"Patient/{each['id']}"}
        for each in inbox.all_of("Patient")
        if each["name"][0]["family"] == "Quill"
    ]
    row = patient_row(inbox)
    assert decide_overlay(make.technician(), row, taken.receipt.message, same=False, reason="x") == []
    assert len(inbox.all_of("Observation")) == 2 and len(inbox.all_of("Patient")) == 3
    assert inbox.state(taken.receipt.message) == "filed"


def test_what_was_entered_here_by_hand_is_not_suspected(inbox: Any, make: Any, send: Send) -> None:
    from charthouse.intake.api import OWN_DESK, RECORD_ID, Connector, take_in

    send("A01")
    found = inbox.only("Patient")
    corrected = {**found, "id": f"{RECORD_ID}{found['id']}", "birthDate": "1933-01-02", "gender": "male",
                 "name": [{"family": "Zeller", "given": ["Otto"]}]}  # fmt: skip
    import orjson

    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": corrected}]}
    (taken,) = take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FORM, sender=OWN_DESK)
    assert taken.result is not None and taken.result.state is MessageState.FILED
    assert names(inbox) == ["Zeller"]


# Splits


@pytest.fixture
def overlaid(inbox: Any, make: Any, send: Send) -> int:
    """A record with two visits, the second of somebody else whose update somebody let pass; returns its row."""
    send("A01", visit="V100")
    send("A03", visit="V100", at="20260105180000")
    first = send("A01", other=True, at="20260206080000", visit="V200")
    row = patient_row(inbox)
    decide_overlay(make.technician(), row, first.receipt.message, same=True, reason="Looked alike.")
    send("A03", other=True, at="20260207080000", visit="V200")
    assert names(inbox) == ["Zeller"] and inbox.items(QUEUE) == []
    return row


def split_as_proposed(ctx: AccessContext, row: int) -> int:
    bench = identity.workbench(ctx, row)
    assert bench is not None and bench.goes is not None
    items = [(each.item.type, each.item.id) for each in bench.items if each.side is identity.Side.GOES]
    return identity.split(ctx, row, stays=bench.stays, goes=bench.goes, items=items, reason="Two passports.")


def test_the_workbench_tells_who_is_who(inbox: Any, make: Any, overlaid: int) -> None:
    bench = identity.workbench(make.technician(), overlaid)
    assert bench is not None and bench.suspected
    assert [each.display.family for each in bench.versions] == ["Marsh", "Zeller"]
    assert [each.judged.side for each in bench.versions] == ["stays", "goes"]
    assert bench.versions[0].score is None and bench.versions[1].score.weight < 0
    assert {each.field for each in bench.versions[1].changed} >= {"Name", "Birth date", "Sex"}
    sides = {each.item.title: each.side for each in bench.items if each.item.type == "Encounter"}
    assert len([each for each in bench.items if each.item.type == "Encounter"]) == 2
    assert sorted(each.side for each in bench.items if each.item.type == "Encounter") == ["goes", "stays"], sides
    with pytest.raises(PermissionRefused):
        identity.workbench(AccessContext("user:9", "x", frozenset({Role.COORDINATOR})), overlaid)
    assert identity.workbench(make.technician(), 4711) is None


def test_a_split_makes_two_true_charts(inbox: Any, make: Any, overlaid: int) -> None:
    decision = split_as_proposed(make.technician(), overlaid)
    charts = inbox.charts()
    found = [
        (record.chart_summary(make.system, each).name, record.chart_summary(make.system, each).mrns,
         [e.number for e in record.encounters(make.system, each).rows])
        for each in charts
    ]  # fmt: skip
    assert [(name, numbers) for name, _, numbers in found] == [("Marsh, Ida", ["V100"]), ("Zeller, Otto", ["V200"])]
    assert found[0][1] and not found[1][1], "the number stays with who was there first"
    moved = next(each for each in inbox.all_of("Encounter") if each["identifier"][0]["value"] == "V200")
    (_,), (other,) = charts
    assert moved["subject"]["reference"] == f"Patient/{_public(inbox, other)}"
    first, *_, last = inbox.versions("Encounter", moved["id"])[::-1]
    assert first.resource["subject"] != last.resource["subject"], "the version that named the first is kept"
    assert (last.message, last.original) == (inbox.versions("Encounter", moved["id"])[1].message,
                                             inbox.versions("Encounter", moved["id"])[1].original)  # fmt: skip
    hits = [hit.name for hit in identity.find(make.technician(), "marsh")]
    assert hits == ["Marsh, Ida"] and [hit.name for hit in identity.find(make.technician(), "zeller")] == [
        "Zeller, Otto"
    ]
    (entry,) = entries(make.system, Filters(action="identity.split")).lines
    assert entry.detail["decision"] == decision and entry.actor == make.technician().actor
    found_by_search = record.search(make.system, "Encounter", [("subject", f"Patient/{_public(inbox, other)}")])
    assert [each.public_id for each in found_by_search.rows] == [moved["id"]]


def _public(inbox: Any, row: int) -> str:
    return str(inbox.one("SELECT public_id FROM identity_source_patient WHERE patient = %s", row))


def contents(inbox: Any) -> dict[tuple[str, str], Any]:
    """Everything that stands, by type and id, and whose it is."""
    found = {}
    for kind in record.TYPE_ID:
        for each in inbox.all_of(kind):
            owner = inbox.one(
                "SELECT patient FROM record_resource WHERE type = %s AND public_id = %s",
                record.TYPE_ID[kind],
                each["id"],
            )
            found[(kind, each["id"])] = (owner, each)
    return found


def test_a_split_is_undone_to_what_was_there(inbox: Any, make: Any, overlaid: int) -> None:
    before = contents(inbox)
    traits = inbox.rows("SELECT * FROM identity_traits")
    decision = split_as_proposed(make.technician(), overlaid)
    assert contents(inbox) != before
    identity.undo(make.technician(), decision, "One person with two names.")
    assert contents(inbox) == before
    assert inbox.rows("SELECT * FROM identity_traits WHERE patient = %s", overlaid) == traits
    assert len(inbox.charts()) == 1
    assert record.chart_summary(make.system, inbox.charts()[0]).name == "Zeller, Otto"
    with pytest.raises(identity.CannotDecide, match="undone before"):
        identity.undo(make.technician(), decision, "x")
    assert [
        each.in_force for each in identity.apart_of(make.technician(), identity.persons_of([overlaid])[overlaid])
    ] == [False, False]


def test_what_was_filed_since_comes_back_too(inbox: Any, make: Any, send: Send, overlaid: int) -> None:
    decision = split_as_proposed(make.technician(), overlaid)
    again = send("A01", other=True, at="20260306080000", visit="V300")
    item = inbox.one("SELECT id FROM work_item WHERE queue = %s AND state <> 'finished'", QUEUE)
    held = identity.held_of_item(make.technician(), item)
    assert held is not None
    ((parted, _),) = held.parted
    decide_overlay(
        make.technician(), overlaid, again.receipt.message, same=False, reason="x", parted=parted.public_id
    )
    assert [len(record.encounters(make.system, each).rows) for each in inbox.charts()] == [1, 2]
    identity.undo(make.technician(), decision, "One person.")
    (chart,) = inbox.charts()
    assert len(record.encounters(make.system, chart).rows) == 3


def test_what_cannot_be_split_is_refused_and_nothing_lost(inbox: Any, make: Any, overlaid: int) -> None:
    before = contents(inbox)
    ctx = make.technician()
    for stays, goes, items, words in (
        (1, 1, [], "one version"),
        (1, 9, [], "one version"),
        (1, 2, [("Encounter", "nowhere")], "not this patient's"),
    ):
        with pytest.raises(identity.CannotDecide, match=words):
            identity.split(ctx, overlaid, stays=stays, goes=goes, items=items, reason="x")
    with pytest.raises(identity.CannotDecide, match="Say why"):
        identity.split(ctx, overlaid, stays=1, goes=2, items=[], reason="")
    with pytest.raises(PermissionRefused):
        identity.split(
            AccessContext("user:9", "x", frozenset({Role.COORDINATOR})),
            overlaid,
            stays=1,
            goes=2,
            items=[],
            reason="x",
        )
    assert contents(inbox) == before


def test_every_table_that_patients_own_says_what_a_split_does_to_it() -> None:
    from charthouse.foundation.tables import TableClass, declared, split_of

    silent = [
        model.__name__ for model, kind in declared() if kind is TableClass.PATIENT and split_of(model) is None
    ]
    assert silent == []


def test_rows_that_follow_a_resource_go_with_it(inbox: Any, make: Any) -> None:
    """No row that patients own names a patient who does not have its resource."""
    from charthouse.foundation.tables import following

    dft = make.hl7("DFT^P03", "FT1|1|||20260105||CG|ROOM", visit="V100")
    assert inbox.take_one(dft).result.state is MessageState.FILED
    row = patient_row(inbox)
    other = dft.replace(b"V100", b"V200")
    for before, after in ZELLER:
        other = other.replace(before, after)
    message = inbox.take_one(other).receipt.message
    decide_overlay(make.technician(), row, message, same=True, reason="x")
    split_as_proposed(make.technician(), row)
    tables = list(following())
    assert tables
    with connection.cursor() as cursor:
        for table, follows in tables:
            cursor.execute(
                f"SELECT count(*), count(*) FILTER (WHERE r.patient = t.{follows.patient}) FROM {table} t"
                f" JOIN record_resource r ON r.type = %s AND r.id = t.{follows.resource}",
                [record.TYPE_ID[follows.type]],
            )
            every, agree = cursor.fetchone()
            assert every and every == agree, table


# Races


def _everything_is_somebodys(inbox: Any) -> None:
    """Every resource names, in itself, the patient whose it is."""
    for kind in ("Encounter", "Observation"):
        for each in inbox.all_of(kind):
            owner = inbox.one(
                "SELECT p.public_id FROM record_resource r JOIN record_resource p ON p.id = r.patient"
                " AND p.type = %s WHERE r.type = %s AND r.public_id = %s",
                record.TYPE_ID["Patient"], record.TYPE_ID[kind], each["id"],
            )  # fmt: skip
            assert each["subject"]["reference"] == f"Patient/{owner}"


def test_a_split_beside_a_message_about_what_goes(committed_db: str, make: Any) -> None:
    with connection.cursor() as cursor:
        inbox = make.inbox(cursor)
        for turn in range(4):
            number, visit = f"10{turn}", f"V1{turn}"
            base = make.hl7("ADT^A01", control=f"A{turn}", mrn=number, visit=visit, name=f"Marsh{turn}^Ida")
            inbox.take_one(base)
            other = make.hl7("ADT^A01", control=f"B{turn}", mrn=f"10{turn}", visit=f"V2{turn}", at="20260206080000")
            for before, after in ZELLER:
                other = other.replace(before, after)
            message = inbox.take_one(other).receipt.message
            row = inbox.one("SELECT max(patient) FROM identity_source_patient")
            decide_overlay(make.technician(), row, message, same=True, reason="x")
            leaving = other.replace(b"A01", b"A03").replace(f"B{turn}".encode(), f"C{turn}".encode())
            split, leave = partial(split_as_proposed, make.technician(), row), partial(inbox_of, leaving)
            assert together([split, leave]) == {"done": 2}
            _everything_is_somebodys(inbox)
            last = inbox.one("SELECT state FROM intake_message ORDER BY id DESC LIMIT 1")
            # First it is filed and goes along; later it names who has the visit no more, and is said so.
            assert last in {"filed", "unfiled"}


def inbox_of(data: bytes) -> None:
    """Take a message in over a connection of one's own."""
    from charthouse.intake.api import Connector, take_in

    list(take_in(io.BytesIO(data), connector=Connector.FILES))


def test_two_decide_about_one_held_update(committed_db: str, make: Any) -> None:
    with connection.cursor() as cursor:
        inbox = make.inbox(cursor)
        inbox.take_one(make.hl7("ADT^A01", control="1"))
        other = make.hl7("ADT^A08", control="2", at="20260206080000")
        for before, after in ZELLER:
            other = other.replace(before, after)
        message = inbox.take_one(other).receipt.message
        row = patient_row(inbox)
        decide = partial(decide_overlay, make.technician(), row, message)
        answers = [(True, "x"), (False, "y"), (False, "z")]
        found = together([partial(decide, same=same, reason=why) for same, why in answers])
        assert found == {"CannotDecide": 2, "done": 1}
        assert sorted(names(inbox)) in (["Zeller"], ["Marsh", "Zeller"])
        assert inbox.items(QUEUE) == [] and inbox.state(message) == "filed"
