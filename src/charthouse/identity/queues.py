"""The work queues identity opens items in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.work.api import Column, WorkItem, declare_queue

from .permissions import DECIDE_OVERLAY, REVIEW_DUPLICATES


def _pairs(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    """Both patients of each item, as far as the asker may see them."""
    patients = {int(patient) for item in items for patient in item.detail.get("patients", ())}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, family, given, sex, birth, mrn FROM identity_source_patient"
            " WHERE patient = ANY(%s) AND labels & %s = 0",
            [list(patients), ~int(ctx.clearance)],
        )
        known = {row[0]: row[1:] for row in cursor.fetchall()}
    return {
        item.id: _pair([known.get(int(patient)) for patient in item.detail.get("patients", ())]) for item in items
    }


def _pair(two: Sequence[tuple[str, str, str, str, str] | None]) -> str:
    """Names, birth dates and sexes of two patients in a line; what both have stands once."""
    seen = [each for each in two if each is not None]
    if len(seen) < len(two):
        return " / ".join([*(_words(*each) for each in seen), "a patient you may not see"])
    names = dict.fromkeys(_name(family, given) for family, given, *_ in seen)
    births = dict.fromkeys(birth or "?" for _, _, _, birth, _ in seen)
    sexes = dict.fromkeys(sex or "?" for _, _, sex, *_ in seen)
    return " ".join((" / ".join(names), "/".join(sexes), " / ".join(births)))


def _name(family: str, given: str) -> str:
    return ", ".join(part for part in (family, given) if part) or "without a name"


def _words(family: str, given: str, sex: str, birth: str, mrn: str) -> str:
    return " ".join(part for part in (_name(family, given), sex, birth, mrn) if part)


def _evidence(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    """The sum of bits for the two being one, as it was when the item was opened."""
    return {item.id: f"{item.detail['weight']:+.1f} bits" for item in items if "weight" in item.detail}


#: A new person who is perhaps one already known; the subject is the arriving patient.
POSSIBLE_DUPLICATES = declare_queue(
    "identity.possible-duplicates",
    "Possible duplicates",
    REVIEW_DUPLICATES.roles,
    describe_page=_pairs,
    subject="Two patients",
    columns=[Column("Evidence", _evidence)],
    opens=lambda item: ("duplicate", (item.id,)),
    by_decision=True,
).code


def matter(one: int, other: int) -> str:
    """What an item of two source patients is deduplicated by, whichever arrived first."""
    return f"{min(one, other)}-{max(one, other)}"


def _patients(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    """The patient of each item, as far as the asker may see it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, family, given, sex, birth, mrn FROM identity_source_patient"
            " WHERE patient = ANY(%s) AND labels & %s = 0",
            [[int(item.detail["patient"]) for item in items if "patient" in item.detail], ~int(ctx.clearance)],
        )
        known = {row[0]: _words(*row[1:]) for row in cursor.fetchall()}
    return {item.id: known.get(int(item.detail.get("patient", 0)), "a patient you may not see") for item in items}


def _held(ctx: AccessContext, items: Sequence[WorkItem]) -> Mapping[int, str]:
    """How many messages are held for the patient; one that a client of the API had filed is not."""
    return {
        item.id: "filed" if item.detail.get("filed") else str(len(item.detail.get("messages", ())))
        for item in items
    }


#: A patient of whom an update speaks rather of somebody else; the update is held.
SUSPECTED_OVERLAYS = declare_queue(
    "identity.suspected-overlays",
    "Suspected overlays",
    DECIDE_OVERLAY.roles,
    describe_page=_patients,
    subject="Patient",
    columns=[Column("Evidence", _evidence), Column("Held", _held)],
    opens=lambda item: ("overlay", (item.id,)),
    by_decision=True,
).code
