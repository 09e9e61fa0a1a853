"""Reads for checking what was filed, with nothing left out: the checker must see everything to keep it right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .domain.filing import STATE_NUMBER, State
from .domain.index_rows import token_hash
from .domain.packing import decompress
from .domain.types import TYPE_ID, TYPE_NAME
from .queries import param_of

_DELETED = STATE_NUMBER[State.DELETED]


@dataclass(frozen=True, slots=True)
class Standing:
    """A resource as it stands, and who sent it (``source``)."""

    type: str
    public_id: str
    row: int
    version: int
    source: int
    filed_at: datetime
    is_deleted: bool
    content: bytes


_SELECT = (
    "SELECT r.type, r.public_id, r.id, r.version, r.source, r.filed_at, r.state, v.content FROM record_resource r "
    "JOIN record_version v ON v.type = r.type AND v.resource = r.id AND v.version = r.version "
)


def _standing(records: Iterable[Sequence[Any]]) -> list[Standing]:
    return [
        Standing(TYPE_NAME[kind], public_id, row, version, source, at, state == _DELETED, decompress(content))
        for kind, public_id, row, version, source, at, state, content in records
    ]


def standing_of_messages(cursor: Any, messages: Sequence[int]) -> list[Standing]:
    """What these messages brought and still stands as they brought it."""
    cursor.execute(_SELECT + "WHERE v.message = ANY(%s)", [list(messages)])
    return _standing(cursor.fetchall())


def standing_after(cursor: Any, kind: str, row: int, limit: int) -> list[Standing]:
    """The resources of a type after a row, in the order of their rows."""
    number = TYPE_ID[kind]
    cursor.execute(
        _SELECT + "WHERE r.type = %s AND v.type = %s AND r.id > %s ORDER BY r.id LIMIT %s",
        [number, number, row, limit],
    )
    return _standing(cursor.fetchall())


def standing_coded(cursor: Any, kind: str, parameter: str, code: str, row: int, limit: int) -> list[Standing]:
    """The resources of a type that carry a code under a search parameter of theirs, after a row, in the order
    of their rows. An empty code finds those that say it in words alone. Raises LookupError where that parameter
    is not indexed.
    """
    number = TYPE_ID[kind]
    cursor.execute(
        _SELECT + "WHERE r.type = %s AND v.type = %s AND r.id > %s AND EXISTS (SELECT FROM record_index_token i "
        "WHERE i.type = r.type AND i.param = %s AND i.code = %s AND i.resource = r.id AND i.version = r.version) "
        "ORDER BY r.id LIMIT %s",
        [number, number, row, param_of(kind, parameter), token_hash(code), limit],
    )
    return _standing(cursor.fetchall())


def absent(cursor: Any, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the ``(type, public id)`` keys that the record does not have, and never had."""
    by_type: dict[str, set[str]] = {}
    for kind, public_id in keys:
        by_type.setdefault(kind, set()).add(public_id)
    missing = set()
    for kind, ids in sorted(by_type.items()):
        cursor.execute(
            "SELECT public_id FROM record_resource WHERE type = %s AND public_id = ANY(%s)",
            [TYPE_ID[kind], list(ids)],
        )
        missing |= {(kind, id) for id in ids - {found for (found,) in cursor.fetchall()}}
    return missing
