"""Holding an update that speaks of somebody else than the patient it names, before it overwrites anything.

Intake asks of every update before it is filed. What is suspected is kept with its evidence, and an item in the
queue *Suspected overlays* asks a person, one item a patient: it is the same person after all, or another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require, system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.ids import new_id
from charthouse.foundation.ledger.api import Subject, append
from charthouse.foundation.work.api import (
    ItemSubject,
    NewItem,
    finish_by_dedupe,
    finish_many_by_dedupe,
    note,
    open_items,
)
from charthouse.identity.actions.moving import CannotDecide, needed
from charthouse.identity.domain.placeholders import believed
from charthouse.identity.domain.prepared import Prepared, prepare
from charthouse.identity.domain.scorer import Score, doubt
from charthouse.identity.domain.traits import Traits, traits_from_json
from charthouse.identity.models import HeldUpdate
from charthouse.identity.permissions import DECIDE_OVERLAY
from charthouse.identity.policy import SUSPICIOUS, policy, review_due
from charthouse.identity.queries import persons_of
from charthouse.identity.queues import SUSPECTED_OVERLAYS

from .place_patients import Arrival

CONTEXT = system_context("identity")


@dataclass(frozen=True, slots=True)
class Suspect:
    """An update that speaks rather of somebody else, and how it compares with what was known."""

    arrival: Arrival
    prepared: Prepared
    score: Score


def suspects(updates: Sequence[Arrival]) -> list[Suspect | None]:
    """Of each update of a known patient, in the order in which they are to be filed, whether it is suspected.

    One that somebody found to be of the same person is not. Nothing is written, and nobody held off.
    """
    if not updates:
        return []
    rules = policy()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.patient, s.digest, t.traits::text FROM identity_source_patient s"
            " JOIN identity_traits t USING (patient) WHERE s.patient = ANY(%s)",
            [[each.patient_row for each in updates]],
        )
        known: dict[int, tuple[int, Traits]] = {
            row[0]: (row[1], traits_from_json(row[2])) for row in cursor.fetchall()
        }
        cursor.execute(
            "SELECT patient, message FROM identity_held_update WHERE message = ANY(%s) AND state = %s",
            [[each.message for each in updates], HeldUpdate.State.SAME],
        )
        allowed = set(cursor.fetchall())
    found: list[Suspect | None] = []
    for each in updates:
        before = known.get(each.patient_row)
        prepared = prepare(each.patient, source=each.source, labels=each.labels)
        suspect = None
        if before and before[0] != prepared.digest and (each.patient_row, each.message) not in allowed:
            strange = doubt(believed(prepared.traits, rules.learnt), believed(before[1], rules.learnt), rules.model)
            if strange.weight < rules.suspect_below:
                suspect = Suspect(each, prepared, strange)
        if suspect is None:
            known[each.patient_row] = (prepared.digest, prepared.traits)
        found.append(suspect)
    return found


def hold_updates(held: Iterable[Suspect]) -> None:
    """Keep what is suspected, in the caller's transaction, and ask about it."""
    rows = {(each.arrival.patient_row, each.arrival.message or 0): each for each in held}
    if not rows:
        return
    with connection.cursor() as cursor:
        for (patient, message), each in sorted(rows.items()):
            cursor.execute(
                "INSERT INTO identity_held_update (patient, message, weight, waterfall, traits, labels, "
                "display, state, found_at) VALUES (%s, %s, %s, %s::jsonb, %s::jsonb, %s, %s::jsonb, 'open', "
                "%s) ON CONFLICT (patient, message) DO UPDATE SET weight = excluded.weight, state = 'open', "
                "waterfall = excluded.waterfall, traits = excluded.traits, labels = excluded.labels, display = "
                "excluded.display",
                [
                    patient,
                    message,
                    each.score.weight,
                    orjson.dumps([step.as_json() for step in each.score.waterfall]).decode(),
                    each.prepared.traits_json,
                    each.prepared.labels,
                    msgspec.json.encode(each.prepared.display).decode(),
                    wall(),
                ],
            )
    ask_about_held({patient for patient, _ in rows})


def ask_about_held(patients: Iterable[int]) -> None:
    """Have the item of each patient say which updates are held, or be finished where none is."""
    wanted = sorted(set(patients))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.patient, s.public_id, s.person, min(h.weight), array_agg(h.message ORDER BY h.message)"
            " FROM identity_held_update h JOIN identity_source_patient s USING (patient)"
            " WHERE h.patient = ANY(%s) AND h.state = 'open' GROUP BY s.patient, s.public_id, s.person",
            [wanted],
        )
        waiting = cursor.fetchall()
    open_items(
        [
            NewItem(
                queue=SUSPECTED_OVERLAYS,
                subject=ItemSubject("patient", public_id),
                reason="An update of this patient speaks rather of somebody else, and is held.",
                dedupe=str(patient),
                rule=SUSPICIOUS,
                due=review_due("overlay"),
                patient=public_id,
                person=str(person),
                detail={"patient": patient, "messages": messages, "weight": round(weight, 3)},
            )
            for patient, public_id, person, weight, messages in waiting
        ],
        opened_by=CONTEXT.actor,
    )
    settled = set(wanted) - {row[0] for row in waiting}
    if settled:
        finish_many_by_dedupe(SUSPECTED_OVERLAYS, map(str, sorted(settled)), "decided", finished_by=CONTEXT.actor)


