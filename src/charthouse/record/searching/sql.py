"""SQL in pieces that carry their parameters with them.

What a caller of a search wrote only ever stands among the parameters. The text holds numbers of ours: types,
parameters and label masks, written out so that PostgreSQL picks partitions while it plans.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from charthouse.exchange.fhir.api import BEGINNING, END_OF_TIME, to_datetime


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL: ``%s`` in the text for each of ``values``. ``steady`` where a whole statement's best plan is
    the same whatever they are."""

    text: str
    values: tuple[Any, ...] = ()
    steady: bool = False

    def __str__(self) -> str:
        return self.text


NEVER = Sql("false")


def sql(text: str, *values: Any) -> Sql:
    """A piece with these parameters."""
    return Sql(text, values)


def put(pattern: str, *pieces: Sql) -> Sql:
    """``pattern`` with a piece in place of every ``{}``, in order."""
    return Sql(pattern.format(*pieces), tuple(value for piece in pieces for value in piece.values))


def join(between: str, pieces: Iterable[Sql]) -> Sql:
    """The pieces with text between them."""
    found = list(pieces)
    return Sql(
        between.join(piece.text for piece in found), tuple(value for piece in found for value in piece.values)
    )


def all_of(pieces: Iterable[Sql]) -> Sql:
    """All of them hold."""
    found = list(pieces)
    return join(" AND ", found) if found else Sql("true")


def any_of(pieces: Iterable[Sql]) -> Sql:
    """At least one of them holds."""
    found = list(pieces)
    if len(found) == 1:
        return found[0]
    return put("({})", join(" OR ", found)) if found else NEVER


def moment(microseconds: int) -> str:
    """An instant for a ``timestamptz`` parameter, from microseconds since 1970; held within the years 1 to 9999."""
    if microseconds >= END_OF_TIME:
        return "10000-01-01 00:00:00+00"
    return to_datetime(max(microseconds, BEGINNING)).isoformat()
