"""A ledger of its own for each test, and the hand of somebody who may do anything to the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from charthouse.foundation.access.api import AccessContext, Purpose, Role
from charthouse.foundation.ledger.api import Entry, Subject, append_many
from charthouse.foundation.ledger.heads import Heads


@pytest.fixture
def ctx() -> AccessContext:
    return AccessContext(
        "user:17",
        "Ada Example",
        frozenset({Role.AUDITOR, Role.HIT}),
        Purpose.OPERATIONS,
        session="s-1",
        remote="192.0.2.7",
    )


@dataclass(frozen=True)
class Intruder:
    """The database's superuser, with every trigger asleep."""

    conninfo: str

    def does(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Put the ledger's rows back as they were, after the block."""
        tables = ("ledger_entry", "ledger_subject", "ledger_seal")
        for table in tables:
            self.does(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
        try:
            yield
        finally:
            for table in tables:
                self.does(f"TRUNCATE {table}")
                self.does(f"INSERT INTO {table} SELECT * FROM kept_{table}")
                self.does(f"DROP TABLE kept_{table}")


@pytest.fixture
def intruder(committed_db: str, databases: Any) -> Intruder:
    return Intruder(make_conninfo(databases.admin, dbname=conninfo_to_dict(committed_db)["dbname"]))


@pytest.fixture
def write(committed_db: str, ctx: AccessContext) -> Callable[[int], None]:
    """Append so many entries about patients p1, p2, … in one lane."""

    def entries(count: int) -> None:
        append_many(
            Entry(
                ctx,
                "chart.opened",
                subjects=[Subject("patient", f"p{n}"), Subject("person", f"{n}")],
                detail={"n": n},
            )
            for n in range(1, count + 1)
        )

    return entries


@pytest.fixture
def heads(committed_db: str) -> Heads:
    return Heads.of_this_site()
