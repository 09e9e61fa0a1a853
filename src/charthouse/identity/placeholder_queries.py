"""What may be placeholders here, and what was decided of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from charthouse.foundation.access.api import AccessContext, require

from .domain.placeholders import FIELDS
from .permissions import SEE_QUALITY


@dataclass(frozen=True, slots=True)
class PlaceholderLine:
    """A value as it is shown: of what field, how many have it and why that is too many, and who decided what."""

    id: int
    field: str
    value: str
    persons: int
    reason: str
    state: str
    found_at: datetime
    decided_by: str
    why: str

    @property
    def title(self) -> str:
        return FIELDS.get(self.field, self.field)


def placeholder_lines(ctx: AccessContext) -> list[PlaceholderLine]:
    """All that are kept, the undecided first. Raises PermissionRefused."""
    require(ctx, SEE_QUALITY)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, field, value, persons, reason, state, found_at, decided_by, decided_why"
            " FROM identity_placeholder ORDER BY state <> 'found', persons DESC, field, value"
        )
        return [PlaceholderLine(*row) for row in cursor.fetchall()]
