"""Reading the ledger: filters, pages that stand still, and who may."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connection

from charthouse.foundation.access.api import AccessContext, PermissionRefused, Role
from charthouse.foundation.ledger.api import Entry, Filters, Outcome, Page, Subject, append, append_many, entries


def test_only_those_who_watch_over_access_may_read_it(db: None, ctx: AccessContext) -> None:
    allowed = {Role.PRIVACY, Role.AUDITOR, Role.MANAGER}
    for role in Role:
        asker = replace(ctx, roles=frozenset({role}))
        if role in allowed:
            assert entries(asker).lines == ()
        else:
            with pytest.raises(PermissionRefused):
                entries(asker)


@pytest.fixture
def some(db: None, ctx: AccessContext) -> AccessContext:
    coder = replace(ctx, actor="user:2", roles=frozenset({Role.CODER}), session="s-2")
    append(ctx, "chart.read", subjects=[Subject("patient", "p1"), Subject("person", "7")])
    append(coder, "chart.read", subjects=[Subject("patient", "p2"), Subject("person", "7")])
    append(coder, "chart.printed", outcome=Outcome.REFUSED, subjects=[Subject("patient", "p3")])
    append(ctx, "charts.listed", subjects=[Subject("file", "f1")])
    return ctx


def test_each_filter_holds(some: AccessContext) -> None:
    def found(filters: Filters) -> list[tuple[str, str]]:
        return [(line.actor, line.action) for line in entries(some, filters).lines]

    mine, coded = ("user:17", "chart.read"), ("user:2", "chart.read")
    printed, listed = ("user:2", "chart.printed"), ("user:17", "charts.listed")
    assert found(Filters()) == [listed, printed, coded, mine]
    assert found(Filters(actor="user:2")) == [printed, coded]
    assert found(Filters(role=Role.CODER)) == [printed, coded]
    assert found(Filters(action="chart.read")) == [coded, mine]
    assert found(Filters(action="chart")) == [printed, coded, mine]
    assert found(Filters(outcome=Outcome.REFUSED)) == [printed]
    assert found(Filters(patients=("p1",))) == [mine]
    assert found(Filters(patients=("p1", "p2"))) == [coded, mine]
    assert found(Filters(persons=("7",))) == [coded, mine]
    assert found(Filters(subject=Subject("file", "f1"))) == [listed]
    assert found(Filters(session="s-2")) == [printed, coded]
    assert found(Filters(actor="user:2", persons=("7",), action="chart.read")) == [coded]
    assert found(Filters(persons=("8",))) == []


def test_a_span_of_time_includes_its_beginning_and_not_its_end(some: AccessContext) -> None:
    lines = entries(some).lines
    times = sorted(line.at for line in lines)

    def count(since: datetime | None, until: datetime | None, patients: tuple[str, ...] = ()) -> int:
        return len(entries(some, Filters(since=since, until=until, patients=patients)).lines)

    assert count(times[1], times[3]) == 2
    assert count(times[3] + timedelta(microseconds=1), None) == 0
    assert count(None, times[0]) == 0
    assert count(times[1], None, ("p1", "p2", "p3")) == 2
    assert count(None, times[2], ("p1", "p2", "p3")) == 2


def walk(ctx: AccessContext, filters: Filters, limit: int) -> list[Page]:
    pages = [entries(ctx, filters, limit=limit)]
    while pages[-1].next:
        pages.append(entries(ctx, filters, pages[-1].next, limit))
    return pages


@pytest.mark.parametrize("limit", [1, 7, 10, 100])
def test_pages_neither_repeat_nor_leave_out_while_entries_arrive(db: None, ctx: AccessContext, limit: int) -> None:
    append_many(Entry(ctx, "batch.one", detail={"n": n}) for n in range(20))
    first = entries(ctx, limit=limit)
    append_many(Entry(ctx, "batch.two") for _ in range(5))
    lines = list(first.lines)
    cursor = first.next
    while cursor:
        page = entries(ctx, Filters(), cursor, limit)
        lines += page.lines
        cursor = page.next
    assert [line.detail["n"] for line in lines] == list(reversed(range(20)))
    assert {len(page.lines) for page in walk(ctx, Filters(), limit)[:-1]} <= {limit}


@pytest.mark.parametrize("cursor", ["x", "1~2~3", "2026-01-01~a~b", "~~", "2026-01-01T00:00:00+00:00~1"])
def test_a_made_up_place_is_refused(db: None, ctx: AccessContext, cursor: str) -> None:
    with pytest.raises(ValueError, match="first page"):
        entries(ctx, Filters(), cursor)


def test_who_saw_this_patient_is_answered_by_the_index(db: None, ctx: AccessContext) -> None:
    append_many(
        Entry(ctx, "chart.read", subjects=[Subject("patient", f"p{n % 500}"), Subject("person", str(n % 500))])
        for n in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN SELECT at FROM ledger_subject WHERE kind = 'patient' AND subject_id = 'p7'")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan" not in plan
    assert len(entries(ctx, Filters(patients=("p7",)), limit=100).lines) == 10
