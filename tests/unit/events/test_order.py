"""Nothing is skipped, nothing comes twice, and what depends on an event comes after it."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Sequence

import psycopg
import pytest
from django.db import connection, transaction

from charthouse.foundation.events import api as events
from charthouse.foundation.events import cluster


class Reader:
    """A consumer that remembers what it was given."""

    def __init__(self, name: str = "reader", *kinds: str, start: events.Start = events.Start.BEGINNING) -> None:
        self.seen: list[events.Event] = []
        self.consumer = events.Consumer(name, kinds or ("test.news",), self.handle, start=start)

    def handle(self, batch: Sequence[events.Event]) -> None:
        self.seen.extend(batch)

    def numbers(self, key: str | None = None) -> list[int]:
        return [event.payload["n"] for event in self.seen if key in (None, event.key)]


def tell(n: int, key: str = "p1", kind: str = "test.news") -> None:
    with transaction.atomic():
        events.append(kind, key=key, payload={"n": n})


def insert(other: psycopg.Connection, n: int, key: str = "p1") -> None:
    other.execute(
        "INSERT INTO events_event (kind, key, payload) VALUES ('test.news', %s, jsonb_build_object('n', %s::int))",
        [key, n],
    )


def test_an_event_outside_a_transaction_is_refused(committed_db: str) -> None:
    with pytest.raises(RuntimeError, match="atomic"):
        events.append("test.news", key="p1", payload={})


def test_news_of_a_rolled_back_change_is_never_told(committed_db: str) -> None:
    reader = Reader()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        events.append("test.news", key="p1", payload={"n": 1})
        raise ZeroDivisionError
    tell(2)
    events.drain(reader.consumer)
    assert reader.numbers() == [2]


def test_a_batch_keeps_its_order_and_only_the_kinds_asked_for(committed_db: str) -> None:
    reader = Reader()
    with transaction.atomic():
        told = events.append_many(
            events.NewEvent("test.news" if n % 3 else "test.other", f"p{n % 7}", {"n": n}) for n in range(1000)
        )
    assert told == 1000
    assert events.drain(reader.consumer, limit=64) == len(reader.seen)
    assert reader.numbers() == [n for n in range(1000) if n % 3]
    assert events.run_once(reader.consumer) == 0


def test_a_slow_transaction_is_not_skipped_and_holds_nobody_up(committed_db: str) -> None:
    reader = Reader()
    tell(1)
    with psycopg.connect(committed_db) as slow:
        insert(slow, 2)  # draws its id now, commits last
        tell(3)
        events.drain(reader.consumer)
        assert reader.numbers() == [1, 3]
        tell(4)
        events.drain(reader.consumer)
        slow.commit()
    events.drain(reader.consumer)
    assert reader.numbers() == [1, 3, 4, 2]


def test_a_slow_transaction_is_not_skipped_when_its_window_is_read_in_parts(committed_db: str) -> None:
    reader = Reader()
    with psycopg.connect(committed_db) as slow:
        insert(slow, 0)
        for n in range(1, 6):
            tell(n)
        assert events.run_once(reader.consumer, limit=2) == 2
        slow.commit()
    tell(6)
    events.drain(reader.consumer, limit=2)
    assert reader.numbers() == [1, 2, 3, 4, 5, 0, 6]


def test_what_depends_on_an_event_comes_after_it_while_a_third_is_slow(committed_db: str) -> None:
    """Transaction ids: the dependent one lowest, then one that runs on, then the first to commit."""
    reader = Reader()
    with psycopg.connect(committed_db) as dependent, psycopg.connect(committed_db) as running:
        dependent.execute("SELECT pg_current_xact_id()")
        running.execute("SELECT pg_current_xact_id()")
        tell(1)
        insert(dependent, 2)
        dependent.commit()
        events.drain(reader.consumer, limit=1)
    assert reader.numbers() == [1, 2]


def test_a_handler_may_tell_news_it_reads_itself(committed_db: str) -> None:
    """Its own transaction has not ended at the moment it notes, though a younger one has."""
    seen: list[int] = []

    def handle(batch: Sequence[events.Event]) -> None:
        for event in batch:
            n = event.payload["n"]
            seen.append(n)
            if n < 3:
                events.append("test.news", key="p1", payload={"n": n + 1})

    consumer = events.Consumer("echo", ("test.news",), handle)
    tell(1)
    with transaction.atomic(), psycopg.connect(committed_db, autocommit=True) as other:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
        insert(other, 10)  # a younger transaction, ended before the window is opened
        events.run_once(consumer)
    events.drain(consumer)
    assert seen == [1, 10, 2, 3]


def test_what_depends_on_an_event_comes_after_it(committed_db: str) -> None:
    """The second transaction has the lower transaction id, and tells its news after seeing the first's."""
    reader = Reader()
    with psycopg.connect(committed_db) as older:
        older.execute("SELECT pg_current_xact_id()")
        tell(1)
        assert older.execute("SELECT count(*) FROM events_event").fetchone() == (1,)
        insert(older, 2)
        older.commit()
    events.drain(reader.consumer, limit=1)
    assert reader.numbers() == [1, 2]


