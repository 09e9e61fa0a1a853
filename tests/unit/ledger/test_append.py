"""Appending: what is written, with whom, and that a transaction's fate is its entry's fate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import orjson
import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.ledger.api import (
    Entry,
    Outcome,
    Subject,
    append,
    append_many,
    append_read,
    entries,
    search_fingerprint,
    together,
)
from charthouse.foundation.ledger.rows import LANES
from charthouse.foundation.ledger.writing import _row


def test_an_entry_says_who_what_whom_when_and_how_it_ended(db: None, ctx: AccessContext) -> None:
    append(
        ctx,
        "document.printed",
        outcome=Outcome.REFUSED,
        subjects=[Subject("patient", "p1"), Subject("document", "d9"), Subject("patient", "p1")],
        detail={"pages": 3, "kinds": ["note", "letter"]},
    )
    (line,) = entries(ctx).lines
    assert (line.actor, line.actor_name, line.purpose) == ("user:17", "Ada Example", "HOPERAT")
    assert line.roles == ("auditor", "health-information-technician")
    assert (line.action, line.outcome, line.session, line.remote) == (
        "document.printed",
        Outcome.REFUSED,
        "s-1",
        "192.0.2.7",
    )
    assert line.subjects == (Subject("document", "d9"), Subject("patient", "p1"))
    assert line.detail == {"pages": 3, "kinds": ["note", "letter"]}
    assert line.seq == 1


def test_an_entry_shares_the_fate_of_its_transaction(db: None, ctx: AccessContext) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        append(ctx, "chart.changed")
        raise RuntimeError
    assert entries(ctx).lines == ()
    with transaction.atomic():
        append(ctx, "chart.changed")
        with pytest.raises(RuntimeError), transaction.atomic():
            append(ctx, "chart.deleted")
            raise RuntimeError
        append(ctx, "chart.printed")
    assert [(line.seq, line.action) for line in entries(ctx).lines] == [(2, "chart.printed"), (1, "chart.changed")]


def test_a_batch_is_one_round_trip_and_keeps_its_order(
    db: None, ctx: AccessContext, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        count = append_many(Entry(ctx, "message.filed", detail={"n": n}) for n in range(300))
    assert count == 300
    lines = entries(ctx, limit=500).lines
    assert [line.detail["n"] for line in reversed(lines)] == list(range(300))
    assert append_many([]) == 0


def test_entries_of_many_acts_are_written_together_or_not_at_all(
    db: None, ctx: AccessContext, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1), together():
        for n in range(30):
            with together():
                append(ctx, "item.taken", detail={"n": n})
    assert [line.detail["n"] for line in reversed(entries(ctx).lines)] == list(range(30))
    with pytest.raises(ValueError), transaction.atomic(), together():
        append(ctx, "item.taken")
        raise ValueError
    append(ctx, "item.released")
    assert [line.action for line in entries(ctx).lines][:2] == ["item.released", "item.taken"]
    assert len(entries(ctx).lines) == 31


def test_entries_are_not_gathered_outside_a_transaction(committed_db: str) -> None:
    with pytest.raises(RuntimeError, match="one transaction"), together():
        pass


def test_a_read_is_committed_when_it_returns_without_waiting_for_the_disk(
    committed_db: str, ctx: AccessContext
) -> None:
    append_read(ctx, "chart.opened", subjects=[Subject("patient", "p1")])
    with psycopg.connect(committed_db) as other:
        assert other.execute("SELECT count(*) FROM ledger_entry").fetchone() == (1,)
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)


def test_a_read_inside_an_action_leaves_the_actions_commit_durable(db: None, ctx: AccessContext) -> None:
    with transaction.atomic():
        append_read(ctx, "chart.opened")
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone() == ("on",)


def test_two_open_transactions_write_side_by_side_in_lanes_of_their_own(
    committed_db: str, ctx: AccessContext
) -> None:
    append(ctx, "first.entry")
    with transaction.atomic():
        append(ctx, "slow.action")
        done = threading.Event()

        def other() -> None:
            try:
                append(ctx, "quick.action")
                done.set()
            finally:
                connection.close()

        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)
        assert done.is_set(), "an open transaction kept another one from writing"
        append(ctx, "slow.action-two")
    by_action = {line.action: line for line in entries(ctx).lines}
    assert by_action["slow.action"].lane == by_action["slow.action-two"].lane
    assert by_action["quick.action"].lane != by_action["slow.action"].lane


def test_more_open_transactions_than_lanes_wait_and_lose_nothing(committed_db: str, ctx: AccessContext) -> None:
    body = orjson.dumps([_row(Entry(ctx, "chart.opened"))]).decode()
    call = b"SELECT ledger_append(%s, false)"
    holders = [psycopg.connect(committed_db) for _ in range(LANES)]
    try:
        for holder in holders:
            holder.execute(call, [body])
        waited = threading.Event()

        def late() -> None:
            with psycopg.connect(committed_db) as more:
                more.execute(call, [body])
            waited.set()

        thread = threading.Thread(target=late)
        thread.start()
        assert not waited.wait(0.3)
        for holder in holders:
            holder.commit()
        thread.join(10)
        assert waited.is_set()
    finally:
        for holder in holders:
            holder.close()
    lines = entries(ctx, limit=500).lines
    assert len(lines) == LANES + 1
    assert {line.lane for line in lines} == set(range(LANES))


def test_a_snapshot_that_cannot_see_the_last_number_is_refused(committed_db: str, ctx: AccessContext) -> None:
    with pytest.raises(DatabaseError, match="READ COMMITTED"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        append(ctx, "chart.opened")


@pytest.mark.parametrize("action", ["", "Chart.opened", "chart opened", "chart.", "x" * 61])
def test_an_action_is_lower_case_words(ctx: AccessContext, action: str) -> None:
    with pytest.raises(ValueError, match="action"):
        Entry(ctx, action)


def test_a_subject_is_a_kind_and_an_id() -> None:
    with pytest.raises(ValueError, match="kind"):
        Subject("Jane Doe", "1")
    with pytest.raises(ValueError, match="id"):
        Subject("patient", "")
    assert Subject.parse("work-item/a/b") == Subject("work-item", "a/b")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=30),
    identifier=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20),
)
def test_any_text_comes_back(db: None, ctx: AccessContext, text: str, identifier: str) -> None:
    clean = text.encode("utf-8", "ignore").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    text = text.encode("utf-8", "ignore").decode()
    append(ctx, "text.kept", subjects=[Subject("resource", identifier)], detail={"text": text, text: [text]})
    line = entries(ctx, limit=1).lines[0]
    assert line.subjects == (Subject("resource", identifier),)
    assert line.detail["text"] == clean or text == "text"


def test_a_search_is_known_by_hash_and_length_only() -> None:
    known = search_fingerprint("  García ")
    assert known == search_fingerprint("GARCÍA")
    assert known != search_fingerprint("Garcia")
    assert known["length"] == 6
    assert "garc" not in repr(known).lower()


def test_the_application_cannot_touch_what_is_written(
    committed_db: str, ctx: AccessContext, write: Callable[[int], None]
) -> None:
    write(2)
    statements = [
        f"{verb} {table}{rest}"
        for table in ("ledger_entry", "ledger_subject", "ledger_seal", "ledger_entry_default")
        for verb, rest in (("UPDATE", " SET lane = 1"), ("DELETE FROM", ""), ("TRUNCATE", ""))
        if not (table == "ledger_seal" and verb == "UPDATE")
    ]
    statements += [
        "UPDATE ledger_seal SET round = 9",
        "INSERT INTO ledger_entry SELECT * FROM ledger_entry",
        "INSERT INTO ledger_subject SELECT * FROM ledger_subject",
        "ALTER TABLE ledger_entry DISABLE TRIGGER ALL",
        "DROP TABLE ledger_entry",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION append_only_refuse() RETURNS trigger LANGUAGE sql AS ''",
    ]
    with psycopg.connect(committed_db, autocommit=True) as app:
        months = app.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ledger_entry'::regclass"
        ).fetchall()
        assert len(months) == 5
        statements += [f"DELETE FROM {month}" for (month,) in months]
        statements += [f"TRUNCATE {month}" for (month,) in months]
        statements += [f"INSERT INTO {month} SELECT * FROM ledger_entry" for (month,) in months]
        for statement in statements:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement.encode())
    assert len(entries(ctx).lines) == 2


def test_not_even_the_owner_changes_a_row_by_mistake(
    owner_conninfo: str, committed_db: str, write: Callable[[int], None]
) -> None:
    write(1)
    with psycopg.connect(owner_conninfo, autocommit=True) as owner:
        months = [
            name
            for (name,) in owner.execute(
                "SELECT relid::text FROM pg_partition_tree('ledger_entry') UNION SELECT 'ledger_seal' "
                "UNION SELECT relid::text FROM pg_partition_tree('ledger_subject')"
            ).fetchall()
        ]
        assert len(months) == 13
        for table in months:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="kept for good"):
                owner.execute(f"TRUNCATE {table}".encode())
        for statement in ("UPDATE ledger_entry SET actor = 'user:2'", "DELETE FROM ledger_subject"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="kept for good"):
                owner.execute(statement.encode())
