"""How far somebody is on the tour of the screens."""

from __future__ import annotations

from dataclasses import dataclass

from charthouse.foundation.access.api import AccessContext
from charthouse.people.models import TourProgress


@dataclass(frozen=True, slots=True)
class TourState:
    """``done`` steps, counted from 0; ``shown`` says whether the first page still speaks of the tour."""

    done: int
    finished: bool
    shown: bool


def tour_state(ctx: AccessContext) -> TourState:
    """The asker's own."""
    row = TourProgress.objects.filter(user_id=int(ctx.actor.removeprefix("user:"))).first()
    if row is None:
        return TourState(0, False, True)
    return TourState(row.step, row.finished_at is not None, row.left_at is None and row.finished_at is None)
