"""Decide whose an update is that was held because it speaks of somebody else, and file what waited for it."""

from __future__ import annotations

from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.identity.api import DECIDE_OVERLAY, ask_about_held, held_messages, settle_held
from charthouse.intake.models import MessageState

from .file_waiting import file_one
from .retry_messages import requeue


def decide_overlay(
    ctx: AccessContext, patient: int, message: int, *, same: bool, reason: str, parted: str = ""
) -> list[int]:
    """Decide about the update of a patient that ``message`` brought, then file it and the others that are held for
    the patient as far as they fit now; returns the messages that are not filed, for another reason.

    The same person: it is applied. Another: it is filed under ``parted`` (a Patient's public id), or under a new
    patient who is matched like any arrival, but never with the one whose number it has. Raises PermissionRefused,
    :class:`~charthouse.identity.api.CannotDecide`.
    """
    require(ctx, DECIDE_OVERLAY)
    with transaction.atomic(), connection.cursor() as cursor:
        decided = settle_held(ctx, patient, message, same=same, reason=reason, parted=parted)
        requeue(cursor, decided, actor=ctx.actor)
        # What came after an update that holds is compared with it.
        others = [each for each in held_messages(patient) if same]
        requeue(cursor, others, actor=ctx.actor)
    results = [result for each in [*decided, *others] for result in file_one(each)]
    with transaction.atomic():
        ask_about_held([patient])
    return [each.message for each in results if each.state is not MessageState.FILED and each.message in decided]
