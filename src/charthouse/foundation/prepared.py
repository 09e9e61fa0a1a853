"""Statements that are planned once a connection, for what is asked with every request.

Planning a read of partitioned tables takes several times as long as the read. Numbers that choose a partition must
stand in the statement's text, so that its one plan is as good as any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

#: Times that a statement which is not surely asked again is asked before it is prepared.
_AGAIN = 5
_NUMBERS = {int}


def prepared(statement: str, values: Sequence[Any], *, binary: bool = False) -> list[tuple[Any, ...]]:
    """The rows of a statement, in the transaction Django's connection is in, or in one of its own.

    ``binary`` has them sent as PostgreSQL holds them, which is faster for many. Raises Django's database errors.
    """
    return _rows(statement, values, True, binary)


def prepared_in_time(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """As :func:`prepared`, binary, of a statement that is one of many: prepared when it has come a few times."""
    return _rows(statement, values, None, True)


def planned_anew(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """As :func:`prepared`, binary, of a statement whose best plan depends on its values."""
    return _rows(statement, values, False, True)


def _rows(statement: str, values: Sequence[Any], prepare: bool | None, binary: bool) -> list[tuple[Any, ...]]:
    django = connections[DEFAULT_DB_ALIAS]
    django.ensure_connection()
    plain = django.connection
    if plain.prepare_threshold is None:
        plain.prepare_threshold = _AGAIN  # Django turns preparing off; its own cursors never do it
    if django.queries_logged:
        text = psycopg.ClientCursor(plain).mogrify(statement, values)
        django.queries_log.append({"sql": text, "time": "0"})
    with django.wrap_database_errors, psycopg.Cursor(plain) as cursor:
        cursor.execute(statement, [_value(each) for each in values], prepare=prepare, binary=binary)
        # Whether there are rows, without describing them.
        return cursor.fetchall() if cursor.pgresult is not None and cursor.pgresult.nfields else []


def _value(value: Any) -> Any:
    """A list of numbers written as PostgreSQL reads one: the driver would look at each for what must be quoted. The
    statement says of what type they are."""
    if type(value) is list and value and set(map(type, value)) == _NUMBERS:
        return "{" + ",".join(map(str, value)) + "}"
    return value
