"""Background work of people."""

from __future__ import annotations

from charthouse.foundation.jobs.api import Progress, periodic

from .actions.end_sessions import sweep_sessions


@periodic("13 * * * *", "people.sweep_sessions", "End sessions that are over")
def sweep(progress: Progress) -> None:
    """End sessions past their time and forget those that ended long ago."""
    sweep_sessions()
