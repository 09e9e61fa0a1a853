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
SEE_PERSON = declare(
    "identity.see_person",
    "See the records of a person and every decision about them",
    {Role.HIT, Role.PRIVACY, Role.MANAGER, Role.AUDITOR},
)
MERGE_PERSONS = declare("identity.merge_persons", "Merge two persons, and undo it", {Role.HIT, Role.MANAGER})
LINK_PATIENTS = declare(
    "identity.link_patients",
    "Move one record to another person, and take back “not the same”",
    {Role.HIT, Role.MANAGER},
)
SPLIT_PATIENT = declare(
    "identity.split_patient",
    "Part two persons whose records were written over each other",
    {Role.HIT, Role.MANAGER},
)
DECIDE_OVERLAY = declare(
    "identity.decide_overlay", "Decide whose an update is that speaks of somebody else", {Role.HIT, Role.MANAGER}
)
SEE_QUALITY = declare(
    "identity.see_quality", "See how good the index is", {Role.HIT, Role.MANAGER, Role.PRIVACY, Role.AUDITOR}
)
MANAGE_NOTICES = declare(
    "identity.manage_notices", "Say which systems are told of merges and splits", {Role.MANAGER, Role.ADMINISTRATOR}
)
CHANGE_MATCHING = declare(
    "identity.change_matching",
    "Learn how persons are told apart here, and put it in force",
    {Role.MANAGER},
)
