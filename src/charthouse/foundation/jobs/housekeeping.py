"""The foundation's own periodic jobs. Hours are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from charthouse.foundation.clock import wall
from charthouse.foundation.events import api as events
from charthouse.foundation.files import api as files
from charthouse.foundation.outbox import api as outbox
from charthouse.foundation.work import api as work

from . import upkeep
from .progress import Progress
from .tasks import periodic

#: how long events and sent messages are kept
EVENTS_KEPT = timedelta(days=90)
SENT_KEPT = timedelta(days=90)

Result = Mapping[str, Any]


@periodic("* * * * *", "foundation.end_holds", "Give back work whose hold is over")
def end_holds(progress: Progress) -> Result:
    return {"items": work.end_holds()}


@periodic("* * * * *", "foundation.retry_abandoned", "Run jobs again whose worker stopped")
def retry_abandoned(progress: Progress) -> Result:
    return {"jobs": upkeep.retry_abandoned()}


@periodic("17 3 * * *", "foundation.trim", "Forget old events, sent messages and finished jobs")
def trim(progress: Progress) -> Result:
    progress.update(0, 3)
    told = events.trim(wall() - EVENTS_KEPT)
    progress.update(1)
    sent = outbox.trim(wall() - SENT_KEPT)
    progress.update(2)
    return {"events": told, "messages": sent, "jobs": upkeep.clear_finished()}


@periodic("47 3 * * 0", "foundation.sweep_files", "Delete what interrupted storing left in the file store")
def sweep_files(progress: Progress) -> Result:
    return {"files": files.sweep()}


@periodic("17 4 * * 0", "foundation.verify_files", "Prove every kept file")
def verify_files(progress: Progress) -> Result:
    """Every file with which something is wrong becomes work in the machinery queue."""
    found = files.verify(progress.update)
    work.open_items(
        work.NewItem(
            work.MACHINERY_QUEUE,
            work.Subject("file", str(finding.id)),
            finding.words,
            f"file:{finding.id}",
            priority=work.Priority.ASAP,
            detail={"trouble": str(finding.trouble)},
        )
        for finding in found.findings
    )
    return {"files": found.files, "bytes": found.bytes, "troubles": len(found.findings)}
