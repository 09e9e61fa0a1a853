"""Two people never take the same item, and one matter never becomes two items."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import psycopg
from django.db import connection
from django.test.utils import CaptureQueriesContext

from charthouse.foundation.access.api import AccessContext, Role, system_context
from charthouse.foundation.work import api as work


def together(count: int, act: Callable[[int], None]) -> None:
    """Run ``act`` in threads with connections of their own, begun at one moment; raises the first failure."""
    gate = threading.Barrier(count)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            connection.ensure_connection()
            gate.wait()
            act(number)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def person(number: int) -> AccessContext:
    return AccessContext(f"user:{number}", str(number), frozenset({Role.HIT}))


def new(queue: str, matter: object) -> work.NewItem:
    return work.NewItem(queue, work.Subject("message", str(matter)), "x", str(matter))


def test_everybody_takes_the_next_at_once(committed_db: str, queue: str) -> None:
    ids = work.open_items(new(queue, n) for n in range(60))
    taken: list[int] = []

    def act(number: int) -> None:
        while item := work.take_next(person(number), queue):
            assert item.owner == f"user:{number}"
            taken.append(item.id)

    together(6, act)
    assert Counter(taken) == Counter(ids)


def test_everybody_takes_the_same_one(committed_db: str, queue: str) -> None:
    (id,) = work.open_items([new(queue, "m")])
    results: list[str] = []

    def act(number: int) -> None:
        try:
            work.take(person(number), id)
            results.append("taken")
        except work.ItemInUse:
            results.append("refused")

    together(6, act)
    assert Counter(results) == {"taken": 1, "refused": 5}


def test_everybody_opens_the_same_matters(committed_db: str, queue: str) -> None:
    """In different orders, so that locks taken in the order given would deadlock."""

    def act(number: int) -> None:
        matters = list(range(40))
        if number % 2:
            matters.reverse()
        for _ in range(5):
            work.open_items(new(queue, n) for n in matters)

    together(4, act)
    ctx = system_context("test")
    (count,) = [each for each in work.counts(ctx) if each.queue.code == queue]
    assert count.open == 40
    assert all(
        [entry.action for entry in work.history(ctx, item.id)] == ["opened"]
        for item in work.items(ctx, queue, limit=100).items
    )


def plan_of(act: Callable[[], object], table: str) -> str:
    """The plan of the statement ``act`` runs against ``table``."""
    with CaptureQueriesContext(connection) as captured:
        act()
    (statement,) = [query["sql"] for query in captured if f"FROM {table}" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement.replace("%", "%%"))
        return "\n".join(line for (line,) in cursor)


def test_counts_and_the_next_item_read_only_their_index(committed_db: str, owner_conninfo: str, queue: str) -> None:
    """Ten times as many finished items lie beside."""
    work.open_items(new(queue, n) for n in range(5000))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE work_item SET state = 'finished' WHERE id % 10 <> 0")
    with psycopg.connect(owner_conninfo, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE work_item")
    ctx = person(1)
    plan = plan_of(lambda: work.take_next(ctx, queue), "work_item")
    assert ("work_item_offer" in plan or "work_item_list" in plan) and "Sort" not in plan
    assert "Index Only Scan using work_item_count" in plan_of(lambda: work.counts(ctx), "work_item")
    with connection.cursor() as cursor:  # at this small size sorting is as cheap; the index must give the order
        cursor.execute("SET enable_sort = off")
    listing = plan_of(lambda: work.items(ctx, queue), "work_item")
    assert "work_item_list" in listing and "Sort" not in listing


def test_two_technicians_over_a_queue_of_five_hundred_never_collide(committed_db: str, queue: str) -> None:
    ids = work.open_items(new(queue, n) for n in range(500))
    taken: dict[int, list[int]] = {0: [], 1: []}

    def act(number: int) -> None:
        while item := work.take_next(person(number), queue):
            taken[number].append(item.id)
            work.finish_item(person(number), item.id, "done")

    together(2, act)
    assert sorted(taken[0] + taken[1]) == sorted(ids)
    assert not set(taken[0]) & set(taken[1]) and all(taken.values())


def test_two_who_act_on_the_same_items_at_once_wait_for_each_other(committed_db: str, queue: str) -> None:
    """In opposite orders: what one has done is refused to the other, and nobody waits in a circle."""
    ids = work.open_items(new(queue, n) for n in range(40))
    done: dict[int, tuple[int, list[str]]] = {}

    def act(number: int) -> None:
        ctx = person(number)
        chosen = [(id, 1) for id in (reversed(ids) if number % 2 else ids)]
        done[number] = work.do_to_each(queue, chosen, lambda id, version: work.take(ctx, id, version=version))

    together(2, act)
    assert sorted(count for count, _ in done.values()) == [0, 40]
    assert sorted(len(refused) for _, refused in done.values()) == [0, 40]
