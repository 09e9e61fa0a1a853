"""Statements that are planned once a connection, for what is asked with every request.

Planning a read of partitioned tables takes several times as long as the read. Numbers that choose a partition or
limit the rows must stand in the statement's text, so that its one plan is as good as any. PostgreSQL makes that
plan only where it thinks so too: of a list it sees how long it is, and would plan each short one anew, unless the
list is hidden from it, as ``ANY((SELECT %s::bigint[])::bigint[])`` or ``unnest((SELECT %s::bigint[]))``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper

from .arrays import array

#: A value for each place of a statement, or for each name in it.
Values = Sequence[Any] | Mapping[str, Any]
#: Times that a statement which is not surely asked again is asked before it is prepared.
_AGAIN = 5
_WHOLE = {int}
#: PostgreSQL's number for the type bigint[].
_LIST_OF_INT8 = 1016


def prepared(statement: str, values: Values, *, binary: bool = False) -> list[tuple[Any, ...]]:
    """The rows of a statement, in the transaction Django's connection is in, or in one of its own.

    ``binary`` has them sent as PostgreSQL holds them, which is faster for many. Raises Django's database errors.
    """
    return _rows(statement, values, True, binary)


def prepared_together(asked: Sequence[tuple[str, Values]]) -> list[list[tuple[Any, ...]]]:
    """As :func:`prepared` of several statements, one after the other, sent together: one way there and back, with
    the beginning of the transaction too. Each sees what was committed before its own beginning, as ever."""
    django, plain = _connections()
    with django.wrap_database_errors, ExitStack() as opened:
        cursors = [opened.enter_context(psycopg.Cursor(plain)) for _ in asked]
        with plain.pipeline():
            for cursor, (statement, values) in zip(cursors, asked, strict=True):
                _log(django, plain, statement, values)
                cursor.execute(statement, _values(values), prepare=True)
        return [_fetched(cursor) for cursor in cursors]


def prepared_in_time(statement: str, values: Values) -> list[tuple[Any, ...]]:
    """As :func:`prepared`, binary, of a statement that is one of many: prepared when it has come a few times."""
    return _rows(statement, values, None, True)


def planned_anew(statement: str, values: Values) -> list[tuple[Any, ...]]:
    """As :func:`prepared`, binary, of a statement whose best plan depends on its values."""
    return _rows(statement, values, False, True)


def _rows(statement: str, values: Values, prepare: bool | None, binary: bool) -> list[tuple[Any, ...]]:
    django, plain = _connections()
    _log(django, plain, statement, values)
    with django.wrap_database_errors, psycopg.Cursor(plain) as cursor:
        cursor.execute(statement, _values(values), prepare=prepare, binary=binary)
        return _fetched(cursor)


def _connections() -> tuple[Any, psycopg.Connection[Any]]:
    """Django's connection, in a state to be asked, and the driver's below it."""
    django = connections[DEFAULT_DB_ALIAS]
    django.ensure_connection()
    django.validate_no_broken_transaction()
    plain = django.connection
    if plain.prepare_threshold is None:
        plain.prepare_threshold = _AGAIN  # Django turns preparing off; its own cursors never do it
        plain.adapters.register_dumper(_Numbers, _NumbersDumper)
    return django, plain


def _log(django: Any, plain: psycopg.Connection[Any], statement: str, values: Values) -> None:
    if django.queries_logged:
        text = psycopg.ClientCursor(plain).mogrify(statement, values)
        django.queries_log.append({"sql": text, "time": "0"})


def _fetched(cursor: psycopg.Cursor[Any]) -> list[tuple[Any, ...]]:
    # Whether there are rows, without describing them.
    return cursor.fetchall() if cursor.pgresult is not None and cursor.pgresult.nfields else []


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A list of whole numbers, as PostgreSQL reads one."""

    text: bytes


class _NumbersDumper(Dumper):
    """Of 64 bits each, as those of a list that the driver writes may be; it would look at each for what must be
    quoted."""

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        # Not of the class, which would make this the dumper of all that is of this type.
        self.oid = _LIST_OF_INT8

    def dump(self, obj: _Numbers) -> bytes:
        return obj.text


def _values(values: Values) -> Values:
    if isinstance(values, Mapping):
        return {name: _value(each) for name, each in values.items()}
    return [_value(each) for each in values]


def _value(value: Any) -> Any:
    if type(value) is list and value and set(map(type, value)) == _WHOLE:
        return _Numbers(array(value).encode())
    return value
