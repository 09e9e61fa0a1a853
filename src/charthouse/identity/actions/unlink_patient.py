"""Take one source patient away from the person it was put under."""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.ids import new_id
from charthouse.identity.actions.moving import (
    CannotDecide,
    Move,
    held_of,
    move,
    needed,
    undisturbed,
    write_decision,
)
from charthouse.identity.actions.telling_apart import remember
from charthouse.identity.actions.telling_others import tell_others
from charthouse.identity.models import Decision, Person
from charthouse.identity.permissions import LINK_PATIENTS
from charthouse.identity.store import Writing, write

KIND = "unlinked"


@undisturbed
def unlink(ctx: AccessContext, patient: int, reason: str, *, apart: bool = True) -> int:
    """Put a source patient under the person it had before, where that one is empty, else under a new one; returns
    the decision's number, which undoes it.

    ``apart`` remembers that it and the records that stay are two persons. Raises PermissionRefused, CannotDecide
    where there is no such patient, it is all the person has, or no reason is given.
    """
    require(ctx, LINK_PATIENTS)
    reason = needed(reason, "Say why this record is somebody else's.")
    with transaction.atomic():
        sides = held_of([patient])
        if patient not in sides:
            raise CannotDecide("There is no such record in the index.")
        side = sides[patient]
        staying = [each.patient for each in sides.values() if each.patient != patient]
        if not staying:
            raise CannotDecide("This is the only record of the person; there is nobody to take it away from.")
        to = _before(patient, side.person) or _new_person()
        decision = write_decision(ctx, Decision.Kind.UNLINK, side.person, to, reason)
        move(ctx, decision, [Move(side, to)], {"kind": KIND, "reason": reason}, "identity.unlink")
        if apart:
            remember(ctx, [(patient, each) for each in staying], reason, decision)
        tell_others(ctx, decision)
    return decision


def _before(patient: int, person: UUID) -> UUID | None:
    """The person this patient had before, if that one is empty now; it is held to the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT person_from FROM identity_link WHERE patient = %s AND person_to = %s AND person_from <>"
            " person_to ORDER BY id DESC LIMIT 1",
            [patient, person],
        )
        if (row := cursor.fetchone()) is None:
            return None
        cursor.execute(
            "SELECT id FROM identity_person WHERE id = %s AND state = %s FOR UPDATE", [row[0], Person.State.EMPTY]
        )
        found = cursor.fetchone()
        return found[0] if found else None


def _new_person() -> UUID:
    person = new_id()
    write(Writing(persons=[person]))
    return person
