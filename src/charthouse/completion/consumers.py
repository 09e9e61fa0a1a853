"""What completion does with news from below."""

from __future__ import annotations

from collections.abc import Sequence

from charthouse.foundation.events.api import Consumer, Event, register


def _follow(events: Sequence[Event]) -> None:
    from .actions.follow_news import follow_news

    follow_news(events)


#: Deficiencies follow what arrives, is signed, corrected, moved, given to another patient by a split, and said to
#: be another part of a chart. A merge of persons moves no document.
DEFICIENCIES = register(
    Consumer(
        "completion.deficiencies",
        (
            "record.filed",
            "record.document-signed",
            "record.document-revised",
            "record.document-corrected",
            "record.reassigned",
            "completion.classified",
        ),
        _follow,
    )
)