def ask_about_filed(doubted: Iterable[Suspect]) -> None:
    """Ask about updates that speak rather of somebody else and were filed, because a client of the API named the
    very record: one item a patient, which stays until somebody says that it is the same person, or parts the two.
    """
    newest = {each.arrival.patient_row: each for each in doubted}
    if not newest:
        return
    persons = persons_of(sorted(newest))
    open_items(
        [
            NewItem(
                queue=SUSPECTED_OVERLAYS,
                subject=ItemSubject("patient", each.arrival.public_id),
                reason="An update of this patient by the FHIR API speaks rather of somebody else, and was filed.",
                dedupe=f"{patient}-filed",
                rule=SUSPICIOUS,
                due=review_due("overlay"),
                patient=each.arrival.public_id,
                person=str(persons[patient]) if patient in persons else "",
                detail={
                    "patient": patient,
                    "messages": [each.arrival.message or 0],
                    "weight": round(each.score.weight, 3),
                    "filed": True,
                },
            )
            for patient, each in sorted(newest.items())
        ],
        opened_by=CONTEXT.actor,
    )


def accept_filed(ctx: AccessContext, patient: int, reason: str) -> None:
    """Say of an update that was filed and asked about that it is the same person.

    Raises PermissionRefused; CannotDecide without a reason, and where nothing is asked about it any more.
    """
    require(ctx, DECIDE_OVERLAY)
    reason = needed(reason, "Say why it is the same person.")
    with transaction.atomic():
        item = settle_filed(patient, "the same person", ctx.actor)
        if item is None:
            raise CannotDecide("Somebody decided about this update meanwhile. Nothing was changed.")
        note(ctx, item, reason)
        with connection.cursor() as cursor:
            cursor.execute("SELECT public_id FROM identity_source_patient WHERE patient = %s", [patient])
            public_id = cursor.fetchone()[0]
        append(
            ctx,
            "identity.decide-overlay",
            subjects=[Subject("patient", public_id)],
            detail={"same": True, "filed": True},
        )


def settle_filed(patient: int, outcome: str, actor: str) -> int | None:
    """Finish the item about an update that was filed; its number, None where there is none."""
    return finish_by_dedupe(SUSPECTED_OVERLAYS, f"{patient}-filed", outcome, finished_by=actor)


def settle_held(
    ctx: AccessContext, patient: int, message: int, *, same: bool, reason: str, parted: str = ""
) -> list[int]:
    """Decide about a held update, in the caller's transaction: the same person, or another. Returns the messages
    that may be filed now, in order.

    Where it is another's, ``parted`` is the public id of the patient it is filed under; empty for a new one. Other
    held updates that speak of the same other person are decided with it. Raises CannotDecide where nothing is held,
    or without a reason. Who may is the caller's to check.
    """
    reason = needed(reason, "Say why it is the same person, or another.")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT message, traits::text FROM identity_held_update WHERE patient = %s AND state = 'open'"
            " ORDER BY message FOR UPDATE",
            [patient],
        )
        traits: dict[int, Any] = {row[0]: traits_from_json(row[1]) for row in cursor.fetchall()}
        if message not in traits:
            raise CannotDecide("Somebody decided about this update meanwhile. Nothing was changed.")
        decided = [message]
        if not same:
            rules = policy()
            decided = [
                each
                for each in traits
                if each == message
                or doubt(traits[each], traits[message], rules.model).weight >= rules.suspect_below
            ]
            parted = parted or str(new_id())
        cursor.execute(
            "UPDATE identity_held_update SET state = %s, parted = %s, decided_by = %s, reason = %s, decided_at = %s"
            " WHERE patient = %s AND message = ANY(%s)",
            [
                HeldUpdate.State.SAME if same else HeldUpdate.State.ANOTHER,
                "" if same else parted,
                ctx.actor,
                reason,
                wall(),
                patient,
                decided,
            ],
        )
        cursor.execute("SELECT public_id FROM identity_source_patient WHERE patient = %s", [patient])
        public_id = cursor.fetchone()[0]
    append(
        ctx,
        "identity.decide-overlay",
        subjects=[Subject("patient", public_id), *(Subject("message", str(each)) for each in decided)],
        detail={"same": same},
    )
    return decided


def held_messages(patient: int) -> list[int]:
    """The messages that are held for a patient, in order."""
    return list(
        HeldUpdate.objects.filter(patient=patient, state=HeldUpdate.State.OPEN)
        .order_by("message")
        .values_list("message", flat=True)
    )


def let_go(messages: Sequence[int], still_held: Iterable[tuple[int, int]] = ()) -> None:
    """Hold no longer what was filed after all, or refused: the open held updates of the messages but for those
    ``(patient, message)`` that are held anew."""
    keep = set(still_held)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, patient, message FROM identity_held_update WHERE message = ANY(%s) AND state = 'open'",
            [list(messages)],
        )
        gone = [row for row in cursor.fetchall() if (row[1], row[2]) not in keep]
        if not gone:
            return
        cursor.execute(
            "UPDATE identity_held_update SET state = 'dropped', decided_at = %s WHERE id = ANY(%s)",
            [wall(), [row[0] for row in gone]],
        )
    ask_about_held({row[1] for row in gone})


def parted_by_message(messages: Sequence[int]) -> dict[int, dict[str, str]]:
    """For messages that were found to be another's: message, then the patient they name to the one they are filed
    under, both by public id; not where the two were joined since."""
    found: dict[int, dict[str, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT h.message, s.public_id, h.parted FROM identity_held_update h"
            " JOIN identity_source_patient s USING (patient) WHERE h.message = ANY(%s) AND h.parted <> ''"
            " AND NOT EXISTS (SELECT FROM identity_source_patient p WHERE p.public_id = h.parted AND p.person ="
            " s.person)",
            [list(messages)],
        )
        for message, named, parted in cursor.fetchall():
            found.setdefault(message, {})[named] = parted
    return found
