"""Search values rendered as rows of the index tables, ready for COPY."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from charthouse.exchange.fhir.api import Rows
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
_TWO, _ONE, _QUANTITY = run_struct("qq"), run_struct("q"), run_struct("ddq")
_END = run_struct("ihh")

#: By table, what follows the beginning of each row.
Endings = tuple[tuple[str, tuple[bytes, ...]], ...]

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


def render(rows: Rows, *, labels: int, type_id: int) -> Endings:
    """The index rows of one resource, without what is known only when it is filed; no row twice."""
    ends: dict[int, bytes] = {}

    def end(param: int) -> bytes:
        found = ends.get(param)
        if found is None:
            found = ends[param] = _END.pack(4, labels, 2, type_id, 2, param)
        return found

    tokens = [
        _TWO.pack(8, token_hash(code or ""), 8, token_hash(system or "")) + end(param)
        for param, system, code, _text in rows.tokens
    ]
    tokens += [_TWO.pack(8, token_hash(uri), 8, 0) + end(param) for param, uri in rows.uris]
    references = [
        _ONE.pack(8, target_hash(target)) + end(param)
        for param, kind, number, other in rows.references
        if (target := other or (f"{kind}/{number}" if number else ""))
    ]
    dates = [_TWO.pack(8, low - UNIX_EPOCH, 8, high - UNIX_EPOCH) + end(param) for param, low, high in rows.dates]
    quantities = [
        _QUANTITY.pack(8, low, 8, high, 8, unit_hash(system, code, unit)) + end(param)
        for param, low, high, system, code, unit in rows.quantities
    ]
    quantities += [_QUANTITY.pack(8, low, 8, high, 8, 0) + end(param) for param, low, high in rows.numbers]
    strings = [blob(value[:STRING_LENGTH].encode()) + end(param) for param, value in rows.strings]
    return tuple(
        (table, tuple(dict.fromkeys(found)))
        for table, found in (
            (schema.TOKEN, tokens),
            (schema.REFERENCE, references),
            (schema.DATE, dates),
            (schema.QUANTITY, quantities),
            (schema.STRING, strings),
        )
        if found
    )


def complete(endings: Endings, into: dict[str, list[bytes]], *, resource: int, at: int, version: int) -> None:
    """Append the rows of one resource version to ``into`` (table -> rows).

    ``at`` is the resource's main date in microseconds since PostgreSQL's epoch.
    """
    for table, ends in endings:
        begin = _BEGIN.pack(_WIDTH[table], 8, resource, 8, at, 4, version)
        into[table].append(begin + begin.join(ends))
