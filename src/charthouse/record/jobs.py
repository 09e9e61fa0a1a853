"""Background work of the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charthouse.foundation.jobs.api import Progress, periodic, task

from .actions.read_scan import read_scan
from .actions.settle_words import settle_words
from .actions.sweep_index import sweep_index


@periodic("37 2 * * *", "record.sweep_index", "Clear the search index of earlier versions")
def sweep(progress: Progress) -> Mapping[str, Any]:
    """Delete index rows of versions that are no longer current."""
    return {"rows": sweep_index(progress.update)}


@periodic("* * * * *", "record.settle_words", "Merge new words into the index of words")
def settle(progress: Progress) -> Mapping[str, Any]:
    """Merge what waits before the index of words, so that searches need not look through it."""
    return {"pages": settle_words()}


@task("record.read_scan", "Read a scanned document by machine")
def READ_SCAN(progress: Progress, *, type: str, id: str) -> Mapping[str, Any]:
    """Read the text in a document's scanned pages; ``type`` and ``id`` name the document."""
    return read_scan(type, id, lambda pages: progress.update(pages, message="pages"))
