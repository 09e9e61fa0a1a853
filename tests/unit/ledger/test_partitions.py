"""Months: made ahead, fallen back upon, and missed when somebody takes one away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from charthouse.foundation.ledger.api import DamageKind, seal_once, verify


@pytest.fixture
def sealed(write: Callable[[int], None]) -> None:
    for _ in range(3):
        write(10)
        seal_once()


def test_a_month_taken_away_is_named(sealed: None, intruder: Any) -> None:
    ((month, lane),) = intruder.does("SELECT DISTINCT tableoid::regclass::text, lane FROM ledger_entry")
    intruder.does(f"ALTER TABLE ledger_entry DETACH PARTITION {month}")
    found = verify().first
    assert found is not None
    assert (found.kind, found.lane, found.seq) == (DamageKind.REMOVED, lane, 1)


def test_a_subject_index_taken_away_is_told(sealed: None, intruder: Any) -> None:
    ((month,),) = intruder.does("SELECT DISTINCT tableoid::regclass::text FROM ledger_subject")
    intruder.does(f"ALTER TABLE ledger_subject DETACH PARTITION {month}")
    report = verify()
    assert report.damage_count == 60
    assert report.first is not None
    assert report.first.kind is DamageKind.SUBJECT


def test_months_are_made_ahead_and_an_unforeseen_month_falls_into_the_default(
    committed_db: str, intruder: Any, write: Callable[[int], None]
) -> None:
    write(1)
    assert intruder.does("SELECT count(*) FROM ledger_entry_default") == [(0,)]
    for table in ("ledger_entry", "ledger_subject"):
        for (month,) in intruder.does(
            f"SELECT relname FROM pg_class WHERE relname ~ '^{table}_[0-9]{{4}}_[0-9]{{2}}$' AND relkind = 'r'"
        ):
            intruder.does(f"ALTER TABLE {table} DETACH PARTITION {month}")
            intruder.does(f"ALTER TABLE {month} RENAME TO old_{month}")
    intruder.does("CREATE OR REPLACE VIEW ledger_recent AS SELECT lane, seq FROM ledger_entry_default")
    write(3)
    assert intruder.does("SELECT count(*), max(seq) FROM ledger_entry_default") == [(3, 3)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_make_partitions(2)")
        assert cursor.fetchone() == (2,), "the month with rows in the default partition stays there"
        cursor.execute("SELECT ledger_make_partitions(2)")
        assert cursor.fetchone() == (0,)
    write(1)
    assert intruder.does("SELECT count(*), max(seq) FROM ledger_entry_default") == [(4, 4)]
