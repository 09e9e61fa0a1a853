"""Who may read the ledger."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

LEDGER_READ = declare(
    "ledger.read",
    "see who did and saw what, in the ledger",
    [Role.PRIVACY, Role.AUDITOR, Role.MANAGER],
)
