"""Putting a source patient under another's person: what a sender's notice and a technician's decision both do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.events.api import append as append_event
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.foundation.work.api import ItemSubject, NewItem, open_items
from charthouse.identity.models import Person
from charthouse.identity.queues import POSSIBLE_DUPLICATES, matter


@dataclass(frozen=True, slots=True)
class Side:
    """A source patient whose row is held to the end of the transaction."""

    patient: int
    public_id: str
    person: UUID


def locked(patients: Iterable[int]) -> dict[int, Side]:
    """The source patients, held to the end of the transaction; always in the same order, so that two who move the
    same ones never wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, public_id, person FROM identity_source_patient WHERE patient = ANY(%s)"
            " ORDER BY patient FOR UPDATE",
            [list(patients)],
        )
        return {row[0]: Side(*row) for row in cursor.fetchall()}


def move(ctx: AccessContext, kept: Side, gone: Side, kind: str, left_behind: str) -> None:
    """Put ``gone`` under the person of ``kept``, tell it, and ask about the other patients of the person it leaves.

    ``left_behind`` is the reason of the items that ask. The link event itself is the caller's to write.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM identity_person WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [[kept.person, gone.person]]
        )
        cursor.execute(
            "UPDATE identity_source_patient SET person = %s WHERE patient = %s", [kept.person, gone.patient]
        )
        cursor.execute("SELECT patient, public_id FROM identity_source_patient WHERE person = %s", [gone.person])
        left = cursor.fetchall()
        if not left:
            cursor.execute("UPDATE identity_person SET state = %s WHERE id = %s", [Person.State.EMPTY, gone.person])
    open_items(
        [_left_behind(kept, patient, public_id, gone.person, left_behind) for patient, public_id in left],
        opened_by=ctx.actor,
    )
    append_event(
        "identity.linked",
        key=str(kept.person),
        payload={"patient": gone.patient, "person_from": str(gone.person), "person_to": str(kept.person)},
    )
    append_ledger(
        ctx,
        "identity.link",
        subjects=[
            Subject("patient", gone.public_id),
            Subject("person", str(kept.person)),
            Subject("person", str(gone.person)),
        ],
        detail={"kind": kind},
    )


def _left_behind(kept: Side, patient: int, public_id: str, person: UUID, reason: str) -> NewItem:
    return NewItem(
        queue=POSSIBLE_DUPLICATES,
        subject=ItemSubject("patient", public_id),
        reason=reason,
        dedupe=matter(kept.patient, patient),
        patient=public_id,
        person=str(person),
        detail={"patients": [patient, kept.patient], "persons": [str(person), str(kept.person)]},
    )
