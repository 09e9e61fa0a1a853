"""An update that speaks of somebody else is held, and decided; two persons in one record are parted, and that is
undone."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role
from charthouse.foundation.clock import wall
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


def test_an_update_of_somebody_else_is_held_that_comes_with_the_patient_itself(inbox: Any, make: Any) -> None:
    other = make.hl7("ADT^A31", control="M2", at="20260106080000")
    for before, after in ZELLER:
        other = other.replace(before, after)
    later = make.hl7("ADT^A08", control="M3", at="20260107080000")
    for each in (make.hl7("ADT^A01", control="M1"), other, later):
        inbox.take(each, file=False)
    states = [each.state for each in inbox.file_waiting()]
    assert states == [MessageState.FILED, MessageState.UNFILED, MessageState.FILED]
    assert names(inbox) == ["Marsh"]
    assert len(inbox.items(QUEUE)) == 1


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
    (one,), _ = charts
    person = identity.persons_of([one])[one]
    assert [each.in_force for each in identity.apart_of(make.technician(), person)] == [True]


def test_who_was_parted_from_a_number_gets_what_comes_later_by_it(inbox: Any, make: Any, send: Send) -> None:
    send("A01", visit="V100")
    first = send("A01", other=True, at="20260106080000", visit="V200")
    row = patient_row(inbox)
    decide_overlay(make.technician(), row, first.receipt.message, same=False, reason="Wrong number.")
    later = send("A03", other=True, at="20260108080000", visit="V200")
    assert later.result.state is MessageState.FILED
    assert send("A08", at="20260109080000", visit="V100").result.state is MessageState.FILED
    assert sorted(names(inbox)) == ["Marsh", "Zeller"] and inbox.items(QUEUE) == []
    (_,), (other,) = inbox.charts()
    (visit,) = record.encounters(make.system, [other]).rows
    assert (visit.number, visit.status) == ("V200", "finished")
    lines = identity.decided_updates(make.technician(), identity.persons_of([other])[other])
    assert [(each.message, each.same) for each in lines] == [
        (later.receipt.message, False),
        (first.receipt.message, False),
    ]
    assert "found to be used for another person" in lines[0].reason
    (entry,) = entries(make.system, Filters(action="identity.follow-parting")).lines
    assert entry.actor == "system:identity"


def test_in_one_delivery_each_goes_to_its_own(inbox: Any, make: Any, send: Send) -> None:
    send("A01", visit="V100")
    first = send("A01", other=True, at="20260106080000", visit="V200")
    decide_overlay(make.technician(), patient_row(inbox), first.receipt.message, same=False, reason="x")
    marsh = make.hl7("ADT^A08", control="Z1", at="20260107080000", visit="V100")
    zeller = make.hl7("ADT^A03", control="Z2", at="20260108080000", visit="V200")
    for before, after in ZELLER:
        zeller = zeller.replace(before, after)
    inbox.take(marsh, file=False)
    inbox.take(zeller, file=False)
    inbox.take(marsh.replace(b"Z1", b"Z3"), file=False)
    assert {each.state for each in inbox.file_waiting()} == {MessageState.FILED}
    assert sorted(names(inbox)) == ["Marsh", "Zeller"]
    _everything_is_somebodys(inbox)


@pytest.mark.parametrize(
    "changes",
    [
        ((b"19610417|F", b"19470806|M"), (b"Marsh^Ida", b"Zeller^Otto")),
        ((b"19610417|F", b"19330102|M"), (b"Marsh^Ida", b"Zeller^Emil")),
    ],
    ids=["another day of birth", "another given name"],
)
def test_where_it_is_not_clear_somebody_is_asked(
    inbox: Any, make: Any, send: Send, changes: tuple[tuple[bytes, bytes], ...]
) -> None:
    send("A01", visit="V100")
    first = send("A01", other=True, at="20260106080000", visit="V200")
    row = patient_row(inbox)
    decide_overlay(make.technician(), row, first.receipt.message, same=False, reason="x")
    data = make.hl7("ADT^A08", control="Q1", at="20260108080000", visit="V200")
    for before, after in changes:
        assert before in data
        data = data.replace(before, after)
    taken = inbox.take_one(data)
    assert taken.result.state is MessageState.UNFILED and len(inbox.items(QUEUE)) == 1
    item = inbox.one("SELECT id FROM work_item WHERE queue = %s AND state <> 'finished'", QUEUE)
    held = identity.held_of_item(make.technician(), item)
    assert held is not None
    (_,), (other,) = inbox.charts()
    ((parted, _),) = held.parted
    assert parted.patient == other
    message = taken.receipt.message
    decide_overlay(make.technician(), row, message, same=False, reason="The same again.", parted=parted.public_id)
    assert [len(each) for each in inbox.charts()] == [1, 1] and inbox.items(QUEUE) == []


def test_a_third_person_by_the_number_is_asked_about(inbox: Any, make: Any, send: Send) -> None:
    send("A01", visit="V100")
    first = send("A01", other=True, at="20260106080000", visit="V200")
    decide_overlay(make.technician(), patient_row(inbox), first.receipt.message, same=False, reason="x")
    data = make.hl7("ADT^A01", control="Q1", at="20260108080000", visit="V300", name="Quill^Ada")
    assert inbox.take_one(data.replace(b"19610417|F", b"19550505|F")).result.state is MessageState.UNFILED
    assert len(inbox.items(QUEUE)) == 1 and sorted(names(inbox)) == ["Marsh", "Zeller"]


def test_once_they_were_found_to_be_one_nobody_is_parted(inbox: Any, make: Any, send: Send) -> None:
    send("A01", visit="V100")
    first = send("A01", other=True, at="20260106080000", visit="V200")
    ctx, row = make.technician(), patient_row(inbox)
    decide_overlay(ctx, row, first.receipt.message, same=False, reason="x")
    (one,), (other,) = inbox.charts()
    identity.revoke_apart(ctx, one, other, "She was he.")
    identity.link(ctx, one, other, "One person.")
    assert send("A08", other=True, at="20260108080000", visit="V200").result.state is MessageState.UNFILED
    assert len(inbox.items(QUEUE)) == 1


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


MANAGER = AccessContext("user:6", "C. Obi", frozenset({Role.MANAGER, Role.HIT}))


def matters(chart: Sequence[int]) -> list[str]:
    """What holds a chart."""
    return sorted(each.matter for each in record.retention(MANAGER, chart).holds if each.holds)


def test_what_holds_a_chart_holds_both_sides_of_a_split(inbox: Any, make: Any, overlaid: int) -> None:
    whole, lifted = "Marsh v. Northfield", "Audit of 2019"
    record.set_hold(MANAGER, [overlaid], whole)
    record.lift_hold(MANAGER, record.set_hold(MANAGER, [overlaid], lifted), "The audit is over.")
    decision = split_as_proposed(make.technician(), overlaid)
    one, other = inbox.charts()
    assert matters(one) == matters(other) == [whole]
    with pytest.raises(record.DocumentError, match="legal hold"):
        record.ask_to_destroy(MANAGER, other, "Its time is over.")
    # Lifted on one side it still holds the other.
    (hold,) = (each for each in record.retention(MANAGER, other).holds if each.holds)
    assert hold.name == "C. Obi"
    record.lift_hold(MANAGER, hold.id, "Not this person's matter.")
    assert (matters(one), matters(other)) == ([whole], [])
    identity.undo(make.technician(), decision, "One person with two names.")
    assert [matters(chart) for chart in inbox.charts()] == [[whole]]


def test_a_hold_is_kept_at_a_merge_and_on_both_sides_when_it_is_undone(
    inbox: Any, make: Any, overlaid: int
) -> None:
    identity.split(make.technician(), overlaid, stays=1, goes=2, items=[], reason="Two.", apart=False)
    (one, other), before, since = inbox.charts(), "Before", "Since"
    record.set_hold(MANAGER, one, before)
    persons = identity.persons_of([*one, *other])
    decision = identity.merge(make.technician(), persons[one[0]], persons[other[0]], "Both cards seen.")
    (both,) = inbox.charts()
    assert matters(both) == [before]
    record.set_hold(MANAGER, both, since)
    identity.undo(make.technician(), decision, "They are two.")
    assert (matters(one), matters(other)) == ([before, since], [since])
    assert len(inbox.charts()) == 2


def test_a_record_that_is_taken_away_from_a_held_person_stays_held(inbox: Any, make: Any, overlaid: int) -> None:
    identity.split(make.technician(), overlaid, stays=1, goes=2, items=[], reason="Two.", apart=False)
    one, other = inbox.charts()
    persons = identity.persons_of([*one, *other])
    identity.merge(make.technician(), persons[one[0]], persons[other[0]], "Both cards seen.")
    record.set_hold(MANAGER, [*one, *other], "Case 7")
    identity.unlink(make.technician(), other[0], "Somebody else's.")
    assert matters(one) == matters(other) == ["Case 7"]


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
    assert again.result.state is MessageState.FILED and inbox.items(QUEUE) == []
    assert [len(record.encounters(make.system, each).rows) for each in inbox.charts()] == [1, 2]
    identity.undo(make.technician(), decision, "One person.")
    (chart,) = inbox.charts()
    assert len(record.encounters(make.system, chart).rows) == 3
    # Parted no more, each later update is asked about again.
    assert send("A08", at="20260307080000", visit="V100").result.state is MessageState.UNFILED
    assert send("A08", other=True, at="20260308080000", visit="V300").result.state is MessageState.FILED
    assert len(inbox.charts()) == 1


def test_what_was_held_before_the_two_were_parted_is_filed_when_it_is_tried_again(
    inbox: Any, make: Any, send: Send, overlaid: int
) -> None:
    # The record says Zeller now: what comes of Marsh is held.
    held = send("A08", at="20260208080000", visit="V100")
    assert held.result.state is MessageState.UNFILED and len(inbox.items(QUEUE)) == 1
    split_as_proposed(make.technician(), overlaid)
    retry_message(make.technician(), held.receipt.message)
    assert inbox.state(held.receipt.message) == "filed" and inbox.items(QUEUE) == []


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    before=st.lists(st.booleans(), max_size=2),
    after=st.lists(st.booleans(), min_size=1, max_size=4),
    undo=st.booleans(),
)
def test_whoever_comes_by_a_parted_number_nothing_is_mixed_and_nothing_lost(
    inbox: Any, make: Any, send: Send, overlaid: int, before: list[bool], after: list[bool], undo: bool
) -> None:
    with transaction.atomic():
        sent = {False: 1, True: 1}

        def visit(other: bool) -> None:
            number = sum(sent.values())
            day = f"2026{4 + number // 28:02}{1 + number % 28:02}080000"
            taken = send("A01", other=other, visit=f"W{number}", at=day)
            assert taken.result.state is MessageState.FILED
            sent[other] += 1

        for other in before:
            if other:
                visit(other)
        decision = split_as_proposed(make.technician(), overlaid)
        for other in after:
            visit(other)
        _everything_is_somebodys(inbox)
        found = [
            (record.chart_summary(make.system, each).name, len(record.encounters(make.system, each).rows))
            for each in inbox.charts()
        ]
        assert found == [("Marsh, Ida", sent[False]), ("Zeller, Otto", sent[True])]
        if undo:
            identity.undo(make.technician(), decision, "x")
            (chart,) = inbox.charts()
            assert len(record.encounters(make.system, chart).rows) == sum(sent.values())
            _everything_is_somebodys(inbox)
        assert inbox.items(QUEUE) == []
        transaction.set_rollback(True)


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
    from charthouse.completion.models import Chart, ChartFacts
    from charthouse.foundation.tables import following

    dft = make.hl7("DFT^P03", "FT1|1|||20260105||CG|ROOM", visit="V100")
    assert inbox.take_one(dft).result.state is MessageState.FILED
    row = patient_row(inbox)
    other = dft.replace(b"V100", b"V200")
    for before, after in ZELLER:
        other = other.replace(before, after)
    message = inbox.take_one(other).receipt.message
    decide_overlay(make.technician(), row, message, same=True, reason="x")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, public_id, patient FROM record_resource WHERE type = %s", [record.TYPE_ID["Encounter"]]
        )
        for encounter, public_id, patient in cursor.fetchall():
            Chart.objects.create(
                encounter=encounter, encounter_id=public_id, patient=patient, kind="inpatient", state="complete",
                since=wall(), analysed_at=wall(), rules=0,
            )  # fmt: skip
            ChartFacts.objects.create(encounter=encounter, patient=patient)
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
