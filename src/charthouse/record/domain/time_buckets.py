"""The time of a text as part of what its words are indexed under, so that a search may begin at the newest.

A word stands in the index as ``word/`` and four octal digits: the thirty days its text is of, counted from 1950.
Fewer digits mean 240, 1,920 or 15,360 days; so any span of time is a few beginnings of keys, which lie beside
each other in the index. A search goes from the newest span to older and larger ones, and ends as soon as it has
found enough. Texts without a date are as old as can be, those beyond the year 2286 as new.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

DIGITS = 4
LAST = 8**DIGITS - 1
_BEGIN = datetime(1950, 1, 1, tzinfo=UTC)
_DAYS = 30


def bucket_of(at: datetime | None) -> int:
    """The bucket of an instant, from 0 to :data:`LAST`; 0 for none."""
    return 0 if at is None else min(max((at - _BEGIN).days // _DAYS, 0), LAST)


def ending(bucket: int) -> str:
    """What follows a word in the index for a text of this bucket."""
    return f"/{bucket:0{DIGITS}o}"


def prefixes(low: int, high: int) -> list[str]:
    """The fewest beginnings of endings that cover the buckets from ``low`` to ``high``, both included."""
    found = []
    at = low
    while at <= high:
        digits = DIGITS
        while digits and at % 8 ** (DIGITS - digits + 1) == 0 and at + 8 ** (DIGITS - digits + 1) - 1 <= high:
            digits -= 1
        found.append("/" + f"{at:0{DIGITS}o}"[:digits])
        at += 8 ** (DIGITS - digits)
    return found


def span(texts: Sequence[tuple[int, int]], at: int, wanted: float) -> tuple[int, int, int]:
    """Whole buckets from place ``at`` on with about ``wanted`` texts, and at least one bucket: the oldest of
    them, the place after them, and their texts. ``texts`` are the buckets there are with their numbers of texts,
    newest first.
    """
    begin, count = texts[at]
    at += 1
    while at < len(texts) and count + texts[at][1] <= wanted:
        begin, more = texts[at]
        count += more
        at += 1
    return begin, at, count
