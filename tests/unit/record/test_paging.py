"""Pages: everything once, in order, also when more is filed while somebody reads."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charthouse.record import api as record
from charthouse.record.queries import cursor_of, of_patients, place_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def condition(number: int, day: int | None) -> dict[str, Any]:
    recorded = {} if day is None else {"onsetDateTime": (BEGIN + timedelta(days=day)).date().isoformat()}
    return {
        "resourceType": "Condition", "id": f"c{number}", "code": {"text": f"Problem {number}"},
        "subject": {"reference": "Patient/p1"}, **recorded,
    }  # fmt: skip


def walk(read: Any, *args: Any) -> list[Any]:
    """All rows of a section, page by page."""
    rows: list[Any] = []
    cursor = None
    for _ in range(50):
        page = read(*args, cursor)
        rows += page.rows
        cursor = page.next
        if cursor is None:
            return rows
    raise AssertionError("the pages do not end")


def test_pages_join_without_gap_or_repeat(book: Any, make: Any) -> None:
    row = book.patient()
    # Many share a day, and a third have none.
    book.file(*(condition(n, None if n % 3 == 0 else n % 5) for n in range(330)))
    rows = walk(record.problems, make.system, [row])
    assert Counter(each.id for each in rows) == Counter(f"c{n}" for n in range(330))
    days = [each.when.text for each in rows]
    assert days == sorted(days, reverse=True)


def test_an_old_problem_is_active_however_many_came_after_it(book: Any, make: Any) -> None:
    row = book.patient()
    active = {"clinicalStatus": {"coding": [{"code": "active"}]}}
    old = {**condition(0, 0), **active, "code": {"text": "Epilepsy"}}
    book.file(old, *({**condition(n, n), "code": {"text": "Cold"}} for n in range(1, 330)))
    assert [each.title for each in record.active_problems(make.system, [row])] == ["Epilepsy"]


def test_an_old_order_is_in_force_however_many_doses_were_given_since(book: Any, make: Any) -> None:
    row = book.patient()
    order = {"resourceType": "MedicationRequest", "id": "m0", "status": "active", "intent": "order",
             "authoredOn": "2001-01-01", "medicationCodeableConcept": {"text": "Warfarin"},
             "subject": {"reference": "Patient/p1"}}  # fmt: skip
    later = [
        {**order, "id": f"m{n}", "status": "completed", "authoredOn": f"{2002 + n % 20}-01-01"}
        for n in range(1, 250)
    ]
    book.file(order, *later)
    assert [each.title for each in record.active_medications(make.system, [row])] == ["Warfarin"]


def test_what_is_filed_meanwhile_moves_nothing_on_later_pages(book: Any, make: Any) -> None:
    row = book.patient()
    book.file(*(condition(n, n) for n in range(250)))
    first = record.problems(make.system, [row])
    # Newer, older, on the same day as the page's end, and an older one that changes.
    book.file(
        condition(900, 999), condition(901, -5), condition(902, 150), {**condition(10, 10), "note": [{"text": "x"}]}
    )
    rest = []
    cursor = first.next
    while cursor:
        page = record.problems(make.system, [row], cursor)
        rest += page.rows
        cursor = page.next
    seen = [each.id for each in (*first.rows, *rest)]
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"c{n}" for n in range(250)}
    assert "c900" not in seen
    assert "c901" in seen


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.lists(st.one_of(st.none(), st.integers(-3, 3)), max_size=12), size=st.integers(1, 4))
def test_any_page_size_gives_the_whole_in_order(book: Any, make: Any, days: list[int | None], size: int) -> None:
    from django.db import transaction

    with transaction.atomic():
        row = book.patient()
        if days:
            book.file(*(condition(number, day) for number, day in enumerate(days)))
        whole = [each.public_id for each in of_patients(book.cursor, make.system, [row], ["Condition"])]
        paged: list[str] = []
        after = None
        while page := of_patients(book.cursor, make.system, [row], ["Condition"], limit=size, after=after):
            paged += [each.public_id for each in page]
            after = place_of(cursor_of(page[-1]))
        assert paged == whole
        assert len(whole) == len(days)
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    "cursor", ["", "x", "1", "1.2.3", "-", "9" * 40 + ".1", "999999999999999999.1", "'; DROP", "１.１"]
)
def test_a_cursor_no_page_gave_out_begins_anew_or_at_an_end(book: Any, make: Any, cursor: str) -> None:
    row = book.patient()
    book.file(condition(1, 1))
    page = record.problems(make.system, [row], cursor)
    assert len(page.rows) <= 1
    assert record.results(make.system, [row], cursor).rows == ()


# Results


def result(number: int, minute: int, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": f"o{number}", "status": "final", "code": {"text": f"Test {number}"},
        "subject": {"reference": "Patient/p1"}, "valueString": "seen",
        "effectiveDateTime": (BEGIN + timedelta(minutes=minute)).isoformat(), **more,
    }  # fmt: skip


def report(number: int, minute: int, *members: int) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport", "id": f"r{number}", "status": "final",
        "code": {"text": f"Panel {number}"}, "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": (BEGIN + timedelta(minutes=minute)).isoformat(),
        "result": [{"reference": f"Observation/o{each}"} for each in members],
    }  # fmt: skip


def test_many_results_of_one_moment_are_all_shown(book: Any, make: Any) -> None:
    row = book.patient()
    book.file(*(result(n, 0) for n in range(130)))
    rows = walk(record.results, make.system, [row])
    assert Counter(each.id for each in rows) == Counter(f"o{n}" for n in range(130))


def test_results_without_a_time_are_all_shown(book: Any, make: Any) -> None:
    row = book.patient()
    undated = [{key: value for key, value in result(n, 0).items() if key != "effectiveDateTime"} for n in range(90)]
    book.file(*undated)
    assert len(walk(record.results, make.system, [row])) == 90


def test_a_result_stands_in_its_report_only_however_old_it_is(book: Any, make: Any) -> None:
    row = book.patient()
    # Each report's members are far older than it: they would fall on later pages of their own.
    filed: list[dict[str, Any]] = []
    for n in range(60):
        filed += [result(n, -10_000 - n), report(n, n, n)]
    book.file(*filed, *(result(1000 + n, -20_000 - n) for n in range(30)))
    rows = walk(record.results, make.system, [row])
    panels = [each.id for each in rows]
    assert Counter(panels) == Counter([*(f"r{n}" for n in range(60)), *(f"o{1000 + n}" for n in range(30))])
    assert [each.results[0].id for each in rows[:60]] == [f"o{n}" for n in reversed(range(60))]


def test_vital_signs_crowd_out_no_results_and_none_crowds_them_out(book: Any, make: Any) -> None:
    row = book.patient()
    vital = {"category": [{"coding": [{"code": "vital-signs"}]}]}
    book.file(*(result(n, n, **vital) for n in range(1_100)))
    book.file(result(5_000, -9_000))
    assert [each.id for each in record.results(make.system, [row]).rows] == ["o5000"]
    book.file(*(result(6_000 + n, 90_000 + n) for n in range(1_100)))
    shown = {point.id for series in record.vitals(make.system, [row]) for point in series.points}
    assert "o1099" in shown
    assert not any(int(each[1:]) >= 5_000 for each in shown)


def test_a_report_whose_results_are_gone_makes_no_empty_panel(book: Any, make: Any) -> None:
    row = book.patient()
    book.file(result(1, 1), report(1, 2, 1, 99), report(2, 3, 98), report(3, 4))
    assert [each.id for each in record.results(make.system, [row]).rows] == ["r1"]
