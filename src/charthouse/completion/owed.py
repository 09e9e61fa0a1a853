"""What practitioners owe, as letters and the suspension list ask for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from charthouse.foundation.clock import now

from .domain.bylaws import Owed
from .naming import Named, named

#: What is owed: confirmed and not disputed by who is asked for it.
_OWED = "d.state = 'open' AND NOT d.disputed AND d.owed_by <> ''"


@dataclass(frozen=True, slots=True)
class Owing:
    """Somebody who owes something, under every name that records have for them."""

    who: Named
    away: bool
    gone: bool


def owing(instant: datetime | None = None) -> list[Owing]:
    """Everybody by whom something is owed and whom the directory or an account knows, by name."""
    at = instant or now()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT d.owed_by FROM completion_deficiency d WHERE {_OWED}")  # noqa: S608
        keys = [key for (key,) in cursor.fetchall()]
        cursor.execute(
            "SELECT practitioner, bool_or(gone) FROM completion_practitioner_away WHERE ended_at IS NULL"
            " AND since <= %s AND (until IS NULL OR until > %s) GROUP BY practitioner",
            [at, at],
        )
        away: dict[str, bool] = dict(cursor.fetchall())
    people = {each.key: each for each in named(keys).values()}
    absent = {each.key: away[name] for name, each in named(away).items()}
    found = [Owing(each, each.key in absent, absent.get(each.key, False)) for each in people.values()]
    return sorted(found, key=lambda each: (each.who.shown.casefold(), each.who.key))


def owed_by(keys: Sequence[str], instant: datetime | None = None) -> list[Owed]:
    """Everything owed by one practitioner, given all their names."""
    at = instant or now()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.id, c.encounter, c.patient, c.facility, c.discharged, d.opened, d.due, d.says,"  # noqa: S608
            " CASE WHEN c.state <> 'complete' AND c.due <= %s THEN c.due END"
            " FROM completion_deficiency d JOIN completion_chart c ON c.id = d.chart_id"
            f" WHERE {_OWED} AND d.owed_by = ANY(%s) AND c.state <> 'withdrawn'",
            [at, list(keys)],
        )
        return [Owed(*row) for row in cursor.fetchall()]


def nameless() -> int:
    """How many things are owed by nobody whom a letter could reach: without a name, or one no directory knows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT owed_by, count(*) FROM completion_deficiency WHERE state = 'open' GROUP BY owed_by")
        counts: dict[str, int] = dict(cursor.fetchall())
    known = named(counts)
    return sum(number for key, number in counts.items() if key not in known)


def each_owed(instant: datetime | None = None) -> Iterator[tuple[Owing, list[Owed]]]:
    """Everybody who owes something with what they owe, one after the other."""
    at = instant or now()
    for each in owing(at):
        if owed := owed_by(each.who.keys, at):
            yield each, owed
