"""Keep billing and coding segments (IN1, GT1, DG1, PR1, FT1 …) with their account, as they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AccountSegmentRow:
    """One segment; ``account``, ``patient``, ``encounter`` are resource rows, ``place`` its line in the message."""

    account: int
    patient: int
    encounter: int | None
    message: int
    name: str
    place: int
    text: str


def keep_account_segments(cursor: Any, rows: Sequence[AccountSegmentRow], filed_at: datetime) -> None:
    """Keep the segments; those of a message filed again are there already and left alone."""
    if not rows:
        return
    cursor.execute(
        "INSERT INTO record_account_segment (account, patient, encounter, message, name, place, text, filed_at) "
        "SELECT *, %s FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], "
        "%s::smallint[], %s::text[]) ON CONFLICT (account, message, place) DO NOTHING",
        [
            filed_at,
            [each.account for each in rows],
            [each.patient for each in rows],
            [each.encounter for each in rows],
            [each.message for each in rows],
            [each.name for each in rows],
            [each.place for each in rows],
            [each.text for each in rows],
        ],
    )
