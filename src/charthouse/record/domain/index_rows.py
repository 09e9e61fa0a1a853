"""Search values rendered as rows of the index tables, ready for COPY."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from charthouse.exchange.fhir.api import Rows
from charthouse.foundation.copying import UNIX_EPOCH, blob, row_struct, run_struct
from charthouse.foundation.ids import hash64
from charthouse.record import schema

COLUMNS: dict[str, tuple[str, ...]] = {
    schema.TOKEN: ("resource", "at", "code", "system", "version", "labels", "type", "param"),
    schema.REFERENCE: ("resource", "at", "target", "version", "labels", "type", "param"),
    schema.DATE: ("resource", "at", "low", "high", "version", "labels", "type", "param"),
    schema.QUANTITY: ("resource", "at", "low", "high", "unit", "version", "labels", "type", "param"),
    schema.STRING: ("resource", "at", "version", "labels", "type", "param", "value"),
}

# A row is its beginning (one for all of a resource's), what is its own, and its end (one for a parameter's).
_BEGIN = row_struct("qq")
_TWO, _ONE, _QUANTITY = run_struct("qq"), run_struct("q"), run_struct("ddq")
_END = run_struct("iihh")

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


def render(
    rows: Rows, into: dict[str, list[bytes]], *, resource: int, at: int, version: int, labels: int, type_id: int
) -> None:
    """Append the index rows of one resource version to ``into`` (table -> pieces of rows).

    ``at`` is the resource's main date in microseconds since PostgreSQL's epoch.
    """
    ends: dict[int, bytes] = {}

    def end(param: int) -> bytes:
        found = ends.get(param)
        if found is None:
            found = ends[param] = _END.pack(4, version, 4, labels, 2, type_id, 2, param)
        return found

    if rows.tokens or rows.uris:
        tokens = into[schema.TOKEN]
        begin = _BEGIN.pack(8, 8, resource, 8, at)
        for param, system, code, _text in rows.tokens:
            tokens += begin, _TWO.pack(8, token_hash(code or ""), 8, token_hash(system or "")), end(param)
        for param, uri in rows.uris:
            tokens += begin, _TWO.pack(8, token_hash(uri), 8, 0), end(param)
    if rows.references:
        references = into[schema.REFERENCE]
        begin = _BEGIN.pack(7, 8, resource, 8, at)
        for param, kind, number, other in rows.references:
            if target := other or (f"{kind}/{number}" if number else ""):
                references += begin, _ONE.pack(8, target_hash(target)), end(param)
    if rows.dates:
        dates = into[schema.DATE]
        begin = _BEGIN.pack(8, 8, resource, 8, at)
        for param, low, high in rows.dates:
            dates += begin, _TWO.pack(8, low - UNIX_EPOCH, 8, high - UNIX_EPOCH), end(param)
    if rows.quantities or rows.numbers:
        quantities = into[schema.QUANTITY]
        begin = _BEGIN.pack(9, 8, resource, 8, at)
        for param, low_value, high_value, system, code, unit in rows.quantities:
            quantities += (
                begin,
                _QUANTITY.pack(8, low_value, 8, high_value, 8, unit_hash(system, code, unit)),
                end(param),
            )
        for param, low_value, high_value in rows.numbers:
            quantities += begin, _QUANTITY.pack(8, low_value, 8, high_value, 8, 0), end(param)
    if rows.strings:
        strings = into[schema.STRING]
        begin = _BEGIN.pack(7, 8, resource, 8, at)
        for param, value in rows.strings:
            strings += begin, end(param), blob(value[:STRING_LENGTH].encode())
