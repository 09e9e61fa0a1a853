"""What may be done with incomplete charts, and by whom."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

_DEPARTMENT = {Role.HIT, Role.MANAGER}

READ_CHARTS = declare(
    "completion.read_charts",
    "See incomplete charts and what they lack",
    {*_DEPARTMENT, Role.CODER, Role.AUDITOR},
)
ANALYSE = declare("completion.analyse", "Analyse charts: add, change and assign what they lack", _DEPARTMENT)
WAIVE = declare("completion.waive", "Waive a deficiency, and open it again", _DEPARTMENT)
OWE = declare("completion.owe", "See and complete what one owes", {Role.PHYSICIAN})
MARK_AWAY = declare("completion.mark_away", "Say that a practitioner is away or gone", _DEPARTMENT)
ASK_TO_CLOSE = declare("completion.ask_to_close", "Ask for a chart to be closed administratively", _DEPARTMENT)
DECIDE_CLOSURE = declare(
    "completion.decide_closure", "Close a chart administratively, or refuse it", {Role.MANAGER}
)
ADOPT_RULES = declare("completion.adopt_rules", "Switch on the rules charts are analysed by", {Role.MANAGER})
CLASSIFY = declare("completion.classify", "Say what part of a chart a document is", _DEPARTMENT)
MAP_CODES = declare("completion.map_codes", "Map codes of documents to parts of the chart", _DEPARTMENT)
CHANGE_ORDER = declare("completion.change_order", "Change the order of charts", {Role.MANAGER})
MAKE_REPORT = declare(
    "completion.make_report",
    "Make the report for the medical records committee",
    {*_DEPARTMENT, Role.AUDITOR},
)

SEE_LETTERS = declare(
    "completion.see_letters",
    "See letters to practitioners and the suspension list",
    {*_DEPARTMENT, Role.AUDITOR},
)
WRITE_LETTERS = declare(
    "completion.write_letters", "Make letters to practitioners, and settle how they went", _DEPARTMENT
)
CHANGE_LETTERS = declare("completion.change_letters", "Change the text of letters", {Role.MANAGER})
DECIDE_SUSPENSION = declare(
    "completion.decide_suspension", "Suspend for incomplete records, spare, and lift", {Role.MANAGER}
)
