"""Closing a facility after a look into its beds, of which the record knows, and people does not."""

from __future__ import annotations

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, require, system_context
from charthouse.people import api as people
from charthouse.record import api as record

_COUNTS = system_context("closing a facility")


class StillThere(people.PlaceError):
    """By the record there are inpatients in the facility, more than the asker has said they know of."""

    def __init__(self, name: str, inpatients: int) -> None:
        who = "1 inpatient is" if inpatients == 1 else f"{inpatients} inpatients are"
        super().__init__(
            f"By the record {who} still in {name}. Have them transferred or discharged first; or, if only the "
            "messages are missing, say below that it is to be closed all the same."
        )
        self.inpatients = inpatients


def close_facility(ctx: AccessContext, facility: int, reason: str, *, known: int = 0) -> None:
    """Close a facility. ``known`` is how many inpatients the asker was told of and closes it in spite of.

    Raises PermissionRefused, StillThere, and PlaceError as :func:`people.api.close_facility` does.
    """
    require(ctx, people.MANAGE_PLACES)
    line = next((each for each in people.facilities() if each.id == facility), None)
    inpatients = 0
    if line is not None and line.closed_at is None:
        # Who may close a facility need not be one who reads the census; only their number is told.
        found = record.inpatients(_COUNTS, clock.now())
        inpatients = sum(number for name, number in found.items() if line.is_called(name))
        if inpatients > known:
            raise StillThere(line.name, inpatients)
    people.close_facility(ctx, facility, reason, inpatients=inpatients)
