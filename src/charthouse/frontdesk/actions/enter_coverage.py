"""Enter a coverage from the data of a card."""

from __future__ import annotations

from uuid import UUID

from charthouse.foundation.access.api import AccessContext, require
from charthouse.frontdesk.domain.clinical import coverage_of
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.permissions import ENTER_COVERAGE

from ._entering import Entered, chart_of, enter_once, once_of, reading_of


def enter_coverage(ctx: AccessContext, person: UUID, fields: Fields) -> Entered:
    """Enter the coverage of a form. Raises PermissionRefused, Unfit, FrontdeskError."""
    require(ctx, ENTER_COVERAGE)
    chart = chart_of(ctx, person)
    once = once_of(fields)
    reading = reading_of(ctx, fields)
    made = coverage_of(reading, {"id": once, "beneficiary": chart.reference})
    reading.done()
    return enter_once(ctx, chart, once, [made], action="frontdesk.enter-coverage")
