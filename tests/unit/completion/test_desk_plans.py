"""The lists and counts of the desk stay cheap in a full house: what each reads comes from an index in its own
order."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from charthouse.completion import api as completion
from charthouse.completion.api import ChartFilters
from charthouse.foundation.clock import frozen
from charthouse.web.commands import bench_completion

from .desk_house import DR_NOVAK, NOVAK, NOW, SATO

#: Far more than a page, and few beside the whole.
CHARTS, OPEN = 12_000, 2_000


@pytest.fixture
def full(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts of a house, most of them complete."""
    from charthouse.people.api import PractitionerFact, note_practitioners
    from charthouse.record.api import TYPE_ID

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO record_resource (id, patient, filed_at, source, version, labels, type, state, public_id,"
            " digest) SELECT nextval('record_resource_id'), NULL, now(), 1, 1, 0, %s, 0, gen_random_uuid()::text,"
            " '' FROM generate_series(1, 200)",
            [TYPE_ID["Patient"]],
        )
        note_practitioners([PractitionerFact(f"dr-{n}", f"Practor{n}", "A") for n in range(50)])
        note_practitioners([PractitionerFact("novak", "Novak", "Bela")])
        values = {
            "charts": CHARTS,
            "undone": OPEN // 2,
            "now": NOW,
            "patient": TYPE_ID["Patient"],
            "encounter": TYPE_ID["Encounter"],
            "places": [1, 2],
        }
        cursor.execute(bench_completion.CHARTS, values)
        cursor.execute(bench_completion.DEFICIENCIES, {})
        cursor.execute("ANALYZE completion_chart, completion_deficiency, record_resource")


READS: dict[str, Callable[[], object]] = {
    "list": lambda: completion.charts(SATO),
    "delinquent": lambda: completion.charts(SATO, ChartFilters(states=("delinquent",))),
    "complete": lambda: completion.charts(SATO, ChartFilters(states=("complete",))),
    "kind": lambda: completion.charts(SATO, ChartFilters(kind="inpatient")),
    "service": lambda: completion.charts(SATO, ChartFilters(service="Surgery")),
    "nothing": lambda: completion.charts(SATO, ChartFilters(kind="clinic")),
    "owed": lambda: completion.owed(DR_NOVAK),
    "owed count": lambda: completion.owed_count(DR_NOVAK, 1_000),
    "practitioner": lambda: completion.charts(SATO, ChartFilters(practitioner=(NOVAK,))),
    "count": lambda: completion.count_charts(SATO),
}


def test_a_list_reads_no_table_from_end_to_end(full: None) -> None:
    for name, read in READS.items():
        with frozen(NOW), CaptureQueriesContext(connection) as captured:
            read()
        for each in captured.captured_queries:
            if "completion_" not in each["sql"]:
                continue
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {each['sql']}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
            assert not re.search(r"Seq Scan on completion_", plan), f"{name}: {each['sql']}\n{plan}"


def test_a_list_asks_the_same_however_many_rows_it_shows(full: None) -> None:
    def queries(limit: int) -> int:
        with frozen(NOW), CaptureQueriesContext(connection) as captured:
            completion.charts(SATO, limit=limit)
        return len(captured)

    assert queries(2) == queries(40)


def test_the_board_reads_counts_and_no_chart_of_its_own(full: None) -> None:
    """One statement of one moment; whoever is overdue is marked by the clock, and nothing is counted row by row."""
    with frozen(NOW):
        assert completion.mark_late() > 0
        completion.join_tallies()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE completion_tally, completion_deficiency")
        with CaptureQueriesContext(connection) as captured:
            board = completion.board(SATO)
    assert (board.incomplete, board.open) == (OPEN // 2, OPEN)
    (read,) = (each["sql"] for each in captured.captured_queries if "FROM completion_" in each["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {read}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert not re.search(r"Seq Scan on completion_(chart|deficiency)", plan), plan
