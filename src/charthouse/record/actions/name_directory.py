"""Remember the names by which senders mention shared resources, and the senders themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charthouse.foundation.clock import wall
from charthouse.record.domain.types import TYPE_ID


def remember_aliases(cursor: Any, aliases: Mapping[str, tuple[str, str]]) -> None:
    """Keep ``alias key -> (type, public id)``; a name keeps the meaning it was first given."""
    if not aliases:
        return
    keys = sorted(aliases)
    cursor.execute(
        "INSERT INTO record_directory_alias (key, type, public_id) "
        "SELECT * FROM unnest(%s::text[], %s::smallint[], %s::text[]) ON CONFLICT (key) DO NOTHING",
        [keys, [TYPE_ID[aliases[key][0]] for key in keys], [aliases[key][1] for key in keys]],
    )


def source_id(cursor: Any, name: str) -> int:
    """The number of the sender called ``name``, made known on its first message."""
    cursor.execute("SELECT id FROM record_source WHERE name = %s", [name])
    found = cursor.fetchone()
    if not found:
        cursor.execute(
            "INSERT INTO record_source (name, time_zone, charset, created_at) VALUES (%s, '', '', %s) "
            "ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
            [name, wall()],
        )
        found = cursor.fetchone()
    number: int = found[0]
    return number


def set_source(cursor: Any, number: int, *, time_zone: str, charset: str) -> None:
    """Say how a sender's messages are read where they do not say themselves."""
    cursor.execute(
        "UPDATE record_source SET time_zone = %s, charset = %s WHERE id = %s", [time_zone, charset, number]
    )
