"""How far somebody is on the tour of the screens."""

from __future__ import annotations

from django.db import transaction

from charthouse.foundation import clock
from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.models import TourProgress, User
from charthouse.people.permissions import OWN_ACCOUNT

from . import _ledger
from ._ledger import user_subject

__all__ = ["leave_tour", "note_tour_step"]


def note_tour_step(ctx: AccessContext, step: int, *, last: bool = False) -> None:
    """The asker has done ``step`` (from 1); ``last`` ends the tour. A tour left before is taken up again by it."""
    require(ctx, OWN_ACCOUNT)
    _keep(ctx, "tour.step", step=step, left_at=None, finished_at=clock.wall() if last else None)


def leave_tour(ctx: AccessContext) -> None:
    """The asker wants the tour no more for now; how far they were is kept."""
    require(ctx, OWN_ACCOUNT)
    _keep(ctx, "tour.left", left_at=clock.wall())


def _keep(ctx: AccessContext, action: str, **values: object) -> None:
    with transaction.atomic():
        user = User.objects.get(pk=int(ctx.actor.removeprefix("user:")))
        row, _ = TourProgress.objects.update_or_create(user=user, defaults=values)
        _ledger.append(ctx, action, subjects=[user_subject(user)], detail={"step": row.step})
