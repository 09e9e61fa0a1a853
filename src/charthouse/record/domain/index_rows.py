"""Search values rendered as rows of the index tables, ready for COPY."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from charthouse.exchange.fhir.api import ReferenceRow, Rows, TokenRow
from charthouse.foundation.copying import UNIX_EPOCH, blob, row_struct, run_struct
from charthouse.foundation.ids import hash64
from charthouse.record import schema

#: The columns of each table as its rows are rendered: first what is known only when a resource is filed.
COLUMNS: dict[str, tuple[str, ...]] = {
    schema.TOKEN: ("resource", "at", "version", "code", "system", "labels", "type", "param"),
    schema.REFERENCE: ("resource", "at", "version", "target", "labels", "type", "param"),
    schema.DATE: ("resource", "at", "version", "low", "high", "labels", "type", "param"),
    schema.QUANTITY: ("resource", "at", "version", "low", "high", "unit", "labels", "type", "param"),
    schema.STRING: ("resource", "at", "version", "value", "labels", "type", "param"),
}

_BEGIN = row_struct("qqi")
_WIDTH = {table: len(columns) for table, columns in COLUMNS.items()}
_TWO, _ONE, _QUANTITY, _END = (run_struct(f"{values}ihh") for values in ("qq", "q", "ddq", ""))

#: By table, what follows the beginning of each row.
Endings = tuple[tuple[str, tuple[bytes, ...]], ...]

#: Rendered rows of one kind that are kept for the next resources.
_KEPT = 2_048

#: Strings are indexed by their first bytes; a longer one is compared again against the resource.
STRING_LENGTH = 160


@lru_cache(maxsize=65_536)
def token_hash(text: str) -> int:
    """The stored hash of a system or code; 0 stands for none. A concept told in words alone has a row of zeros."""
    return hash64(text) if text else 0


def unit_hash(system: str | None, code: str | None, unit: str | None) -> int:
    """The stored hash of a quantity's unit: its code when coded, else its text."""
    return token_hash(f"{system or ''}|{code or unit or ''}")


@lru_cache(maxsize=32_768)
def target_hash(target: str) -> int:
    """The stored hash of what a reference leads to: ``Type/id``, a URL, or ``system|value``.

    The first 64 bits of SHA-256, which PostgreSQL can work out of a resource's id, too: see :func:`target_sql`.
    """
    return int.from_bytes(hashlib.sha256(target.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)


def target_sql(kind: str, alias: str = "") -> str:
    """:func:`target_hash` of a resource of type ``kind``, as SQL over its column ``public_id``."""
    column = f"{alias}.public_id" if alias else "public_id"
    return f"('x' || left(encode(sha256(('{kind}/' || {column})::bytea), 'hex'), 16))::bit(64)::bigint"


class _Rendered:
    """Rows of one resource type and set of labels, by what they say: the same codes come again and again."""

    __slots__ = ("_end", "references", "tokens")

    def __init__(self, labels: int, type_id: int) -> None:
        self.tokens: dict[TokenRow, bytes] = {}
        self.references: dict[ReferenceRow, bytes] = {}
        self._end = (4, labels, 2, type_id, 2)

    def token(self, row: TokenRow) -> bytes:
        param, system, code, _text = row
        made = _TWO.pack(8, token_hash(code or ""), 8, token_hash(system or ""), *self._end, param)
        _remember(self.tokens, row, made)
        return made

    def reference(self, row: ReferenceRow) -> bytes:
        param, kind, number, other = row
        target = other or (f"{kind}/{number}" if number else "")
        made = _ONE.pack(8, target_hash(target), *self._end, param) if target else b""
        _remember(self.references, row, made)
        return made


def _remember(known: dict[Any, bytes], row: Any, made: bytes) -> None:
    if len(known) >= _KEPT:
        known.clear()
    known[row] = made


@lru_cache(maxsize=1024)
def _rendered(labels: int, type_id: int) -> _Rendered:
    return _Rendered(labels, type_id)


def render(rows: Rows, *, labels: int, type_id: int) -> Endings:
    """The index rows of one resource, without what is known only when it is filed; no row twice."""
    known = _rendered(labels, type_id)
    tables: list[tuple[str, tuple[bytes, ...]]] = []

    def add(table: str, found: list[bytes]) -> None:
        tables.append((table, tuple(dict.fromkeys(found)) if len(found) > 1 else tuple(found)))

    if rows.tokens or rows.uris:
        had = known.tokens.get
        tokens = [had(row) or known.token(row) for row in rows.tokens]
        tokens += [known.token((param, None, uri, None)) for param, uri in rows.uris]
        add(schema.TOKEN, tokens)
    if rows.references:
        met = known.references.get
        if references := [made for row in rows.references if (made := met(row) or known.reference(row))]:
            add(schema.REFERENCE, references)
    if rows.dates:
        add(
            schema.DATE,
            [
                _TWO.pack(8, low - UNIX_EPOCH, 8, high - UNIX_EPOCH, 4, labels, 2, type_id, 2, param)
                for param, low, high in rows.dates
            ],
        )
    if rows.quantities or rows.numbers:
        quantities = [
            _QUANTITY.pack(8, low, 8, high, 8, unit_hash(system, code, unit), 4, labels, 2, type_id, 2, param)
            for param, low, high, system, code, unit in rows.quantities
        ]
        quantities += [
            _QUANTITY.pack(8, low, 8, high, 8, 0, 4, labels, 2, type_id, 2, param)
            for param, low, high in rows.numbers
        ]
        add(schema.QUANTITY, quantities)
    if rows.strings:
        strings = [
            blob(value[:STRING_LENGTH].encode()) + _END.pack(4, labels, 2, type_id, 2, param)
            for param, value in rows.strings
        ]
        add(schema.STRING, strings)
    return tuple(tables)


def complete(endings: Endings, into: dict[str, list[bytes]], *, resource: int, at: int, version: int) -> None:
    """Append the rows of one resource version to ``into`` (table -> rows).

    ``at`` is the resource's main date in microseconds since PostgreSQL's epoch.
    """
    for table, ends in endings:
        begin = _BEGIN.pack(_WIDTH[table], 8, resource, 8, at, 4, version)
        into[table].append(begin + begin.join(ends))
