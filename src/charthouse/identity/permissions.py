"""What may be done with the master patient index."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

FIND_PATIENT = declare(
    "identity.find_patient",
    "Find a patient",
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
REVIEW_DUPLICATES = declare(
    "identity.review_duplicates",
    "Decide whether two patients are one person",
    {Role.HIT, Role.MANAGER},
)
EXPLAIN_MATCH = declare(
    "identity.explain_match",
    "See why two patients were taken for one person or two",
    {Role.HIT, Role.PRIVACY, Role.MANAGER, Role.AUDITOR},
)
CHANGE_MATCHING = declare(
    "identity.change_matching",
    "Learn how persons are told apart here, and put it in force",
    {Role.MANAGER},
)
