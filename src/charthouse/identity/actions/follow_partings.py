"""Filing by itself what somebody's decision already answers: a number that was found to be used for two persons
goes on to be used so. Its later updates need not be asked about where they clearly speak of who was parted from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import orjson
from django.db import connection

from charthouse.foundation.access.api import system_context
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import Entry, Subject, append_many
from charthouse.identity.domain.overlay import known_other
from charthouse.identity.domain.placeholders import believed
from charthouse.identity.domain.traits import Traits, traits_from_json
from charthouse.identity.policy import policy
from charthouse.identity.store import partings

from .hold_updates import Suspect, ask_about_held

CONTEXT = system_context("identity")
_WHY = (
    "This number was found to be used for another person too; the update speaks against the one and agrees with"
    " the other."
)


@dataclass(frozen=True, slots=True)
class Followed:
    """An update that is another's by what was decided before: ``parted`` is the public id of the patient, parted
    from the named one, whose it is."""

    suspect: Suspect
    parted: str

    @property
    def named(self) -> str:
        """The public id of the patient whose number the update has."""
        return self.suspect.arrival.public_id


def follow_partings(held: Sequence[Suspect]) -> list[Followed]:
    """Of updates that would be held, those that clearly speak of a person once parted from their number.

    A split that was undone, and two who were joined since, part nobody. Nothing is written.
    """
    parted = partings({each.arrival.patient_row for each in held})
    if not parted:
        return []
    rows = {*parted, *(other.patient for others in parted.values() for other in others)}
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient, traits::text FROM identity_traits WHERE patient = ANY(%s)", [sorted(rows)])
        rules = policy()
        known: dict[int, Traits] = {
            row: believed(traits_from_json(text), rules.learnt) for row, text in cursor.fetchall()
        }
    found = []
    for each in held:
        row = each.arrival.patient_row
        others = [other for other in parted.get(row, ()) if other.patient in known]
        if row not in known or not others:
            continue
        update = believed(each.prepared.traits, rules.learnt)
        place = known_other(
            update, known[row], [known[other.patient] for other in others], rules.model, rules.thresholds
        )
        if place is not None:
            found.append(Followed(each, others[place].public_id))
    return found


def note_followed(followed: Iterable[Followed]) -> None:
    """Keep, in the caller's transaction, which updates were filed under a parted patient, and why."""
    rows = [each for each in followed if each.suspect.arrival.message]
    if not rows:
        return
    at = wall()
    with connection.cursor() as cursor:
        for each in rows:
            suspect, arrival = each.suspect, each.suspect.arrival
            cursor.execute(
                "INSERT INTO identity_held_update (patient, message, weight, waterfall, traits, labels, display,"
                " state, parted, decided_by, reason, found_at, decided_at)"
                " VALUES (%s, %s, %s, %s::jsonb, %s::jsonb, %s, %s::jsonb, 'another', %s, %s, %s, %s, %s)"
                " ON CONFLICT (patient, message) DO UPDATE SET state = excluded.state, parted = excluded.parted,"
                " decided_by = excluded.decided_by, reason = excluded.reason, decided_at = excluded.decided_at",
                [
                    arrival.patient_row,
                    arrival.message,
                    suspect.score.weight,
                    orjson.dumps([step.as_json() for step in suspect.score.waterfall]).decode(),
                    suspect.prepared.traits_json,
                    suspect.prepared.labels,
                    msgspec.json.encode(suspect.prepared.display).decode(),
                    each.parted,
                    CONTEXT.actor,
                    _WHY,
                    at,
                    at,
                ],
            )
    append_many(
        [
            Entry(
                ctx=CONTEXT,
                action="identity.follow-parting",
                subjects=(
                    Subject("patient", each.named),
                    Subject("patient", each.parted),
                    Subject("message", str(each.suspect.arrival.message)),
                ),
            )
            for each in rows
        ]
    )
    # What was held before, and is tried again after the two were parted, needs nobody any more.
    ask_about_held({each.suspect.arrival.patient_row for each in rows})
