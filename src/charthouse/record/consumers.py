"""What the record does with its own news, after it is written."""

from __future__ import annotations

from collections.abc import Sequence

from charthouse.foundation.events.api import Consumer, Event, register


def _follow(events: Sequence[Event]) -> None:
    from .actions.note_last_entries import follow_entries

    follow_entries(events)


#: Charts are listed for destruction by the day of their last entry.
LAST_ENTRIES = register(
    Consumer(
        "record.last-entries",
        (
            "record.filed",
            "record.document-signed",
            "record.document-revised",
            "record.document-corrected",
            "record.reassigned",
            "record.chart-destroyed",
            "record.documents-destroyed",
        ),
        _follow,
    )
)
