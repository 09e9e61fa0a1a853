"""What the FHIR app does with news from below."""

from __future__ import annotations

from collections.abc import Sequence

from charthouse.foundation.events.api import Consumer, Event, register


def _check(events: Sequence[Event]) -> None:
    from .actions.check_resources import check_filed

    check_filed(events)


CHECKING = register(Consumer("fhir.checking", ("record.filed",), _check))
