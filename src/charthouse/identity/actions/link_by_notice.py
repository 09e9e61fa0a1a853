"""Link two source patients because their sender says they are one (HL7 A34, A40, A47).

The source patients stay; the prior one is put under the survivor's person. What cannot be done is reported, never
guessed: a number nobody has, a number of several, the contrary of an earlier notice, what somebody ruled out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from charthouse.foundation.access.api import system_context
from charthouse.foundation.work.api import finish_by_dedupe
from charthouse.identity.actions.moving import Move, Side, ask_about, held_of, move, write_decision
from charthouse.identity.actions.telling_others import tell_others
from charthouse.identity.domain.traits import traits_of
from charthouse.identity.models import Decision
from charthouse.identity.queues import POSSIBLE_DUPLICATES, matter

CONTEXT = system_context("identity")
KIND = "merge-notice"
SAID = "The sender says that the two are one person."
LEFT_BEHIND = (
    "A sender merged another record of this person into a second person. Perhaps this one belongs there too."
)

PatientKey = str | Iterable[Mapping[str, Any]]
"""A Patient's public id, or FHIR Identifiers of which one is enough."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What became of a notice. ``problem`` is empty where it was followed or had been before; else it says in words
    what stood against it, and ``code`` in one: unknown-survivor, unknown-prior, ambiguous, same-patient,
    contrary-notice, known-not-same. ``linked`` tells whether anything was changed."""

    linked: bool
    person: UUID | None = None
    code: str = ""
    problem: str = ""


class _Refused(Exception):
    def __init__(self, code: str, problem: str) -> None:
        super().__init__(code)
        self.notice = Notice(linked=False, code=code, problem=problem)


def link_by_notice(
    survivor: PatientKey,
    prior: PatientKey,
    source: int,
    message: int | None = None,
    occurred: datetime | None = None,
) -> Notice:
    """Put the prior source patient under the survivor's person. The same notice twice changes nothing more."""
    with transaction.atomic():
        try:
            return _follow(survivor, prior, source, message, occurred)
        except _Refused as refused:
            return refused.notice


def _follow(
    survivor: PatientKey, prior: PatientKey, source: int, message: int | None, occurred: datetime | None
) -> Notice:
    survivor_row = _resolve(survivor, source, "survivor", "the patient who remains")
    prior_row = _resolve(prior, source, "prior", "the patient who is merged away")
    if survivor_row == prior_row:
        raise _Refused("same-patient", "The message merges a patient with itself; there is nothing to do.")
    sides = held_of([survivor_row, prior_row])
    kept, gone = sides[survivor_row], sides[prior_row]
    _check(kept, gone)
    if kept.person == gone.person and _has_notice(gone.patient, kept.patient):
        return Notice(linked=False, person=kept.person)
    decision = write_decision(
        CONTEXT, Decision.Kind.NOTICE, kept.person, gone.person, SAID, {"message": message, "source": source}
    )
    left = move(
        CONTEXT,
        decision,
        [Move(gone, kept.person)],
        {
            "kind": KIND,
            "reason": SAID,
            "others": {gone.patient: kept.patient},
            "message": message,
            "occurred": occurred,
        },
        "identity.link",
    )
    finish_by_dedupe(POSSIBLE_DUPLICATES, matter(kept.patient, gone.patient), "same", finished_by=CONTEXT.actor)
    ask_about(CONTEXT, left, kept, LEFT_BEHIND)
    if kept.person != gone.person:
        tell_others(CONTEXT, decision)
    return Notice(linked=kept.person != gone.person, person=kept.person)


def _check(kept: Side, gone: Side) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM identity_not_same WHERE low = %s AND high = %s)",
            [min(kept.patient, gone.patient), max(kept.patient, gone.patient)],
        )
        if cursor.fetchone()[0]:
            raise _Refused(
                "known-not-same",
                "The message merges two patients whom somebody here found to be two persons. "
                "Ask the sender, or undo that decision first.",
            )
    if _has_notice(kept.patient, gone.patient):
        raise _Refused(
            "contrary-notice",
            "An earlier message merged the same two patients the other way round. "
            "Ask the sender which one remains.",
        )


def _has_notice(gone: int, kept: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM identity_link WHERE patient = %s AND other = %s AND kind = %s)",
            [gone, kept, KIND],
        )
        return bool(cursor.fetchone()[0])


def _resolve(key: PatientKey, source: int, side: str, words: str) -> int:
    """The one source patient a key names, among those of the sender."""
    with connection.cursor() as cursor:
        if isinstance(key, str):
            cursor.execute("SELECT patient FROM identity_source_patient WHERE public_id = %s", [key])
        else:
            identifiers = traits_of({"identifier": [dict(each) for each in key]}, source=source).identifiers
            cursor.execute(
                "SELECT DISTINCT i.patient FROM unnest(%s::text[], %s::text[]) AS n (system, folded)"
                " JOIN identity_identifier i ON i.folded = n.folded AND i.system = n.system"
                " JOIN identity_source_patient s ON s.patient = i.patient WHERE s.source = %s",
                [[each.system for each in identifiers], [each.folded for each in identifiers], source],
            )
        found = [row[0] for row in cursor.fetchall()]
    if not found:
        raise _Refused(
            f"unknown-{side}", f"Nobody here has the number of {words}. Send that patient, then try this again."
        )
    if len(found) > 1:
        raise _Refused("ambiguous", f"More than one patient of this sender has the number of {words}.")
    return int(found[0])
