"""Note which file holds an attachment that left its resource."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from charthouse.record.domain.attachments import DetachedPart
from charthouse.record.domain.filing import Filed
from charthouse.record.domain.types import TYPE_ID


def keep_attachments(cursor: Any, kept: Sequence[tuple[Filed, DetachedPart, UUID]]) -> None:
    """Keep (resource version, attachment, file) rows; one that is there already is left alone."""
    if not kept:
        return
    cursor.execute(
        "INSERT INTO record_attachment (resource, type, version, place, public_id, file, media_type, size) "
        "SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::int[], %s::smallint[], %s::text[], %s::uuid[], "
        "%s::text[], %s::bigint[]) ON CONFLICT DO NOTHING",
        [
            [filed.row for filed, _, _ in kept],
            [TYPE_ID[filed.type] for filed, _, _ in kept],
            [filed.version for filed, _, _ in kept],
            [part.place for _, part, _ in kept],
            [part.public_id for _, part, _ in kept],
            [file for _, _, file in kept],
            [part.media_type[:100] for _, part, _ in kept],
            [len(part.data) for _, part, _ in kept],
        ],
    )
