"""Background work of the front desk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charthouse.foundation.jobs.api import Progress, periodic

from .actions.keep_chosen_file import forget_old_chosen_files
from .actions.keep_note_draft import forget_old_note_drafts


@periodic("*/10 * * * *", "frontdesk.forget_chosen_files", "Delete files that waited for a form")
def forget(progress: Progress) -> Mapping[str, Any]:
    """Delete the files that waited their time for a form that was not sent again, and drafts that waited theirs."""
    return {"files": forget_old_chosen_files(), "drafts": forget_old_note_drafts()}
