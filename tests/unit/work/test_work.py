"""Work items: opened once, offered in order, taken by one person, and everything that happens to them is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.foundation.ledger import api as ledger
from charthouse.foundation.work import api as work

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Open = Callable[..., int]


@pytest.fixture
def open_one(queue: str) -> Open:
    def open_one(matter: str = "m1", **given: object) -> int:
        return work.open_item(
            queue,
            subject=ledger.Subject("message", matter),
            reason=str(given.pop("reason", "No patient was found.")),
            dedupe=matter,
            **given,  # type: ignore[arg-type]
        )

    return open_one


def actions(ctx: AccessContext, id: int) -> list[str]:
    return [entry.action for entry in work.history(ctx, id)]


def test_an_item_says_why_under_which_rule_and_until_when(ann: AccessContext, open_one: Open) -> None:
    with clock.frozen(NOON):
        id = open_one(rule="CMS-482.24", due=NOON + timedelta(days=1), patient="p1", detail={"segment": "PID"})
    item = work.item(ann, id)
    assert (item.reason, item.rule, item.due) == ("No patient was found.", "CMS-482.24", NOON + timedelta(days=1))
    assert (item.subject.kind, item.subject.id, item.patient) == ("message", "m1", "p1")
    assert item.opened == NOON and item.opened_at > NOON
    assert item.state is work.ItemState.OPEN and item.detail == {"segment": "PID"}
    assert work.describe(ann, item) == "Message m1"


def test_one_matter_is_one_item_until_it_is_finished(ann: AccessContext, open_one: Open) -> None:
    first = open_one()
    assert open_one() == first
    assert work.item(ann, first).version == 1 and actions(ann, first) == ["opened"]
    work.finish_item(ann, first, "filed")
    again = open_one()
    assert again != first


def test_the_newest_reason_stands_and_the_owner_stays(ann: AccessContext, open_one: Open) -> None:
    id = open_one()
    work.take(ann, id)
    assert open_one(reason="Two patients were found.", priority=work.Priority.STAT) == id
    item = work.item(ann, id)
    assert (item.reason, item.priority, item.owner) == ("Two patients were found.", work.Priority.STAT, "user:ann")
    assert item.version == 3
    assert actions(ann, id) == ["opened", "take", "changed"]


def test_many_are_opened_in_one_statement(
    ann: AccessContext, queue: str, django_assert_num_queries: Callable[..., object]
) -> None:
    news = [work.NewItem(queue, work.Subject("message", str(n)), "x", f"m{n % 90}") for n in range(100)]
    with django_assert_num_queries(1):
        ids = work.open_items(news)
    assert len(ids) == 100 and len(set(ids)) == 90
    assert ids[5] == ids[95]
    assert work.item(ann, ids[5]).subject.id == "95", "the last word on a matter counts"


def test_what_waits_already_is_not_read_to_open_one_more(queue: str, open_one: Open) -> None:
    work.open_items(work.NewItem(queue, work.Subject("message", str(n)), "x", f"m{n}") for n in range(3_000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE work_item")

        def scans() -> int:
            cursor.execute("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'work_item'")
            return int(cursor.fetchone()[0])

        before = scans()
        open_one("m7", reason="Two patients were found.")
        open_one("new")
        assert scans() == before


def test_an_unknown_queue_and_a_naive_due_are_refused(open_one: Open) -> None:
    with pytest.raises(work.UnknownQueue, match="no queue 'nowhere'"):
        work.open_item("nowhere", subject=work.Subject("message", "1"), reason="x", dedupe="x")
    with pytest.raises(ValueError, match="time zone"):
        open_one(due=NOON.replace(tzinfo=None))


def test_only_the_queues_roles_see_and_work_it(coder: AccessContext, open_one: Open, queue: str) -> None:
    id = open_one()
    for attempt in (
        lambda: work.item(coder, id),
        lambda: work.items(coder, queue),
        lambda: work.history(coder, id),
        lambda: work.take(coder, id),
        lambda: work.take_next(coder, queue),
        lambda: work.release(coder, id),
        lambda: work.assign(coder, id, "user:coder"),
        lambda: work.hold(coder, id, "x"),
        lambda: work.resume(coder, id),
        lambda: work.finish_item(coder, id, "x"),
        lambda: work.reopen(coder, id, "x"),
        lambda: work.note(coder, id, "x"),
    ):
        with pytest.raises(PermissionRefused):
            attempt()
    assert queue not in {count.queue.code for count in work.counts(coder)}


def test_the_most_urgent_the_soonest_due_the_oldest_comes_next(
    ann: AccessContext, open_one: Open, queue: str
) -> None:
    late = open_one("no due")
    soon = open_one("due", due=NOON)
    later = open_one("due later", due=NOON + timedelta(hours=1))
    urgent = open_one("urgent", priority=work.Priority.URGENT)
    second = open_one("no due either")
    expected = [urgent, soon, later, late, second]
    assert [item.id for item in work.items(ann, queue).items] == expected
    taken = []
    while item := work.take_next(ann, queue):
        taken.append(item.id)
    assert taken == expected


def test_pages_follow_on_while_items_come_and_go(ann: AccessContext, open_one: Open, queue: str) -> None:
    ids = [open_one(f"a{n}", due=NOON if n % 2 else None) for n in range(10)]
    page = work.items(ann, queue, limit=3)
    work.finish_item(ann, page.items[-1].id, "gone")
    open_one("between", priority=work.Priority.STAT)
    seen = [item.id for item in page.items]
    while page.next:
        page = work.items(ann, queue, cursor=page.next, limit=3)
        seen.extend(item.id for item in page.items)
    assert sorted(seen) == sorted(ids)
    with pytest.raises(work.WorkError, match="first"):
        work.items(ann, queue, cursor="nonsense")


def test_filters(ann: AccessContext, bob: AccessContext, open_one: Open, queue: str) -> None:
    mine = open_one("mine", facility=1, patient="p1")
    other = open_one("other", facility=2, due=NOON)
    done = open_one("done")
    work.take(ann, mine)
    work.finish_item(bob, done, "x")

    def found(**filters: object) -> set[int]:
        return {item.id for item in work.items(ann, queue, work.Filters(**filters)).items}  # type: ignore[arg-type]

    assert found() == {mine, other}
    assert found(owner="user:ann") == {mine}
    assert found(facility=2) == {other}
    assert found(patient="p1") == {mine}
    assert found(due_before=NOON + timedelta(seconds=1)) == {other}
    assert found(states=(work.ItemState.FINISHED,)) == {done}
    assert found(subject_kind="message", subject_id="other") == {other}


def test_a_facilitys_staff_see_its_items_and_those_of_none(open_one: Open, queue: str) -> None:
    here = AccessContext("user:x", "x", frozenset({Role.HIT}), facilities=frozenset({1}))
    first, _elsewhere, nowhere = open_one("a", facility=1), open_one("b", facility=2), open_one("c")
    assert [item.id for item in work.items(here, queue).items] == [first, nowhere]
    (count,) = [each for each in work.counts(here) if each.queue.code == queue]
    assert count.open == 2
    assert [item.id for item in (work.take_next(here, queue), work.take_next(here, queue)) if item] == [
        first,
        nowhere,
    ]
    assert work.take_next(here, queue) is None


def test_anothers_item_is_left_alone(
    ann: AccessContext, bob: AccessContext, manager: AccessContext, open_one: Open
) -> None:
    id = open_one()
    work.take(ann, id)
    for attempt in (
        lambda: work.take(bob, id),
        lambda: work.release(bob, id),
        lambda: work.hold(bob, id, "x"),
        lambda: work.finish_item(bob, id, "x"),
        lambda: work.assign(bob, id, "user:bob"),
    ):
        with pytest.raises(work.ItemInUse, match="user:ann"):
            attempt()
    with pytest.raises(PermissionRefused):
        work.assign(bob, id, "user:carl")
    assert work.assign(manager, id, "user:bob", "Ann is ill").owner == "user:bob"
    assert work.finish_item(bob, id, "filed").outcome == "filed"
    assert actions(ann, id) == ["opened", "take", "assign", "finish"]


def test_a_stale_view_is_refused(ann: AccessContext, bob: AccessContext, open_one: Open) -> None:
    id = open_one()
    seen = work.item(ann, id).version
    work.take(bob, id)
    work.release(bob, id)
    with pytest.raises(work.ItemChanged):
        work.finish_item(ann, id, "filed", version=seen)


def test_a_hold_ends_by_itself_by_the_business_clock(ann: AccessContext, open_one: Open) -> None:
    owned, free = open_one("a"), open_one("b")
    work.take(ann, owned)
    with clock.frozen(NOON):
        with pytest.raises(work.WorkError, match="past"):
            work.hold(ann, owned, "awaiting the ward", NOON)
        work.hold(ann, owned, "awaiting the ward", NOON + timedelta(hours=2))
        work.hold(ann, free, "awaiting the ward", NOON + timedelta(hours=2))
        assert work.end_holds() == 0
    with clock.frozen(NOON + timedelta(hours=3)):
        assert work.end_holds() == 2
    assert work.item(ann, owned).state is work.ItemState.TAKEN
    assert work.item(ann, free).state is work.ItemState.OPEN
    assert actions(ann, owned)[-2:] == ["hold", "hold ended"]


def test_resume_reopen_and_note(ann: AccessContext, bob: AccessContext, open_one: Open) -> None:
    id = open_one()
    work.take(ann, id)
    work.hold(ann, id, "awaiting the ward")
    assert work.resume(ann, id).state is work.ItemState.TAKEN
    work.finish_item(ann, id, "filed")
    with pytest.raises(work.WorkError, match="finished already"):
        work.finish_item(ann, id, "filed")
    assert work.reopen(bob, id, "Filed under the wrong patient").state is work.ItemState.OPEN
    work.note(bob, id, "Called the ward")
    (*_, last) = work.history(bob, id)
    assert (last.actor, last.action, last.note) == ("user:bob", "note", "Called the ward")
    work.finish_item(bob, id, "filed")
    open_one()
    with pytest.raises(work.WorkError, match="same matter"):
        work.reopen(bob, id, "again")


def test_many_matters_are_settled_in_one_statement(ann: AccessContext, open_one: Open, queue: str) -> None:
    ids = {f"m{n}": open_one(f"m{n}") for n in range(3)}
    assert work.finish_many_by_dedupe(queue, ["m0", "m2", "m9"], "filed") == {"m0": ids["m0"], "m2": ids["m2"]}
    assert [item.id for item in work.items(ann, queue).items] == [ids["m1"]]
    assert actions(ann, ids["m0"]) == ["opened", "finished"]


def test_the_action_that_settles_a_matter_closes_its_item(ann: AccessContext, open_one: Open, queue: str) -> None:
    id = open_one()
    work.take(ann, id)
    assert work.finish_by_dedupe(queue, "m1", "filed") == id
    assert work.finish_by_dedupe(queue, "m1", "filed") is None
    assert work.item(ann, id).outcome == "filed"


def test_history_is_only_added_to(ann: AccessContext, open_one: Open) -> None:
    open_one()
    for statement in ("UPDATE work_history SET note = ''", "DELETE FROM work_history"):
        with (
            pytest.raises(DatabaseError, match="only added to"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_every_act_stands_in_the_ledger(ann: AccessContext, open_one: Open) -> None:
    id = open_one(patient="p1")
    work.take(ann, id)
    work.take(ann, id)
    work.finish_item(ann, id, "filed")
    lines = ledger.entries(system_context("test"), ledger.Filters(actor="user:ann")).lines
    assert [line.action for line in lines] == ["work.finish", "work.take"]
    subjects = {ledger.Subject("work-item", str(id)), ledger.Subject("patient", "p1")}
    assert all(set(line.subjects) == subjects for line in lines)


def test_counts(ann: AccessContext, bob: AccessContext, open_one: Open, queue: str) -> None:
    ids = [open_one(f"m{n}", due=NOON if n < 2 else None) for n in range(5)]
    work.take(ann, ids[0])
    work.take(bob, ids[2])
    work.hold(ann, ids[3], "x")
    work.finish_item(ann, ids[4], "x")
    (count,) = [each for each in work.counts(ann) if each.queue.code == queue]
    assert (count.open, count.taken, count.held, count.overdue, count.mine) == (1, 2, 1, 2, 1)
    assert count.unfinished == 4


def test_a_queue_is_declared_once() -> None:
    work.declare_queue("test-once", "Once", {Role.HIT})
    work.declare_queue("test-once", "Once", {Role.HIT})
    with pytest.raises(ValueError, match="twice"):
        work.declare_queue("test-once", "Once", {Role.CODER})


def test_a_missing_item_is_said_so() -> None:
    with pytest.raises(work.ItemNotFound, match="no work item 404"):
        work.item(system_context("test"), 404)
