"""Search values rendered as rows of the index tables, ready for COPY."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from charthouse.exchange.fhir.api import Rows
from charthouse.foundation.copying import UNIX_EPOCH, blob, int2, int4, int8, row, row_struct
from charthouse.foundation.ids import hash64
from charthouse.record import schema

COLUMNS: dict[str, tuple[str, ...]] = {
    schema.TOKEN: ("resource", "at", "code", "system", "version", "labels", "type", "param"),
    schema.REFERENCE: ("resource", "at", "target", "version", "labels", "type", "param"),
    schema.DATE: ("resource", "at", "low", "high", "version", "labels", "type", "param"),
    schema.QUANTITY: ("resource", "at", "low", "high", "unit", "version", "labels", "type", "param"),
    schema.STRING: ("resource", "at", "version", "labels", "type", "param", "value"),
}

_TOKEN = row_struct("qqqqiihh")
_REFERENCE = row_struct("qqqiihh")
_DATE = row_struct("qqqqiihh")
_QUANTITY = row_struct("qqddqiihh")

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
    """Append the index rows of one resource version to ``into`` (table -> rows).

    ``at`` is the resource's main date in microseconds since PostgreSQL's epoch.
    """
    tokens = into[schema.TOKEN]
    for param, system, code, _text in rows.tokens:
        tokens.append(
            _TOKEN.pack(
                8, 8, resource, 8, at, 8, token_hash(code or ""), 8, token_hash(system or ""),
                4, version, 4, labels, 2, type_id, 2, param,
            )
        )  # fmt: skip
    for param, uri in rows.uris:
        tokens.append(
            _TOKEN.pack(
                8, 8, resource, 8, at, 8, token_hash(uri), 8, 0, 4, version, 4, labels, 2, type_id, 2, param
            )
        )  # fmt: skip
    references = into[schema.REFERENCE]
    for param, kind, number, other in rows.references:
        if target := other or (f"{kind}/{number}" if number else ""):
            references.append(
                _REFERENCE.pack(
                    7, 8, resource, 8, at, 8, target_hash(target), 4, version, 4, labels, 2, type_id, 2, param
                )
            )  # fmt: skip
    dates = into[schema.DATE]
    for param, low, high in rows.dates:
        dates.append(
            _DATE.pack(
                8, 8, resource, 8, at, 8, low - UNIX_EPOCH, 8, high - UNIX_EPOCH,
                4, version, 4, labels, 2, type_id, 2, param,
            )
        )  # fmt: skip
    quantities = into[schema.QUANTITY]
    for param, low_value, high_value, system, code, unit in rows.quantities:
        quantities.append(
            _QUANTITY.pack(
                9, 8, resource, 8, at, 8, low_value, 8, high_value, 8, unit_hash(system, code, unit),
                4, version, 4, labels, 2, type_id, 2, param,
            )
        )  # fmt: skip
    for param, low_value, high_value in rows.numbers:
        quantities.append(
            _QUANTITY.pack(
                9, 8, resource, 8, at, 8, low_value, 8, high_value, 8, 0,
                4, version, 4, labels, 2, type_id, 2, param,
            )
        )  # fmt: skip
    strings = into[schema.STRING]
    for param, value in rows.strings:
        strings.append(
            row(
                int8(resource), int8(at), int4(version), int4(labels), int2(type_id), int2(param),
                blob(value[:STRING_LENGTH].encode()),
            )
        )  # fmt: skip
