"""Enter a set of vital signs, taken at one moment."""

from __future__ import annotations

import uuid
from decimal import Decimal
from uuid import UUID

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.rulepacks.api import parameter
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.domain.vital_signs import observations_of, read_vital_signs
from charthouse.frontdesk.permissions import ENTER_VITAL_SIGNS

from ._entering import Entered, author_of, chart_of, encounter_of, enter_once, once_of, reading_of

LIMITS = "frontdesk.vital-signs"


def enter_vital_signs(ctx: AccessContext, person: UUID, fields: Fields) -> Entered:
    """Enter the signs of a form, all or none; the id is that of the first observation.

    Raises PermissionRefused, Unfit for a value that cannot be, FrontdeskError.
    """
    require(ctx, ENTER_VITAL_SIGNS)
    chart = chart_of(ctx, person)
    once = once_of(fields)
    reading = reading_of(ctx, fields)
    when = reading.moment("when")
    measured = read_vital_signs(reading, lambda name: Decimal(str(parameter(LIMITS, name))))
    note = reading.text("note", longest=500)
    encounter = encounter_of(ctx, chart, fields.get("encounter", ""))
    reading.done()
    common = {
        "subject": chart.reference,
        "effectiveDateTime": when.isoformat(),
        "performer": [author_of(ctx)],
        **({"encounter": encounter} if encounter else {}),
    }
    made = observations_of(measured, ids=lambda name: str(uuid.uuid5(UUID(once), name)), common=common, note=note)
    return enter_once(
        ctx, chart, once, made, action="frontdesk.enter-vital-signs", occurred=when, detail={"signs": len(made)}
    )
