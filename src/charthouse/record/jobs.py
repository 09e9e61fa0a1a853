"""Background work of the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charthouse.foundation.jobs.api import Progress, periodic, task

from .actions.note_last_entries import note_births
from .actions.read_scan import read_scan
from .actions.settle_words import settle_words
from .actions.sweep_index import sweep_index


@periodic("37 2 * * *", "record.sweep_index", "Clear the search index of earlier versions")
def sweep(progress: Progress) -> Mapping[str, Any]:
    """Delete index rows of versions that are no longer current."""
    return {"rows": sweep_index(progress.update)}


@periodic("7 * * * *", "record.note_births", "Complete the list of last entries")
def complete(progress: Progress) -> Mapping[str, Any]:
    """Note the birth dates of charts that were there before the list of last entries; nothing to do later."""
    return {"patients": note_births(progress.update)}


@periodic("* * * * *", "record.settle_words", "Merge new words into the index of words")
def settle(progress: Progress) -> Mapping[str, Any]:
    """Merge what waits before the index of words, so that searches need not look through it."""
    return {"pages": settle_words()}


@task("record.read_scan", "Read a scanned document by machine")
def READ_SCAN(progress: Progress, *, type: str, id: str) -> Mapping[str, Any]:
    """Read the text in a document's scanned pages; ``type`` and ``id`` name the document."""
    return read_scan(type, id, lambda pages: progress.update(pages, message="pages"))
