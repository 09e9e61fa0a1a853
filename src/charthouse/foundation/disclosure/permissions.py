"""Who may see what was disclosed."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

DISCLOSURES_READ = declare(
    "disclosure.read",
    "see to whom a patient's records were disclosed",
    [Role.HIT, Role.RELEASE, Role.PRIVACY, Role.MANAGER, Role.AUDITOR],
)
