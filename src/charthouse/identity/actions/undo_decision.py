"""Undo a merge, a link, an unlink or a split: everything it moved goes back where it was, and nothing else.

What came since is asked about, one by one: a record that arrived under the joined person stays with it or goes back
with the others, and so does an entry by hand on the joined chart. A decision is undone once, and only while what it
moved has not been moved again: the later decision is undone first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, Permission, require, system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import JSON
from charthouse.identity.actions.moving import (
    CannotDecide,
    Move,
    Side,
    held,
    move,
    needed,
    undisturbed,
    write_decision,
)
from charthouse.identity.actions.telling_apart import remember, take_back
from charthouse.identity.actions.telling_others import tell_others
from charthouse.identity.models import Decision
from charthouse.identity.permissions import LINK_PATIENTS, MERGE_PERSONS, SPLIT_PATIENT
from charthouse.identity.store import persons_of_patients
from charthouse.record.api import Owned, entered_by_others, reassign_resources

from .splitting import rejoin

KIND = "undone"
_RIGHTS: dict[str, Permission] = {
    Decision.Kind.MERGE: MERGE_PERSONS,
    Decision.Kind.LINK: LINK_PATIENTS,
    Decision.Kind.NOTICE: LINK_PATIENTS,
    Decision.Kind.UNLINK: LINK_PATIENTS,
    Decision.Kind.SPLIT: SPLIT_PATIENT,
}
Key = tuple[str, str]


class NotAsked(CannotDecide):
    """Something came since that has to be decided about: records (rows), and items (type, id)."""

    def __init__(self, patients: Collection[int], items: Collection[Key]) -> None:
        super().__init__("Something came since. Say of each record and entry whether it stays or goes back.")
        self.patients = tuple(patients)
        self.items = tuple(items)


@dataclass(frozen=True, slots=True)
class Moved:
    """A source patient that a decision moved: from where (None for one that a split made), and to where."""

    event: int
    patient: int
    person_from: UUID | None
    person_to: UUID


@dataclass(frozen=True, slots=True)
class Undoing:
    """What undoing a decision comes to: what it moved, the source patients that came since under the person they
    were moved to, and the items that others than a patient's own sender filed since."""

    decision: int
    kind: str
    person: UUID
    other: UUID
    at: datetime
    moved: tuple[Moved, ...]
    arrived: tuple[int, ...]
    entered: tuple[Owned, ...]
    detail: Mapping[str, Any]

    @property
    def joins(self) -> bool:
        """Whether the decision made one person of two, so that undoing it parts them."""
        return self.kind in {Decision.Kind.MERGE, Decision.Kind.LINK, Decision.Kind.NOTICE}


def undoing(ctx: AccessContext, decision: int) -> Undoing:
    """What undoing comes to, for those to be asked. Raises PermissionRefused, CannotDecide where it cannot be."""
    kind, person, other, at, detail = _decision(decision)
    require(ctx, _RIGHTS[kind])
    _refuse_undone(decision)
    moved = _moved(decision)
    _refuse_moved_again(moved)
    going = {each.patient for each in moved}
    arrived = _arrived(moved, going) if kind != Decision.Kind.SPLIT else ()
    entered: tuple[Owned, ...] = ()
    if kind in {Decision.Kind.MERGE, Decision.Kind.LINK, Decision.Kind.NOTICE}:
        with connection.cursor() as cursor:
            family = _family({each.person_to for each in moved}) - set(arrived)
            entered = tuple(entered_by_others(cursor, system_context("identity"), sorted(family), at))
    return Undoing(decision, kind, person, other, at, moved, arrived, entered, detail)


@undisturbed
def undo(
    ctx: AccessContext,
    decision: int,
    reason: str,
    *,
    going_back: Mapping[int, bool] | None = None,
    entries_back: Mapping[Key, bool] | None = None,
    apart: bool = False,
) -> int:
    """Undo a decision; returns the number of the undoing.

    ``going_back`` says of each source patient that arrived since whether it goes back with those that were moved,
    ``entries_back`` of each entry by hand since whether it belongs to those that go back (true) or to those that
    stay. ``apart`` remembers that those who are parted are two persons. Raises PermissionRefused; CannotDecide
    where there is no such decision, it was undone before, something of it was moved again, or no reason is given;
    NotAsked where something came since that was not decided about.
    """
    kind, person, other, _, _ = _decision(decision)
    require(ctx, _RIGHTS[kind])
    reason = needed(reason, "Say why this is undone.")
    with transaction.atomic():
        _wait_for(decision)
        sides = held(_persons(decision, {person, other}))
        plan = undoing(ctx, decision)
        asked = [each for each in plan.arrived if each not in (going_back or {})]
        open_entries = [
            (each.type, each.id) for each in plan.entered if (each.type, each.id) not in (entries_back or {})
        ]
        if asked or open_entries:
            raise NotAsked(asked, open_entries)
        if kind == Decision.Kind.SPLIT:
            return rejoin(ctx, plan.decision, plan.person, plan.other, plan.detail, sides, reason)
        back = [each for each in plan.arrived if (going_back or {})[each]]
        moves = _moves(plan.moved, back, sides)
        detail: dict[str, JSON] = {"moved": [each.side.patient for each in moves]}
        number = write_decision(ctx, Decision.Kind.UNDO, person, other, reason, detail, undoes=decision)
        staying = move(
            ctx, number, moves, {"kind": KIND, "reason": reason}, f"identity.undo-{kind}", joined_at=plan.at
        )
        if plan.joins and entries_back:
            _divide(plan, {each.side.patient for each in moves}, sides, entries_back)
        going = [each.side.patient for each in moves]
        if plan.joins and apart:
            remember(ctx, [(one, stays) for one in going for stays in staying], reason, number)
        if not plan.joins:
            take_back(ctx, _told_by(decision), reason, number)
        tell_others(ctx, number)
    return number


