"""Pages of long lists: where one ended, and a list of several facilities read from each one's own index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from charthouse.foundation.access.api import AccessContext

from .seeing import SEEN, facilities_reached, seen_by

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cursor_of(last: datetime | None, id: int) -> str:
    """Where a page ended, in numbers that say nothing of anybody."""
    return f"{(last - _EPOCH) // timedelta(microseconds=1) if last else ''}.{id}"


def place_of(cursor: str) -> tuple[datetime | None, int] | None:
    """The instant and row at which a page ended; None for the first page, and for what is no such place."""
    instant, dot, id = cursor.partition(".")
    if not dot or not id.isdecimal() or len(id) > 18:
        return None
    if not instant:
        return None, int(id)
    if not instant.isdecimal() or len(instant) > 17:
        return None
    return _EPOCH + timedelta(microseconds=int(instant)), int(id)


def places_reached(ctx: AccessContext, column: str, chosen: int | None) -> list[tuple[str, list[Any]]]:
    """Conditions that part what the asker reaches by facility, each with its values: what is of no facility and of
    each of theirs, or of the ``chosen`` one alone."""
    if chosen is not None:
        reached = not ctx.facilities or chosen in ctx.facilities
        return [(f"{column} = %s", [chosen])] if reached else [("false", [])]
    places = facilities_reached(ctx)
    if places is None:
        return [("true", [])]
    return [(f"{column} IS NULL", []), *((f"{column} = %s", [each]) for each in places)]


def _behind(after: str, instant: str, row: str, *, backwards: bool) -> list[tuple[str, list[Any]]]:
    """Conditions that part what follows where a page ended, each of which an index begins at: rows without an
    instant stand last."""
    place = place_of(after)
    if place is None:
        return [("true", [])]
    at, id = place
    if backwards:
        return [(f"({instant}, {row}) < (%s, %s)", [at, id])] if at else [("false", [])]
    if at is None:
        return [(f"{instant} IS NULL AND {row} > %s", [id])]
    return [(f"({instant}, {row}) > (%s, %s)", [at, id]), (f"{instant} IS NULL", [])]


def read_page(
    ctx: AccessContext,
    source: str,
    columns: Sequence[str],
    conditions: Sequence[str],
    values: Sequence[Any],
    parts: Sequence[tuple[str, list[Any]]],
    order: tuple[str, str],
    after: str,
    limit: int,
    *,
    backwards: bool = False,
    few: bool = False,
) -> list[tuple[Any, ...]]:
    """The rows behind ``after`` that the asker may see, in the order of an instant and the row's number. ``source``
    has the charts as ``c``. Each of several ``parts`` is read by itself and then put together. Only fixed words may
    stand in what is given but for ``values``.

    Whether a chart may be seen is asked last, and so of few: a subquery with an offset is not taken apart, and its
    rows come in its order. Of ``few``, which another index finds, all are read and put in order.
    """
    turn = " DESC" if backwards else ""
    shown = ", ".join((*columns, f"{order[0]} AS by_instant", f"{order[1]} AS by_row", "c.encounter AS encounter"))
    by = f"{order[0]}{turn}, {order[1]}{turn}"
    sorted_ = f" ORDER BY by_instant{turn}, by_row{turn}" if few else ""
    text, given = [], []
    for place, own in parts:
        for behind, where in _behind(after, *order, backwards=backwards):
            wanted = " AND ".join((*conditions, place, behind))
            inner = f"SELECT {shown} FROM {source} WHERE {wanted} ORDER BY {by} OFFSET 0"  # noqa: S608
            text.append(f"(SELECT * FROM ({inner}) AS c WHERE {SEEN}{sorted_} LIMIT %s)")  # noqa: S608
            given += [*values, *own, *where, *seen_by(ctx), limit]
    whole = f"SELECT * FROM ({' UNION ALL '.join(text)}) AS parts ORDER BY by_instant{turn}, by_row{turn} LIMIT %s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(whole, [*given, limit])
        return [row[: len(columns)] for row in cursor.fetchall()]


def count_rows(
    ctx: AccessContext,
    source: str,
    conditions: Sequence[str],
    values: Sequence[Any],
    parts: Sequence[tuple[str, list[Any]]],
    most: int,
) -> int:
    """How many rows a list has that the asker may see, counted to ``most``."""
    text, given = [], []
    for place, own in parts:
        inner = f"SELECT c.encounter FROM {source} WHERE {' AND '.join((*conditions, place))} OFFSET 0"  # noqa: S608
        text.append(f"(SELECT FROM ({inner}) AS c WHERE {SEEN} LIMIT %s)")
        given += [*values, *own, *seen_by(ctx), most]
    whole = f"SELECT count(*) FROM (SELECT FROM ({' UNION ALL '.join(text)}) AS parts LIMIT %s) AS n"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(whole, [*given, most])
        return int(cursor.fetchone()[0])
