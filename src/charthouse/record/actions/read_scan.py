"""Read a document's scans by machine, and keep the text apart from the document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import connection, transaction

from charthouse.foundation.access.api import system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger import api as ledger
from charthouse.record.attachment_queries import attachment_content
from charthouse.record.charting.item import item_of
from charthouse.record.domain.attachments import attachments_of
from charthouse.record.domain.filing import STATE_NUMBER, State
from charthouse.record.domain.packing import compress
from charthouse.record.domain.texts import text_of, tidy
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.queries import Stored, current
from charthouse.record.scans import engine, machine_text, read_pages, scanned

from ._texts_due import texts_changed

_CTX = system_context("record.scans")


def read_scan(kind: str, public_id: str, told: Callable[[int], None] = lambda pages: None) -> Mapping[str, Any]:
    """Read the parts of a document that have no text of their own and were not read before; how many parts and
    pages that was. ``told`` gets the pages so far. Bears a repeat. Raises NoReader."""
    with connection.cursor() as cursor:
        stored = current(cursor, _CTX, [(kind, public_id)]).get((kind, public_id))
        if stored is None:
            return {"parts": 0, "pages": 0}
        known = machine_text(TYPE_ID[kind], stored.row, stored.version)
        contents = [
            (place, content, media_type)
            for place, attachment in enumerate(attachments_of(item_of(stored).resource))
            if place not in known and scanned(media_type := str(attachment.get("contentType") or ""))
            and (content := attachment_content(cursor, stored, place, attachment)) is not None
        ]  # fmt: skip
    parts = pages = 0
    for place, content, media_type in contents:
        if text_of(content, media_type):
            continue
        texts = []
        for text in read_pages(content, media_type):
            texts.append(text)
            pages += 1
            told(pages)
        _keep(stored, place, texts)
        parts += 1
    return {"parts": parts, "pages": pages}


def _keep(stored: Stored, place: int, texts: list[str]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        # Reading takes long: the document may have been destroyed meanwhile.
        cursor.execute(
            "SELECT FROM record_resource WHERE type = %s AND id = %s AND state <> %s FOR SHARE",
            [TYPE_ID[stored.type], stored.row, STATE_NUMBER[State.DESTROYED]],
        )
        if not cursor.rowcount:
            return
        cursor.execute(
            "INSERT INTO record_machine_text (resource, type, version, place, pages, engine, read_at, body) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                stored.row,
                TYPE_ID[stored.type],
                stored.version,
                place,
                len(texts),
                engine(),
                wall(),
                compress(tidy("\n\n".join(filter(None, texts))).encode()),
            ],
        )
        if not cursor.rowcount:
            return
        texts_changed(cursor, [(TYPE_ID[stored.type], stored.row)])
        ledger.append(
            _CTX,
            "document.read-by-machine",
            subjects=[ledger.Subject("resource", f"{stored.type}/{stored.public_id}")],
            detail={"version": stored.version, "place": place, "pages": len(texts)},
        )
