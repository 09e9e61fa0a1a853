"""What the suspension list does with news of charts."""

from __future__ import annotations

from collections.abc import Sequence

from charthouse.foundation.events.api import Consumer, Event, register


def _lift(events: Sequence[Event]) -> None:
    from .actions.propose_suspensions import lift_completed

    lift_completed()


#: A suspension ends as soon as the last delinquent chart is completed.
SUSPENSIONS = register(Consumer("completion.suspensions", ("completion.chart-state",), _lift))
