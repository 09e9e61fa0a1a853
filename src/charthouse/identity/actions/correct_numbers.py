"""Correct a patient's number, end its validity, or take that back: with the reason, and kept against later
messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django.db import connection, transaction

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import today, wall
from charthouse.foundation.ledger.api import Subject
from charthouse.foundation.ledger.api import append as append_ledger
from charthouse.identity.actions.moving import CannotDecide, Side, held_of, needed, undisturbed
from charthouse.identity.checks import sees_all
from charthouse.identity.domain.corrections import Correction, corrected, restored
from charthouse.identity.domain.traits import identifier_folded
from charthouse.identity.models import NumberCorrection
from charthouse.identity.number_queries import corrections_of
from charthouse.identity.permissions import LINK_PATIENTS
from charthouse.identity.store import Writing, write
from charthouse.record.api import editable, file_resources

from .splitting import again, row_of, source_of, versions_of

_LONGEST = 200


@undisturbed
def end_number(ctx: AccessContext, patient: int, system: str, value: str, reason: str) -> None:
    """Say that a number is this patient's no more, from today. Raises as :func:`replace_number`."""
    _correct(ctx, patient, system, value, "", reason)


@undisturbed
def replace_number(ctx: AccessContext, patient: int, system: str, value: str, right: str, reason: str) -> None:
    """Give a number's right value; the wrong one stays as an old number, ended today.

    Raises PermissionRefused; CannotDecide where the patient has no such number now, the right one is none or
    another patient's, or no reason is given.
    """
    right = " ".join(right.split())[:_LONGEST]
    if len(identifier_folded(right)) < 2:
        raise CannotDecide("Give the right number: two signs or more.")
    if right == value:
        raise CannotDecide("This is the number as it is; there is nothing to correct.")
    _correct(ctx, patient, system, value, right, reason)


@undisturbed
def restore_number(ctx: AccessContext, patient: int, system: str, value: str, reason: str) -> None:
    """Take a correction back: the number is as it was. Raises as :func:`replace_number`."""
    require(ctx, LINK_PATIENTS)
    reason = needed(reason, "Say why the correction is taken back.")
    with transaction.atomic():
        side = _held(ctx, patient)
        found = next(
            (
                each
                for each in corrections_of([patient]).get(patient, ())
                if (each.system, each.value) == (system, value)
            ),
            None,
        )
        if found is None:
            raise CannotDecide("This number was not corrected; there is nothing to take back.")
        last = NumberCorrection.objects.filter(patient=patient, system=system, value=value).latest("id")
        original = last.original if isinstance(last.original, dict) else orjson.loads(last.original)
        _file(side, lambda now: restored(now, found, original))
        _write(ctx, side, NumberCorrection.Kind.RESTORED, found, original, reason)


def _correct(ctx: AccessContext, patient: int, system: str, value: str, right: str, reason: str) -> None:
    require(ctx, LINK_PATIENTS)
    reason = needed(reason, "Say why the number is corrected.")
    with transaction.atomic():
        side = _held(ctx, patient)
        now = versions_of(side)[0].resource
        original = next(
            (
                each
                for each in now.get("identifier") or ()
                if (each.get("system", ""), each.get("value")) == (system, value) and each.get("use") != "old"
            ),
            None,
        )
        if original is None:
            raise CannotDecide("The patient has no such number now. Look at the numbers again.")
        if right:
            _refuse_anothers(patient, system, right)
        correction = Correction(system, value, right, today(configuration().time_zone))
        _file(side, lambda resource: corrected(resource, [correction]))
        kind = NumberCorrection.Kind.REPLACED if right else NumberCorrection.Kind.ENDED
        _write(ctx, side, kind, correction, original, reason)


def _held(ctx: AccessContext, patient: int) -> Side:
    sides = held_of([patient])
    if patient not in sides or not sees_all(ctx, [sides[patient].person]):
        raise CannotDecide("There is no such record in the index, or the person has one you may not see.")
    return sides[patient]


def _refuse_anothers(patient: int, system: str, right: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM identity_identifier WHERE folded = %s AND system = %s AND patient <> %s)",
            [identifier_folded(right), system, patient],
        )
        if cursor.fetchone()[0]:
            raise CannotDecide("Another record has this number. If the two are one person, merge them instead.")


def _file(side: Side, change: Any) -> None:
    """File the patient with its numbers changed, and make its rows in the index again."""
    last = versions_of(side)[0]
    content = orjson.dumps(change(editable(last.content)))
    with connection.cursor() as cursor:
        source = source_of(cursor, side.patient)
        filing = again(last, content, source)
        file_resources(cursor, [filing], wall())
    row = row_of(side.patient, side.public_id, source, side.person, content, filing)
    write(Writing(rows={side.patient: row}, changed={side.patient}))


def _write(
    ctx: AccessContext,
    side: Side,
    kind: NumberCorrection.Kind,
    correction: Correction,
    original: Mapping[str, Any],
    reason: str,
) -> None:
    NumberCorrection.objects.create(
        patient=side.patient,
        kind=kind,
        system=correction.system,
        value=correction.value,
        replaced_by=correction.replaced_by,
        day=correction.day,
        original=dict(original),
        actor=ctx.actor,
        reason=reason,
        at=wall(),
    )
    append_ledger(
        ctx,
        "identity.correct-number",
        subjects=[Subject("patient", side.public_id), Subject("person", str(side.person))],
        detail={"kind": str(kind.value)},
    )
