"""An event that cannot be handled holds up its own key and no other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.db import IntegrityError, connection, transaction

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role, system_context
from charthouse.foundation.events import api as events
from charthouse.foundation.work import api as work

CTX = system_context("test")


class Picky:
    """Refuses events whose payload says so."""

    def __init__(self, attempts: int = 2) -> None:
        self.bad: set[int] = set()
        self.done: list[tuple[str, int]] = []
        self.consumer = events.Consumer("picky", ("test.news",), self.handle, attempts=attempts)

    def handle(self, batch: Sequence[events.Event]) -> None:
        for event in batch:
            if event.payload["n"] in self.bad:
                raise ValueError("Jane Roe cannot be handled")
        self.done.extend((event.key, event.payload["n"]) for event in batch)


def tell(*news: tuple[str, int]) -> None:
    with transaction.atomic():
        events.append_many(events.NewEvent("test.news", key, {"n": n}) for key, n in news)


def hurry() -> None:
    """Let the pause of every failing event be over."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_parked SET next_try = now() - interval '1 s' WHERE state = 'failing'")


def run_out(picky: Picky) -> None:
    for _ in range(picky.consumer.attempts + 1):
        hurry()
        events.drain(picky.consumer)


def test_others_go_on_and_the_same_key_waits(committed_db: str) -> None:
    picky = Picky()
    picky.bad = {2}
    tell(("a", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5))
    events.drain(picky.consumer)
    assert picky.done == [("a", 1), ("b", 3), ("b", 5)]
    tell(("a", 6), ("b", 7))
    events.drain(picky.consumer)
    assert picky.done[3:] == [("b", 7)]
    states = [(each.event.payload["n"], each.state) for each in events.parked(states=tuple(events.State))]
    assert states == [(2, "failing"), (4, "waiting"), (6, "waiting")]


def test_a_cause_that_passes_leaves_the_order_whole(committed_db: str) -> None:
    picky = Picky(attempts=5)
    picky.bad = {1}
    tell(("a", 1), ("a", 2), ("a", 3))
    events.drain(picky.consumer)
    picky.bad = set()
    hurry()
    events.drain(picky.consumer)
    assert picky.done == [("a", 1), ("a", 2), ("a", 3)]
    assert not events.parked(states=tuple(events.State))
    tell(("a", 4))
    events.drain(picky.consumer)
    assert picky.done[-1] == ("a", 4)


def test_parked_after_its_attempts_with_work_for_a_person_and_without_data(committed_db: str) -> None:
    picky = Picky(attempts=2)
    picky.bad = {1}
    tell(("a", 1), ("a", 2))
    run_out(picky)
    (aside,) = events.parked("picky")
    assert (aside.attempts, aside.event.payload["n"]) == (2, 1)
    assert "ValueError" in aside.error and "Jane" not in aside.error
    (item,) = work.items(CTX, work.MACHINERY_QUEUE).items
    assert item.subject.id == str(aside.event.id)
    assert "Jane" not in item.reason and "Jane" not in str(item.detail)

    picky.bad = set()
    events.retry(CTX, aside.id)
    events.drain(picky.consumer)
    assert picky.done == [("a", 1), ("a", 2)]
    assert work.items(CTX, work.MACHINERY_QUEUE).items == ()
    assert work.item(CTX, item.id).outcome == "handled"


def test_discarding_lets_the_next_go(committed_db: str) -> None:
    picky = Picky(attempts=1)
    picky.bad = {1}
    tell(("a", 1), ("a", 2))
    events.drain(picky.consumer)
    (aside,) = events.parked()
    with pytest.raises(ValueError, match="why"):
        events.discard(CTX, aside.id, " ")
    events.discard(CTX, aside.id, "sent twice by the laboratory")
    events.drain(picky.consumer)
    assert picky.done == [("a", 2)]
    with pytest.raises(events.EventNotAside):
        events.discard(CTX, aside.id, "again")


def test_an_event_behind_another_is_not_retried_before_it(committed_db: str) -> None:
    picky = Picky(attempts=1)
    picky.bad = {1}
    tell(("a", 1), ("a", 2))
    events.drain(picky.consumer)
    behind = events.parked(states=(events.State.WAITING,))[0]
    with pytest.raises(events.EventNotAside, match="earlier"):
        events.retry(CTX, behind.id)


def test_a_database_error_in_a_handler_is_the_events_own(committed_db: str) -> None:
    done: list[int] = []

    def handle(batch: Sequence[events.Event]) -> None:
        for event in batch:
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO events_cluster VALUES (%s, 0)", [event.payload["n"]])
        done.extend(event.payload["n"] for event in batch)

    tell(("a", 7), ("b", 8))  # events_cluster takes no row but 1
    events.drain(events.Consumer("breaking", ("test.news",), handle))
    (first, second) = events.parked(states=(events.State.FAILING,))
    assert done == [] and first.error.startswith(IntegrityError.__name__) and "23514" in second.error


def test_only_those_who_may_mend(committed_db: str) -> None:
    coder = AccessContext("user:1", "Coder", frozenset({Role.CODER}))
    with pytest.raises(PermissionRefused):
        events.retry(coder, 1)
    with pytest.raises(PermissionRefused):
        events.discard(coder, 1, "why not")
