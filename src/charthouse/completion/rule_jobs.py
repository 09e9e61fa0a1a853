"""Background work of rules: trying them over charts, and analysing charts again by those that were adopted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from charthouse.foundation.jobs.api import Progress, task

from .actions.adopt_tried import analyse_by_adopted
from .actions.try_rules import run_trial


@task("completion.try-rules", "Try rules over charts")
def trying(progress: Progress, *, trial: str) -> Mapping[str, Any]:
    """What rules would open and close; nothing is changed."""
    done = run_trial(UUID(trial), lambda at, total: progress.update(at, total, "charts"))
    return {"charts": done.looked_at, "touched": done.touched}


@task("completion.adopt-rules", "Analyse charts by rules that were adopted")
def analysing(progress: Progress, *, trial: str) -> Mapping[str, Any]:
    """Open and close what the rules of a trial that was adopted find."""
    done = analyse_by_adopted(UUID(trial), lambda at, total: progress.update(at, total, "charts"))
    return {"charts": done.charts, **done.turns}
