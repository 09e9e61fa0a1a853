"""Enter an allergy, or that none is known."""

from __future__ import annotations

from uuid import UUID

from charthouse.foundation.access.api import AccessContext, require
from charthouse.frontdesk.domain.clinical import allergy_of
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.permissions import ENTER_ALLERGY

from ._entering import Entered, author_of, chart_of, enter_once, once_of, reading_of


def enter_allergy(ctx: AccessContext, person: UUID, fields: Fields) -> Entered:
    """Enter the allergy of a form. Raises PermissionRefused, Unfit, FrontdeskError."""
    require(ctx, ENTER_ALLERGY)
    chart = chart_of(ctx, person)
    once = once_of(fields)
    reading = reading_of(ctx, fields)
    made = allergy_of(reading, {"id": once, "patient": chart.reference, "recorder": author_of(ctx)})
    reading.done()
    return enter_once(ctx, chart, once, [made], action="frontdesk.enter-allergy")
