"""Background work of the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charthouse.foundation.jobs.api import Progress, periodic

from .actions.sweep_index import sweep_index


@periodic("37 2 * * *", "record.sweep_index", "Clear the search index of earlier versions")
def sweep(progress: Progress) -> Mapping[str, Any]:
    """Delete index rows of versions that are no longer current."""
    return {"rows": sweep_index(progress.update)}
