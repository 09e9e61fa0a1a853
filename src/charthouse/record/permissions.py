"""What may be read of the record across patients, and what may be done to its documents."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

READ_CENSUS = declare(
    "record.read_census",
    "Read the midnight census",
    {Role.HIT, Role.CODER, Role.COORDINATOR, Role.MANAGER, Role.AUDITOR},
)

_DEPARTMENT = {Role.HIT, Role.MANAGER}

SIGN = declare("record.sign", "Sign a document", {Role.PHYSICIAN})
VERIFY_TRANSCRIPTION = declare(
    "record.verify_transcription", "Verify the transcription of a document", {*_DEPARTMENT, Role.PHYSICIAN}
)
REVISE = declare("record.revise", "Change a document that is not signed", {*_DEPARTMENT, Role.PHYSICIAN})
ADD_TO_DOCUMENT = declare(
    "record.add_to_document", "File an addendum or a late entry", {*_DEPARTMENT, Role.PHYSICIAN}
)
AMEND = declare("record.amend", "Amend a signed document", {Role.PHYSICIAN})
ASK_TO_RETRACT = declare(
    "record.ask_to_retract",
    "Ask for a document to be taken out of a chart",
    {*_DEPARTMENT, Role.PRIVACY, Role.PHYSICIAN},
)
MOVE_TO_ENCOUNTER = declare("record.move_to_encounter", "Move a document to another encounter", _DEPARTMENT)
DECIDE_CORRECTION = declare(
    "record.decide_correction", "Confirm or refuse a correction", {*_DEPARTMENT, Role.PRIVACY}
)
READ_CORRECTIONS = declare(
    "record.read_corrections",
    "Look at corrections of documents",
    {*_DEPARTMENT, Role.PRIVACY, Role.PHYSICIAN, Role.RELEASE, Role.AUDITOR},
)
READ_UNSIGNED = declare(
    "record.read_unsigned", "See which documents are not signed", {*_DEPARTMENT, Role.PHYSICIAN}
)
SEARCH_RECORD = declare(
    "record.search",
    "Search for words across charts",
    {Role.HIT, Role.CODER, Role.REGISTRAR, Role.RELEASE, Role.PRIVACY, Role.MANAGER},
)
READ_RETENTION = declare(
    "record.read_retention",
    "See how long charts are kept, and what holds them",
    {*_DEPARTMENT, Role.PRIVACY, Role.RELEASE, Role.AUDITOR},
)
SET_HOLD = declare("record.set_hold", "Set and lift legal holds", {Role.MANAGER, Role.PRIVACY})
ASK_TO_DESTROY = declare("record.ask_to_destroy", "Ask for a chart to be destroyed", _DEPARTMENT)
DECIDE_DESTRUCTION = declare(
    "record.decide_destruction", "Confirm or refuse that a chart is destroyed", {Role.MANAGER, Role.PRIVACY}
)
