"""Enter a coverage from the data of a card."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.frontdesk.domain.clinical import coverage_of
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.permissions import ENTER_COVERAGE

from ._entering import chart_of, enter, is_entered, once_of, public_id, reading_of


def enter_coverage(ctx: AccessContext, person: UUID, fields: Fields) -> str:
    """Enter the coverage of a form; returns its id. Raises PermissionRefused, Unfit, FrontdeskError."""
    require(ctx, ENTER_COVERAGE)
    chart = chart_of(ctx, person)
    once = once_of(fields.get("once", ""))
    reading = reading_of(ctx, fields)
    made = coverage_of(reading, {"id": once, "beneficiary": chart.reference})
    reading.done()
    if not is_entered("Coverage", once):
        with transaction.atomic():
            enter(ctx, [made], action="frontdesk.enter-coverage", subjects=[Subject("person", str(person))])
    return public_id("Coverage", once)
