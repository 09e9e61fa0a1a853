"""Enter an encounter by hand."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.frontdesk.domain.clinical import encounter_of
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.permissions import ENTER_ENCOUNTER

from ._entering import chart_of, enter, is_entered, once_of, public_id, reading_of


def enter_encounter(ctx: AccessContext, person: UUID, fields: Fields) -> str:
    """Enter the encounter of a form; returns its id. Raises PermissionRefused, Unfit, FrontdeskError."""
    require(ctx, ENTER_ENCOUNTER)
    chart = chart_of(ctx, person)
    once = once_of(fields.get("once", ""))
    reading = reading_of(ctx, fields)
    made = encounter_of(reading, {"id": once, "subject": chart.reference})
    reading.done()
    if not is_entered("Encounter", once):
        with transaction.atomic():
            enter(ctx, [made], action="frontdesk.enter-encounter", subjects=[Subject("person", str(person))])
    return public_id("Encounter", once)
