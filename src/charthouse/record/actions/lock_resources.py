"""Have resources to oneself until the transaction ends, and see how they stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from charthouse.record.domain.filing import STATE_NUMBER, State
from charthouse.record.domain.types import TYPE_ID, TYPE_NAME

_DELETED = STATE_NUMBER[State.DELETED]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a resource stands: its row, current version and labels."""

    row: int
    version: int
    labels: int
    is_deleted: bool


def lock_resources(cursor: Any, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Standing]:
    """Wait for who is writing one of these ``(type, public id)`` just now, and have them; those that there are.

    Always in the same order. One that two transactions make at once is refused by its key to the second.
    """
    wanted = sorted({(TYPE_ID[kind], public_id) for kind, public_id in keys})
    if not wanted:
        return {}
    cursor.execute(
        "SELECT type, public_id, id, version, labels, state FROM record_resource WHERE type = ANY(%s) "
        "AND (type, public_id) IN (SELECT * FROM unnest(%s::smallint[], string_to_array(%s, E'\\x1f'))) "
        "ORDER BY type, id FOR UPDATE",
        [
            sorted({kind for kind, _ in wanted}),
            [kind for kind, _ in wanted],
            "\x1f".join(public_id for _, public_id in wanted),
        ],
    )
    return {
        (TYPE_NAME[kind], public_id): Standing(row, version, labels, state == _DELETED)
        for kind, public_id, row, version, labels, state in cursor.fetchall()
    }
