"""Reads of many encounters at once, with what belongs to them: a few statements for hundreds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.prepared import planned_anew

from .domain.index_rows import token_hash
from .domain.types import TYPE_ID
from .queries import STORED, Stored, param_of, stored_from

_SELECT = (
    "SELECT " + STORED + " FROM record_resource r JOIN record_version v ON v.type = r.type AND v.resource = r.id "  # noqa: S608
    "AND v.version = r.version "
)
#: No row of a table goes beyond it.
_LAST = (1 << 63) - 1
_ENCOUNTER = TYPE_ID["Encounter"]
_STANDS = "AND r.state = 0 AND r.labels & %s = 0 "


_CARRIES_FEW = (
    "AND EXISTS (SELECT FROM record_index_token i WHERE i.type = {type} AND i.param = ANY(%s) AND i.code = ANY(%s) "
    "AND i.at = r.main_low AND i.resource = r.id AND i.version = r.version)"
)
_CARRIES_MANY = (
    "AND EXISTS (SELECT FROM (SELECT i.code FROM record_index_token i WHERE i.type = {type} AND i.param = ANY(%s) "
    "AND i.resource = r.id AND i.version = r.version OFFSET 0) carried WHERE carried.code = ANY(%s))"
)
_FEW = 32
_STAMP = "hashint8extended(r.id, hashint8extended(r.labels, (r.version::bigint << 24) + (r.type << 8) + r.state))"


def encounter_rows_after(
    ctx: AccessContext, row: int, limit: int, upto: int | None = None
) -> list[tuple[int, str]]:
    """The rows and ids of the Encounters that stand, in the order of their rows, after a row and ``upto`` another;
    nothing of them is read."""
    return _rows_and_ids(
        f"SELECT r.id, r.public_id FROM record_resource r WHERE r.type = {_ENCOUNTER} AND r.id > %s AND r.id <= %s "  # noqa: S608
        + _STANDS
        + "ORDER BY r.id LIMIT %s",
        [row, _LAST if upto is None else upto, ~int(ctx.clearance), limit],
    )


def encounters_standing(ctx: AccessContext, ids: Sequence[str]) -> list[tuple[int, str]]:
    """The rows and ids of those of these Encounters (ids) that stand and may be seen, in their rows' order."""
    return _rows_and_ids(
        f"SELECT r.id, r.public_id FROM record_resource r WHERE r.type = {_ENCOUNTER} AND r.public_id = ANY(%s) "  # noqa: S608
        + _STANDS
        + "ORDER BY r.id",
        [list(ids), ~int(ctx.clearance)],
    )


def _rows_and_ids(statement: str, values: Sequence[Any]) -> list[tuple[int, str]]:
    return [(row, id) for row, id in planned_anew(statement, values)]


def encounters_at(ctx: AccessContext, rows: Sequence[int]) -> list[Stored]:
    """The Encounters of these rows that stand and may be seen, in the order of their rows."""
    return _stored(
        _SELECT
        + f"WHERE r.type = {_ENCOUNTER} AND v.type = {_ENCOUNTER} AND r.id = ANY(%s) "
        + _STANDS
        + "ORDER BY r.id",
        [list(rows), ~int(ctx.clearance)],
    )


def stamps_of(encounters: Sequence[int], kinds: Sequence[str]) -> dict[int, int]:
    """For each of the Encounters (rows) a number of 64 bits that is another one as soon as it, or what belongs to
    it of these types, comes, goes, gets another version, state or label. Nothing of them is read."""
    numbers = ", ".join(str(TYPE_ID[each]) for each in kinds)
    return dict(
        planned_anew(
            "SELECT found.encounter, bit_xor(found.stamp) FROM ("  # noqa: S608 (fixed words)
            f"SELECT r.id AS encounter, {_STAMP} AS stamp FROM record_resource r"
            f" WHERE r.type = {_ENCOUNTER} AND r.id = ANY(%s)"
            f" UNION ALL SELECT r.encounter, {_STAMP} FROM record_resource r"
            f" WHERE r.encounter = ANY(%s) AND r.type IN ({numbers})) found GROUP BY 1",
            [list(encounters), list(encounters)],
        )
    )


def encounters_numbered(ctx: AccessContext, number: str) -> list[str]:
    """The ids of the Encounters that stand and carry a number (a visit's or an account's), whoever gave it."""
    found = planned_anew(
        "SELECT DISTINCT r.public_id FROM record_index_token i "  # noqa: S608 (fixed words)
        "JOIN record_resource r ON r.type = i.type AND r.id = i.resource AND r.version = i.version "
        f"WHERE i.type = {_ENCOUNTER} AND i.param = %s AND i.code = %s AND r.type = {_ENCOUNTER} "
        + _STANDS
        + "ORDER BY r.public_id",
        [param_of("Encounter", "identifier"), token_hash(number), ~int(ctx.clearance)],
    )
    return [id for (id,) in found]


def of_encounters(ctx: AccessContext, encounters: Sequence[int], kinds: Sequence[str]) -> list[Stored]:
    """What stands of these types and belongs to the encounters (rows), in no order."""
    found = []
    for kind in kinds:
        found += _stored(_SELECT + _belongs(kind) + _STANDS, [list(encounters), ~int(ctx.clearance)])
    return found


def coded_of_encounters(
    ctx: AccessContext,
    encounters: Sequence[int],
    kind: str,
    parameters: Sequence[str],
    codes: Sequence[str],
) -> list[Stored]:
    """Of what stands of a type and belongs to the encounters, that which carries one of the codes, whatever its
    system, under one of the search parameters; in no order."""
    # Few codes are looked for; of many it is cheaper to look at what the resource carries.
    carries = _CARRIES_FEW if len(codes) <= _FEW else _CARRIES_MANY
    return _stored(
        _SELECT + _belongs(kind) + _STANDS + carries.format(type=TYPE_ID[kind]),
        [
            list(encounters),
            ~int(ctx.clearance),
            [param_of(kind, each) for each in parameters],
            [token_hash(each) for each in codes],
        ],
    )


def _belongs(kind: str) -> str:
    number = TYPE_ID[kind]
    return f"WHERE r.encounter = ANY(%s) AND r.type = {number} AND v.type = {number} "


def _stored(statement: str, values: Sequence[Any]) -> list[Stored]:
    return [stored_from(each) for each in planned_anew(statement, values)]
