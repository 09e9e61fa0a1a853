"""What may be done with accounts, places and the practitioner directory."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

OWN_ACCOUNT = declare("people.own-account", "See and change one's own account", Role)
SEE_ACCOUNTS = declare(
    "people.see-accounts",
    "See who has an account and which roles",
    [Role.ADMINISTRATOR, Role.MANAGER, Role.PRIVACY, Role.AUDITOR],
)
MANAGE_ACCOUNTS = declare("people.manage-accounts", "Add, disable and change accounts", [Role.ADMINISTRATOR])
MANAGE_PLACES = declare("people.manage-places", "Set up facilities and MRN assigners", [Role.ADMINISTRATOR])
SEE_DIRECTORY = declare("people.see-directory", "Look practitioners and facilities up", Role)
CORRECT_DIRECTORY = declare(
    "people.correct-directory",
    "Merge and correct practitioner entries",
    [Role.HIT, Role.MANAGER, Role.ADMINISTRATOR],
)
NUMBER_CHARTS = declare(
    "people.number-charts", "Assign medical record numbers", [Role.COORDINATOR, Role.HIT, Role.MANAGER]
)