def test_a_consumer_may_start_now(committed_db: str) -> None:
    tell(1)
    late = Reader("late", start=events.Start.NOW)
    assert events.run_once(late.consumer) == 0
    tell(2)
    events.drain(late.consumer)
    assert late.numbers() == [2]


def test_racing_writers_and_readers(committed_db: str) -> None:
    """Writers commit at random moments while two runners read; every event comes once, in its writer's order."""
    writers, each = 4, 40
    reader = Reader()
    failures: list[BaseException] = []
    stop = threading.Event()

    def write(writer: int) -> None:
        try:
            with psycopg.connect(committed_db) as own:
                for n in range(each):
                    insert(own, n, f"w{writer}")
                    time.sleep(random.random() * 0.004)
                    own.commit()
        except BaseException as error:
            failures.append(error)

    def run() -> None:
        try:
            while not stop.is_set():
                events.run_once(reader.consumer, limit=7)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    runners = [threading.Thread(target=run) for _ in range(2)]
    threads = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
    for thread in [*runners, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    for thread in runners:
        thread.join()
    events.drain(reader.consumer)
    assert not failures
    by_key: dict[str, list[int]] = defaultdict(list)
    for event in reader.seen:
        by_key[event.key].append(event.payload["n"])
    assert by_key == {f"w{n}": list(range(each)) for n in range(writers)}


def test_the_cursor_moves_only_with_the_handlers_writes(committed_db: str) -> None:
    """A run that dies leaves neither: the next one is given the same events."""
    tell(1)
    tell(2)

    class Killed(BaseException):
        pass

    def handle(batch: Sequence[events.Event]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO events_cluster VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET system_identifier = 0"
            )
        raise Killed

    with pytest.raises(Killed):
        events.run_once(events.Consumer("reader", ("test.news",), handle))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events_cluster WHERE system_identifier = 0")
        assert cursor.fetchone() == (0,)
    reader = Reader()
    events.drain(reader.consumer)
    assert reader.numbers() == [1, 2]


def row_version() -> tuple[str, ...]:
    """Changes when the reader's row is written or locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ctid::text, xmin::text, xmax::text FROM events_cursor")
        return tuple(cursor.fetchone())


def test_an_idle_consumer_writes_nothing(committed_db: str) -> None:
    reader = Reader()
    tell(1)
    events.drain(reader.consumer)
    before = row_version()
    assert [events.run_once(reader.consumer) for _ in range(5)] == [0] * 5
    assert row_version() == before


def test_the_pump_wakes_for_news_and_stops_when_asked(committed_db: str) -> None:
    reader = Reader()
    stop = threading.Event()
    pump = threading.Thread(target=events.pump, args=([reader.consumer], stop))
    pump.start()
    try:
        for n in range(5):
            tell(n)
            deadline = time.monotonic() + 10
            while len(reader.seen) <= n:
                assert time.monotonic() < deadline, "the pump did not hand the event over"
                time.sleep(0.01)
    finally:
        stop.set()
        pump.join(timeout=10)
    assert not pump.is_alive()
    assert reader.numbers() == list(range(5))


def test_the_pump_outlives_a_lost_connection(committed_db: str, owner_conninfo: str) -> None:
    reader = Reader()
    stop = threading.Event()
    pump = threading.Thread(target=events.pump, args=([reader.consumer], stop))
    pump.start()
    try:
        tell(1)
        deadline = time.monotonic() + 30
        while not reader.seen or events.lag()[0].waiting:  # handed over, and that committed
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with connection.cursor() as cursor:  # the application may end its own role's sessions
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user"
            )
            assert cursor.rowcount >= 1
        tell(2)
        while len(reader.seen) < 2:
            assert time.monotonic() < deadline, "the pump did not come back"
            time.sleep(0.01)
    finally:
        stop.set()
        pump.join(timeout=10)
    assert reader.numbers() == [1, 2]


def test_old_events_go_when_every_consumer_has_them(committed_db: str) -> None:
    reader, slow = Reader("quick"), Reader("slow")
    for consumer in (reader.consumer, slow.consumer):
        events.run_once(consumer)
    tell(1)
    events.drain(reader.consumer)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_event SET at = at - interval '100 days'")
        cursor.execute("SELECT clock_timestamp() - interval '90 days'")
        (before,) = cursor.fetchone()
    assert events.trim(before) == 0
    events.drain(slow.consumer)
    assert events.trim(before) == 1
    assert slow.numbers() == [1]


def test_a_transaction_that_runs_on_does_not_keep_old_events(committed_db: str) -> None:
    reader = Reader()
    with psycopg.connect(committed_db) as slow:
        insert(slow, 2)
        tell(1)
        events.drain(reader.consumer)
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (before,) = cursor.fetchone()
        assert events.trim(before) == 1
        slow.commit()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (before,) = cursor.fetchone()
    assert events.trim(before) == 0, "nobody has read it yet"
    events.drain(reader.consumer)
    assert reader.numbers() == [1, 2]
    assert events.trim(before) == 1


def test_lag_counts_what_waits(committed_db: str) -> None:
    reader = Reader()
    events.run_once(reader.consumer)
    tell(1)
    tell(2, kind="test.other")
    (lag,) = events.lag()
    assert (lag.consumer, lag.waiting, lag.aside) == ("reader", 1, 0)
    assert lag.oldest.total_seconds() >= 0
    events.drain(reader.consumer)
    assert events.lag()[0].waiting == 0


@pytest.mark.parametrize("by_hand", [True, False], ids=["when told", "by itself"])
def test_a_consumer_keeps_its_place_when_transaction_ids_start_anew(committed_db: str, by_hand: bool) -> None:
    """As after a dump is restored in a fresh cluster: the events carry ids of transactions yet to come."""
    reader = Reader()
    for n in range(4):
        tell(n)
    events.drain(reader.consumer)
    tell(4)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE events_event SET xid = (xid::text::bigint + 1000000000)::text::xid8")
        cursor.execute(
            "UPDATE events_cursor SET done = (SELECT max(xid)::text || ':' || max(xid)::text || ':'"
            " FROM events_event)::pg_snapshot"
        )
        cursor.execute("UPDATE events_cluster SET system_identifier = 1")
    tell(5)  # told in the new cluster before anybody noticed
    if by_hand:
        events.reanchor()
    else:  # another process begins
        cluster._checked.clear()
    events.drain(reader.consumer)
    tell(6)
    events.drain(reader.consumer)
    assert reader.numbers() == [0, 1, 2, 3, 4, 5, 6]
