"""Rights of screens that show more than one app's things; the others are declared by the apps they show."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare
from charthouse.record.api import SIGN, VERIFY_TRANSCRIPTION

OPEN_HOME = declare("web.home", "Open the first page", Role)
READ_CHART = declare(
    "web.read_chart",
    "Read a chart",
    {
        Role.HIT,
        Role.CODER,
        Role.REGISTRAR,
        Role.RELEASE,
        Role.PRIVACY,
        Role.COORDINATOR,
        Role.LAB_TECH,
        Role.MED_TECH,
        Role.PHYSICIAN,
        Role.MANAGER,
        Role.INSTRUCTOR,
    },
)
READ_RULES = declare("web.read_rules", "Read the rules", Role)
PRINT_CHART = declare("web.print_chart", "Print from a chart for use here", READ_CHART.roles)
DISCLOSE_PRINT = declare(
    "web.disclose_print",
    "Print from a chart for somebody outside",
    {Role.HIT, Role.RELEASE, Role.PRIVACY, Role.PHYSICIAN, Role.MANAGER},
)
EXPORT_CHART = declare("web.export_chart", "Send a chart to somebody outside as a document", DISCLOSE_PRINT.roles)
OPEN_DESK = declare("web.desk", "Open the work queues", Role)
SIGN_OR_VERIFY = declare(
    "web.sign_or_verify", "Sign a document or verify its transcription", SIGN.roles | VERIFY_TRANSCRIPTION.roles
)
