"""What may be entered by hand, and by whom."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

_DESK = {Role.COORDINATOR, Role.HIT, Role.MANAGER}

REGISTER = declare("frontdesk.register", "Register a person", _DESK)
CORRECT_DEMOGRAPHICS = declare("frontdesk.correct_demographics", "Correct the demographics of a person", _DESK)
ENTER_COVERAGE = declare("frontdesk.enter_coverage", "Enter the coverage of a person", _DESK)
ENTER_ENCOUNTER = declare("frontdesk.enter_encounter", "Enter an encounter", _DESK)
FILE_DOCUMENT = declare("frontdesk.file_document", "File a paper or a file in a chart", {*_DESK, Role.RELEASE})
ENTER_VITAL_SIGNS = declare("frontdesk.enter_vital_signs", "Enter vital signs", {Role.MED_TECH, Role.PHYSICIAN})
ENTER_ALLERGY = declare("frontdesk.enter_allergy", "Enter an allergy", {Role.PHYSICIAN, Role.MED_TECH})
WRITE_NOTE = declare("frontdesk.write_note", "Write a note", {Role.PHYSICIAN})
TRANSCRIBE = declare("frontdesk.transcribe", "Enter what somebody dictated", {Role.HIT, Role.MANAGER})
