"""Search values rendered as rows of the index tables, ready for COPY."""

from __future__ import annotations

from functools import lru_cache

from charthouse.exchange.fhir.api import Rows
from charthouse.foundation.copying import blob, int2, int4, int8, row, row_struct
from charthouse.foundation.ids import hash64

from .. import schema

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
    """The stored hash of a system or code; 0 stands for none."""
    return hash64(text) if text else 0


def unit_hash(system: str | None, code: str | None, unit: str | None) -> int:
    """The stored hash of a quantity's unit: its code when coded, else its text."""
    return token_hash(f"{system or ''}|{code or unit or ''}")


def render(
    rows: Rows, into: dict[str, list[bytes]], *, resource: int, at: int, version: int, labels: int, type_id: int
) -> int:
    """Append the index rows of one resource version to ``into`` (table -> rows); returns how many.

    ``at`` is the resource's main date in microseconds since PostgreSQL's epoch.
    """
    tokens = into[schema.TOKEN]
    for param, system, code in rows.tokens:
        tokens.append(
            _TOKEN.pack(
                8, 8, resource, 8, at, 8, token_hash(code or ""), 8, token_hash(system or ""),
                4, version, 4, labels, 2, type_id, 2, param,
            )
        )  # fmt: skip
    references = into[schema.REFERENCE]
    for param, target in rows.references:
        references.append(
            _REFERENCE.pack(
                7, 8, resource, 8, at, 8, hash64(target), 4, version, 4, labels, 2, type_id, 2, param
            )
        )  # fmt: skip
    dates = into[schema.DATE]
    for param, low, high in rows.dates:
        dates.append(
            _DATE.pack(8, 8, resource, 8, at, 8, low, 8, high, 4, version, 4, labels, 2, type_id, 2, param)
        )
    quantities = into[schema.QUANTITY]
    for param, low_value, high_value, system, code, unit in rows.quantities:
        quantities.append(
            _QUANTITY.pack(
                9, 8, resource, 8, at, 8, low_value, 8, high_value, 8, unit_hash(system, code, unit),
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
    return len(rows.tokens) + len(rows.references) + len(rows.dates) + len(rows.quantities) + len(rows.strings)
