"""What may be done with messages."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

READ_UNFILED = declare(
    "intake.read_unfiled", "See messages that could not be filed", {Role.HIT, Role.MANAGER, Role.ADMINISTRATOR}
)
MEND_UNFILED = declare("intake.mend_unfiled", "Mend and retry unfiled messages", {Role.HIT, Role.MANAGER})
SEND = declare("intake.send", "Send records to the intake by hand", {Role.HIT, Role.MANAGER, Role.ADMINISTRATOR})
READ_ORIGINAL = declare(
    "intake.read_original",
    "See where an item of a chart came from",
    {Role.HIT, Role.CODER, Role.REGISTRAR, Role.RELEASE, Role.PRIVACY, Role.PHYSICIAN, Role.MANAGER, Role.AUDITOR},
)
MANAGE_SENDERS = declare(
    "intake.manage_senders", "Manage senders and their tokens", {Role.MANAGER, Role.ADMINISTRATOR}
)
