"""Reads of the bytes of attachments, for work of the record itself."""

from __future__ import annotations

from typing import Any

from charthouse.foundation.files.api import FileError
from charthouse.foundation.files.api import read as read_file
from charthouse.record.domain.attachments import binary_id, decoded
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.queries import Stored


def attachment_content(cursor: Any, stored: Stored, place: int, attachment: dict[str, Any]) -> bytes | None:
    """An attachment's bytes from the resource or the file store; None where there are none to be had."""
    if "data" in attachment:
        return decoded(attachment["data"])
    cursor.execute(
        "SELECT file FROM record_attachment WHERE type = %s AND resource = %s AND version <= %s "
        "AND (public_id = %s OR version = %s AND place = %s) ORDER BY version DESC LIMIT 1",
        [TYPE_ID[stored.type], stored.row, stored.version, binary_id(attachment), stored.version, place],
    )
    found = cursor.fetchone()
    try:
        return read_file(found[0]) if found else None
    except FileError:
        # A lost or damaged file is named by the verification of the store.
        return None
