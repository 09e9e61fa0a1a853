"""What is to be indexed anew by its words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def texts_changed(cursor: Any, items: Iterable[tuple[int, int]]) -> None:
    """Let items, by (type number, row), be indexed anew: for actions that change them otherwise than by filing."""
    for type_id, resource in items:
        cursor.execute(
            "INSERT INTO record_text_due (resource, filed_at, type) VALUES (%s, clock_timestamp(), %s)",
            [resource, type_id],
        )
