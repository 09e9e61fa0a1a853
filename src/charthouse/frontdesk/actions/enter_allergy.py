"""Enter an allergy, or that none is known."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ledger.api import Subject
from charthouse.frontdesk.domain.clinical import allergy_of
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.permissions import ENTER_ALLERGY

from ._entering import author_of, chart_of, enter, is_entered, once_of, public_id, reading_of


def enter_allergy(ctx: AccessContext, person: UUID, fields: Fields) -> str:
    """Enter the allergy of a form; returns its id. Raises PermissionRefused, Unfit, FrontdeskError."""
    require(ctx, ENTER_ALLERGY)
    chart = chart_of(ctx, person)
    once = once_of(fields.get("once", ""))
    reading = reading_of(ctx, fields)
    made = allergy_of(reading, {"id": once, "patient": chart.reference, "recorder": author_of(ctx)})
    reading.done()
    if not is_entered("AllergyIntolerance", once):
        with transaction.atomic():
            enter(ctx, [made], action="frontdesk.enter-allergy", subjects=[Subject("person", str(person))])
    return public_id("AllergyIntolerance", once)
