"""Putting source patients under another person: what a sender's notice and a person's decisions all do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import orjson
from django.db import OperationalError, connection

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import wall
from charthouse.foundation.events.api import NewEvent
from charthouse.foundation.events.api import append_many as append_events
from charthouse.foundation.ledger.api import JSON, Subject
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.foundation.work.api import ItemSubject, NewItem, open_items
from charthouse.identity.models import Decision, Person
from charthouse.identity.policy import DECISION, review_due
from charthouse.identity.queues import POSSIBLE_DUPLICATES, matter
from charthouse.identity.store import LinkEvent, persons_of_patients, write_events
from charthouse.record.api import share_holds

P = ParamSpec("P")
R = TypeVar("R")
#: How often an action is tried that the database ended because two waited for each other (SQLSTATE 40P01).
_TRIES = 4
_DEADLOCK = "40P01"


class CannotDecide(ValueError):
    """What was decided cannot be done as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Side:
    """A source patient whose row is held to the end of the transaction."""

    patient: int
    public_id: str
    person: UUID


@dataclass(frozen=True, slots=True)
class Move:
    """A source patient and the person it goes to."""

    side: Side
    to: UUID


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


def held(persons: Collection[UUID]) -> dict[int, Side]:
    """All source patients of the persons, and the persons themselves, held to the end of the transaction.

    An arriving patient holds the one it was found the same as. So whoever has all of a person's source patients has
    waited for what was arriving, and is waited for by what arrives.
    """
    found: dict[int, Side] = {}
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                "SELECT patient, public_id, person FROM identity_source_patient"
                " WHERE person = ANY(%s) AND NOT patient = ANY(%s) ORDER BY patient FOR UPDATE",
                [list(persons), list(found)],
            )
            more = {row[0]: Side(*row) for row in cursor.fetchall()}
            if not more:
                break
            found |= more
        cursor.execute("SELECT id FROM identity_person WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [list(persons)])
    return found


def held_of(patients: Collection[int]) -> dict[int, Side]:
    """All source patients of the persons that these belong to, held as by :func:`held`; one that moves meanwhile is
    followed."""
    while True:
        sides = held(set(persons_of_patients(list(patients)).values()))
        if set(persons_of_patients(list(patients))) <= set(sides):
            return sides


def undisturbed(act: Callable[P, R]) -> Callable[P, R]:
    """Have an action of its own transaction done again where the database ended it because two waited for each
    other. Within a caller's transaction the error goes to the caller."""

    @wraps(act)
    def again(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(_TRIES - 1):
            try:
                return act(*args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or getattr(error.__cause__, "sqlstate", "") != _DEADLOCK:
                    raise
        return act(*args, **kwargs)

    return again


def needed(reason: str, words: str) -> str:
    """The reason that was given. Raises CannotDecide, with ``words``, where none was."""
    reason = reason.strip()
    if not reason:
        raise CannotDecide(words)
    return reason


def write_decision(
    ctx: AccessContext,
    kind: Decision.Kind,
    person: UUID,
    other: UUID,
    reason: str,
    detail: Mapping[str, JSON] | None = None,
    undoes: int | None = None,
) -> int:
    """Write a decision, which what it moves then names; returns its number."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO identity_decision (kind, person, other, actor, reason, undoes, detail, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s) RETURNING id",
            [
                kind.value,
                person,
                other,
                ctx.actor,
                reason,
                undoes,
                orjson.dumps(dict(detail or {})).decode(),
                wall(),
            ],
        )
        return int(cursor.fetchone()[0])


def move(
    ctx: AccessContext,
    decision: int,
    moves: Collection[Move],
    event: Mapping[str, Any],
    action: str,
    *,
    joined_at: datetime | None = None,
) -> list[int]:
    """Put source patients under other persons by a decision, and tell it; returns who was left without a move.

    ``event`` gives the link events their kind, reason and evidence: fields of
    :class:`~charthouse.identity.store.LinkEvent`, and ``others`` the patient each was compared with. Persons who
    come to have nobody are empty from then on, those who come to have somebody are active. Returned are the
    patients that stay with the persons that were left. Legal holds on a chart that is parted hold both sides; of
    those older than ``joined_at``, when it became one, it is known whose they are.
    """
    others: Mapping[int, int] = event.get("others", {})
    said = {name: value for name, value in event.items() if name != "others"}
    write_events(
        [
            LinkEvent(
                patient=each.side.patient,
                person_from=each.side.person,
                person_to=each.to,
                actor=ctx.actor,
                other=others.get(each.side.patient),
                decision=decision,
                **said,
            )
            for each in moves
        ]
    )
    going = {each.side.patient: each.to for each in moves if each.to != each.side.person}
    left = {each.side.person for each in moves if each.to != each.side.person}
    staying: list[int] = []
    if going:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE identity_source_patient s SET person = g.person"
                " FROM unnest(%s::bigint[], %s::uuid[]) AS g (patient, person) WHERE s.patient = g.patient",
                [list(going), list(going.values())],
            )
            cursor.execute(
                "SELECT person, array_agg(patient ORDER BY patient) FROM identity_source_patient"
                " WHERE person = ANY(%s) GROUP BY person",
                [list(left)],
            )
            for person, stays in cursor.fetchall():
                goes = sorted(each.side.patient for each in moves if each.side.person == person != each.to)
                share_holds(ctx, cursor, (stays, goes), joined_at)
                staying += stays
        settle_states({*left, *going.values()})
    append_events(
        [
            NewEvent(
                "identity.linked",
                key=str(each.to),
                payload={
                    "patient": each.side.patient,
                    "person_from": str(each.side.person),
                    "person_to": str(each.to),
                },
            )
            for each in moves
            if each.to != each.side.person
        ]
    )
    persons = dict.fromkeys([*(each.to for each in moves), *(each.side.person for each in moves)])
    append_ledger(
        ctx,
        action,
        subjects=[
            *(Subject("patient", each.side.public_id) for each in moves),
            *(Subject("person", str(each)) for each in persons),
        ],
        detail={"kind": str(event["kind"]), "decision": decision},
    )
    return sorted(staying)


def settle_states(persons: Collection[UUID]) -> None:
    """Have each person's state say whether it has source patients."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE identity_person p SET state = CASE WHEN EXISTS"
            " (SELECT FROM identity_source_patient s WHERE s.person = p.id) THEN %s ELSE %s END WHERE id = ANY(%s)",
            [Person.State.ACTIVE, Person.State.EMPTY, list(persons)],
        )


def ask_about(ctx: AccessContext, patients: Iterable[int], kept: Side, reason: str) -> None:
    """Put patients that were left behind in the queue, each with the one that the others went to."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, public_id, person FROM identity_source_patient WHERE patient = ANY(%s)",
            [list(patients)],
        )
        left = [Side(*row) for row in cursor.fetchall()]
    open_items(
        [
            NewItem(
                queue=POSSIBLE_DUPLICATES,
                subject=ItemSubject("patient", each.public_id),
                reason=reason,
                dedupe=matter(kept.patient, each.patient),
                rule=DECISION,
                due=review_due("duplicate"),
                patient=each.public_id,
                person=str(each.person),
                detail={
                    "patients": [each.patient, kept.patient],
                    "persons": [str(each.person), str(kept.person)],
                },
            )
            for each in left
        ],
        opened_by=ctx.actor,
    )