def _decision(decision: int) -> tuple[str, UUID, UUID, datetime, Mapping[str, Any]]:
    found = Decision.objects.filter(pk=decision).exclude(kind=Decision.Kind.UNDO).first()
    if found is None:
        raise CannotDecide("There is no such decision that could be undone.")
    return found.kind, found.person, found.other, found.at, found.detail


def _wait_for(decision: int) -> None:
    """Have this decision to oneself until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('identity.decision', %s))", [decision])


def _refuse_undone(decision: int) -> None:
    if Decision.objects.filter(undoes=decision).exists():
        raise CannotDecide("This was undone before; it is not undone twice.")


def _moved(decision: int) -> tuple[Moved, ...]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, patient, person_from, person_to FROM identity_link WHERE decision = %s ORDER BY id",
            [decision],
        )
        return tuple(Moved(*row) for row in cursor.fetchall())


def _persons(decision: int, persons: set[UUID]) -> set[UUID]:
    """All persons that an undoing touches: those of the decision, and those whom its patients are with now."""
    return persons | set(persons_of_patients([each.patient for each in _moved(decision)]).values())


def _refuse_moved_again(moved: Sequence[Moved]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.decision FROM unnest(%s::bigint[], %s::bigint[]) AS m (patient, event)"
            " JOIN identity_link l ON l.patient = m.patient AND l.id > m.event"
            " AND l.person_to IS DISTINCT FROM l.person_from"
            # What was undone, and its undoing, moved nothing in the end.
            " WHERE NOT EXISTS (SELECT FROM identity_decision d WHERE d.id = l.decision AND (d.kind = 'undo'"
            "   OR EXISTS (SELECT FROM identity_decision u WHERE u.undoes = d.id)))"
            " ORDER BY l.id DESC LIMIT 1",
            [[each.patient for each in moved], [each.event for each in moved]],
        )
        if (row := cursor.fetchone()) is not None:
            later = f"decision {row[0]}" if row[0] else "a later event"
            raise CannotDecide(f"Records that this moved were moved again by {later}. Undo that one first.")


def _arrived(moved: Sequence[Moved], going: set[int]) -> tuple[int, ...]:
    """The source patients that arrived since under a person to whom something was moved, and are there still."""
    if not moved:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.patient FROM identity_source_patient s WHERE s.person = ANY(%s) AND NOT s.patient = ANY(%s)"
            " AND (SELECT min(l.id) FROM identity_link l WHERE l.patient = s.patient) > %s ORDER BY s.patient",
            [list({each.person_to for each in moved}), list(going), max(each.event for each in moved)],
        )
        return tuple(row[0] for row in cursor.fetchall())


def _family(persons: Collection[UUID]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient FROM identity_source_patient WHERE person = ANY(%s)", [list(persons)])
        return {row[0] for row in cursor.fetchall()}


def _moves(moved: Sequence[Moved], back: Collection[int], sides: Mapping[int, Side]) -> list[Move]:
    """Each patient to the person it was moved from; what arrived since and goes back, to the first of them."""
    moves = [
        Move(sides[each.patient], each.person_from)
        for each in moved
        if each.person_from is not None and each.patient in sides
    ]
    home = next((each.to for each in moves if each.to != each.side.person), None)
    if home is not None:
        moves += [Move(sides[patient], home) for patient in back]
    return moves


def _divide(plan: Undoing, going: set[int], sides: Mapping[int, Side], back: Mapping[Key, bool]) -> None:
    """Give entries by hand that lie with the wrong side to the first record of the other."""
    joined = {each.person_to for each in plan.moved}
    with connection.cursor() as cursor:
        homes = {
            True: next((sides[each] for each in sorted(going)), None),
            False: next(
                (sides[each] for each in sorted(sides) if sides[each].person in joined and each not in going), None
            ),
        }
        wrong: dict[tuple[int, int], list[Key]] = {}
        for each in plan.entered:
            owner, wanted = each.patient, back[(each.type, each.id)]
            home = homes[wanted]
            if home is not None and (owner in going) != wanted:
                wrong.setdefault((owner, home.patient), []).append((each.type, each.id))
        for (owner, home_row), items in sorted(wrong.items()):
            giver, taker = sides[owner], sides[home_row]
            reassign_resources(cursor, items, (owner, giver.public_id), (home_row, taker.public_id), wall())


def _told_by(decision: int) -> list[tuple[int, int]]:
    """The pairs that a decision told apart."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT low, high FROM identity_not_same_event WHERE decision = %s AND verdict = 'apart'", [decision]
        )
        return [(low, high) for low, high in cursor.fetchall()]
