"""Set and lift legal holds: what is held is not destroyed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import Subject, append
from charthouse.record.document_errors import DocumentError
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.models import Hold, HoldLift
from charthouse.record.permissions import SET_HOLD
from charthouse.record.queries import current

from ._documents import note_of, patient_id


def take_chart(cursor: Any, patients: Sequence[int]) -> None:
    """Have a chart to oneself until the transaction ends, against holds and destructions."""
    cursor.execute(
        "SELECT FROM record_resource WHERE type = %s AND id = ANY(%s) ORDER BY id FOR UPDATE",
        [TYPE_ID["Patient"], list(patients)],
    )


def set_hold(ctx: AccessContext, patients: Sequence[int], matter: str, item: tuple[str, str] | None = None) -> int:
    """Hold a chart, or an encounter or document of it by (type, public id); returns the hold's number.

    ``matter`` says what needs it. Raises PermissionRefused, DocumentError.
    """
    require(ctx, SET_HOLD)
    words = note_of(matter)
    if not words:
        raise DocumentError("Say which matter needs it: a case, an audit, an investigation.")
    with transaction.atomic(), connection.cursor() as cursor:
        take_chart(cursor, patients)
        if not patients:
            raise DocumentError("There is no such chart, or it is not open to you.")
        if item is not None:
            stored = current(cursor, ctx, [item]).get(item)
            if stored is None or stored.patient not in patients:
                raise DocumentError("The chart has no such item, or it is not open to you.")
        kept = Hold.objects.create(
            patient=patients[0],
            type=TYPE_ID[item[0]] if item else None,
            public_id=item[1] if item else "",
            matter=words,
            by=ctx.actor,
            name=ctx.name or ctx.actor,
            at=wall(),
        )
        _tell(ctx, cursor, "record.set-hold", kept)
    return int(kept.pk)


def lift_hold(ctx: AccessContext, number: int, reason: str) -> None:
    """End a hold, with a reason. Raises PermissionRefused, DocumentError."""
    require(ctx, SET_HOLD)
    words = note_of(reason)
    if not words:
        raise DocumentError("Say why the hold is not needed any more.")
    with transaction.atomic(), connection.cursor() as cursor:
        kept = Hold.objects.filter(pk=number).first()
        if kept is None:
            raise DocumentError("There is no such hold.")
        take_chart(cursor, [kept.patient])
        if HoldLift.objects.filter(pk=number).exists():
            raise DocumentError("This hold was lifted already.")
        HoldLift.objects.create(hold=kept, reason=words, by=ctx.actor, name=ctx.name or ctx.actor, at=wall())
        _tell(ctx, cursor, "record.lift-hold", kept)


def share_holds(
    ctx: AccessContext, cursor: Any, sides: tuple[Sequence[int], Sequence[int]], since: datetime | None = None
) -> int:
    """Have what holds one chart hold both of the two that it is parted into, each of these source patients; returns
    how many holds were set. Of those set before ``since`` it is known whose they are: they stay.

    In the caller's transaction. Each is lifted on its own.
    """
    if not all(sides):
        return 0
    take_chart(cursor, [*sides[0], *sides[1]])
    made = 0
    for here, there in (sides, sides[::-1]):
        found = Hold.objects.filter(patient__in=list(here), lift=None).order_by("pk")
        held = set(Hold.objects.filter(patient__in=list(there), lift=None).values_list("matter", "by", "at"))
        for each in found if since is None else found.filter(at__gte=since):
            if (each.matter, each.by, each.at) in held:
                continue
            kept = Hold.objects.create(
                patient=there[0], type=each.type, public_id=each.public_id, matter=each.matter,
                by=each.by, name=each.name, at=each.at,
            )  # fmt: skip
            _tell(ctx, cursor, "record.share-hold", kept)
            made += 1
    return made


def _tell(ctx: AccessContext, cursor: Any, action: str, kept: Hold) -> None:
    append(
        ctx,
        action,
        subjects=[Subject("patient", patient_id(cursor, kept.patient)), Subject("hold", str(kept.pk))],
        detail={"whole": kept.type is None},
    )
