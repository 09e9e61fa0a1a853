"""What assembly does with news from below."""

from __future__ import annotations

from collections.abc import Sequence

from charthouse.foundation.events.api import Consumer, Event, register


def _classify(events: Sequence[Event]) -> None:
    from .actions.classify_filed import classify_filed

    classify_filed(events)


CLASSIFYING = register(Consumer("completion.classifying", ("record.filed", "record.document-corrected"), _classify))
