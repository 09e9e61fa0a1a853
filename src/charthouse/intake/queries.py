"""Reads of intake: senders, messages, unfiled messages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection

from charthouse.configuration import configuration
from charthouse.record.api import messages_of, source_rows

from .domain.sender import Sender

#: Kinds of message that are filed whole or not at all.
ATOMIC_BUNDLES = frozenset({"Bundle transaction", "Bundle message", "Bundle document"})


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(configuration().time_zone)


def senders(cursor: Any, numbers: Iterable[int]) -> dict[int, Sender]:
    """The senders with these numbers; one without a zone of its own takes the site's."""
    return {
        number: Sender(number, each.name, _zone(each.time_zone or configuration().time_zone), each.charset)
        for number, each in source_rows(cursor, numbers).items()
    }


def control_ids(sender: str) -> list[str]:
    """The control ids of the messages kept of a sender, in the order they came."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.control_id FROM intake_message m JOIN record_source s ON s.id = m.source "
            "WHERE s.name = %s AND m.control_id <> '' AND m.duplicate_of IS NULL ORDER BY m.id",
            [sender],
        )
        return [control_id for (control_id,) in cursor.fetchall()]


def told_at(cursor: Any, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
    """Of these ``(type, public id)`` keys, the time of the C-CDA document that said last what they are now."""
    messages = messages_of(cursor, keys)
    cursor.execute(
        "SELECT id, occurred FROM intake_message WHERE id = ANY(%s) AND format = 'cda' AND occurred IS NOT NULL",
        [sorted(set(messages.values()))],
    )
    times = dict(cursor.fetchall())
    return {key: times[message] for key, message in messages.items() if message in times}


#: How the batch of what was entered by hand begins; the name of who entered it follows.
ENTERED_BY = "entered by "


def entered_by(messages: Iterable[int]) -> dict[int, str]:
    """Who entered these messages by hand at our own desk; others are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, batch FROM intake_message WHERE id = ANY(%s) AND connector = 'form'",
            [sorted(set(messages))],
        )
        found = cursor.fetchall()
    return {number: batch.removeprefix(ENTERED_BY) for number, batch in found if batch.startswith(ENTERED_BY)}
