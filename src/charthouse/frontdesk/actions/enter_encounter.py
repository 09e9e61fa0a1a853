"""Enter an encounter by hand."""

from __future__ import annotations

from uuid import UUID

from charthouse.foundation.access.api import AccessContext, require
from charthouse.frontdesk.domain.clinical import encounter_of
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.permissions import ENTER_ENCOUNTER

from ._entering import Entered, chart_of, enter_once, once_of, reading_of


def enter_encounter(ctx: AccessContext, person: UUID, fields: Fields) -> Entered:
    """Enter the encounter of a form. Raises PermissionRefused, Unfit, FrontdeskError."""
    require(ctx, ENTER_ENCOUNTER)
    chart = chart_of(ctx, person)
    once = once_of(fields)
    reading = reading_of(ctx, fields)
    made = encounter_of(reading, {"id": once, "subject": chart.reference})
    reading.done()
    return enter_once(ctx, chart, once, [made], action="frontdesk.enter-encounter")
