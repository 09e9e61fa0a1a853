"""The link history replayed: where every source patient stands after its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID


class HistoryError(ValueError):
    """An event does not follow from those before it."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What an event says of belonging: the patient left ``person_from`` (None at first) for ``person_to``."""

    patient: int
    person_from: UUID | None
    person_to: UUID


def replay(events: Iterable[Moved]) -> dict[int, UUID]:
    """Source patient to person after all events, oldest first. Raises HistoryError where an event leaves a person
    the patient was not with: then somebody belonged to nobody, or to two."""
    now: dict[int, UUID] = {}
    for event in events:
        if now.get(event.patient) != event.person_from:
            raise HistoryError(
                f"An event of source patient {event.patient} does not follow from the one before it."
            )
        now[event.patient] = event.person_to
    return now
