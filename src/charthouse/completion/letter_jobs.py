"""Background work of letters and the suspension list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from charthouse.foundation.jobs.api import Progress, periodic, task

from .actions.make_letters import make_letters
from .actions.propose_suspensions import propose_suspensions


@task("completion.letters", "Make letters to practitioners")
def letters(progress: Progress, *, batch: str) -> Mapping[str, Any]:
    """Make what is missing of a batch of letters."""
    done = make_letters(UUID(batch), lambda at, total: progress.update(at, total, "practitioners"))
    return {"made": done.made, "before": done.before, "without_address": done.without_address}


@periodic("*/10 * * * *", "completion.suspensions", "Bring the suspension list up to date")
def suspensions(progress: Progress) -> Mapping[str, Any]:
    """Propose who reached the bylaws' thresholds, and lift what is completed."""
    done = propose_suspensions()
    return {"proposed": done.proposed, "withdrawn": done.withdrawn, "lifted": done.lifted}
