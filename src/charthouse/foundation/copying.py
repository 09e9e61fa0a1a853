"""PostgreSQL's binary COPY format, rendered ahead so that one write sends many rows.

Fixed-width rows cost one :mod:`struct` call; the general writer takes already encoded fields. Integers are
network order; a timestamp is microseconds since 2000-01-01 UTC (PostgreSQL's own epoch).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
#: Microseconds from the Unix epoch to PostgreSQL's.
UNIX_EPOCH = 946_684_800_000_000
MINUS_INFINITY = -(1 << 63)
INFINITY = (1 << 63) - 1

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_MICROSECOND = timedelta(microseconds=1)

INT2 = Struct(">ih")
INT4 = Struct(">ii")
INT8 = Struct(">iq")
NULL = b"\xff\xff\xff\xff"
_COUNT = Struct(">h")
_LENGTH = Struct(">i")


def micros(instant: datetime) -> int:
    """Microseconds from PostgreSQL's epoch to an aware instant."""
    return (instant - EPOCH) // _MICROSECOND


def row_struct(kinds: str) -> Struct:
    """The layout of a row without nulls: one letter a column, h int2, i int4, q int8 or timestamptz, d float8.

    Pack with the column count first, then for each column its size and its value.
    """
    return Struct(">h" + "".join("i" + kind for kind in kinds))


def run_struct(kinds: str) -> Struct:
    """The layout of some columns without nulls within a row, as :func:`row_struct` without the count."""
    return Struct(">" + "".join("i" + kind for kind in kinds))


def int2(value: int) -> bytes:
    return INT2.pack(2, value)


def int4(value: int) -> bytes:
    return INT4.pack(4, value)


def int8(value: int | None) -> bytes:
    return NULL if value is None else INT8.pack(8, value)


def blob(value: bytes | None) -> bytes:
    """A bytea, text or json column's field from its bytes."""
    return NULL if value is None else _LENGTH.pack(len(value)) + value


def length(value: bytes) -> bytes:
    """What stands before a field's bytes, for one that is sent beside them rather than joined to them."""
    return _LENGTH.pack(len(value))


def row(*fields: bytes) -> bytes:
    """One row from encoded fields."""
    return _COUNT.pack(len(fields)) + b"".join(fields)


def copy_in(cursor: Any, table: str, columns: Iterable[str], rows: Iterable[bytes]) -> None:
    """Send rendered rows, each in one piece or in several, to ``table``. ``cursor`` is Django's or psycopg's;
    errors are psycopg's own."""
    data = b"".join(rows)
    if not data:
        return
    target = getattr(cursor, "cursor", cursor)
    with target.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(_HEADER)
        copy.write(data)
        copy.write(_TRAILER)


def next_numbers(cursor: Any, sequence: str, count: int) -> list[int]:
    """``count`` fresh numbers of a sequence, for rows to be copied in."""
    if not count:
        return []
    cursor.execute("SELECT array_agg(nextval(%s::regclass)) FROM generate_series(1, %s)", [sequence, count])
    numbers: list[int] = cursor.fetchone()[0]
    return numbers
