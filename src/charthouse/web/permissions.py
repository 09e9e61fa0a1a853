"""Which roles may open which screen. What a screen's actions need is declared by the apps that act."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

_CARE = (Role.PHYSICIAN, Role.LAB_TECH, Role.MED_TECH)
_DEPARTMENT = (Role.HIT, Role.CODER, Role.REGISTRAR, Role.RELEASE, Role.PRIVACY, Role.MANAGER, Role.INSTRUCTOR)

OPEN_HOME = declare("web.home", "Open the first page", Role)
FIND_PATIENT = declare("web.find_patient", "Find a patient", (*_CARE, *_DEPARTMENT, Role.COORDINATOR))
READ_CHART = declare("web.read_chart", "Read a chart", (*_CARE, *_DEPARTMENT, Role.COORDINATOR))
READ_ORIGINAL = declare(
    "web.read_original",
    "See the message an item came from",
    (*_DEPARTMENT, Role.PHYSICIAN),
)
SEE_UNFILED = declare("web.see_unfiled", "See unfiled messages", (Role.HIT, Role.MANAGER, Role.INSTRUCTOR))
MEND_UNFILED = declare("web.mend_unfiled", "Mend unfiled messages", (Role.HIT, Role.MANAGER, Role.INSTRUCTOR))
READ_LEDGER = declare(
    "web.read_ledger", "Read the ledger", (Role.PRIVACY, Role.AUDITOR, Role.MANAGER, Role.INSTRUCTOR)
)
READ_LEDGER = declare(
    "web.read_ledger", "Read the ledger", (Role.PRIVACY, Role.AUDITOR, Role.MANAGER, Role.INSTRUCTOR)
)
READ_RULES = declare("web.read_rules", "Read the rules", Role)
