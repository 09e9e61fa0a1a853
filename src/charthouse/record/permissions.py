"""What may be read of the record across patients."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

READ_CENSUS = declare(
    "record.read_census",
    "Read the midnight census",
    {Role.HIT, Role.CODER, Role.COORDINATOR, Role.MANAGER, Role.AUDITOR},
)
SEARCH_RECORD = declare(
    "record.search",
    "Search for words across charts",
    {Role.HIT, Role.CODER, Role.REGISTRAR, Role.RELEASE, Role.PRIVACY, Role.MANAGER},
)
