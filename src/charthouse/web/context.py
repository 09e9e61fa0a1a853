"""What the frame around every signed-in page needs; worked out only when a template draws the frame."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest

from charthouse.completion.api import SUSPENSIONS
from charthouse.foundation.access.api import AccessContext, may
from charthouse.identity.api import FIND_PATIENT, POSSIBLE_DUPLICATES
from charthouse.intake.api import UNFILED
from charthouse.people.api import time_left
from charthouse.record.api import CORRECTIONS

from . import navigation

#: Screens of their own about the items of a queue, and that queue.
_QUEUES = {
    "duplicate": POSSIBLE_DUPLICATES,
    "unfiled": UNFILED,
    "correction": CORRECTIONS,
    "suspension": SUSPENSIONS,
}


def shell(request: HttpRequest) -> dict[str, Any]:
    """``rail`` (called by the layout), ``access``, ``locks_in`` (seconds) and ``may_find`` for a signed-in page."""
    ctx: AccessContext | None = getattr(request, "access", None)
    if ctx is None:
        return {}
    match = request.resolver_match
    current = (match.kwargs.get("screen") or match.url_name or "").split("-")[0] if match else ""
    queue = _QUEUES.get(current) or (match.kwargs.get("code", "") if match and current == "queue" else "")
    entries: Callable[[], Any] = partial(navigation.rail, ctx, current, queue)
    return {
        "access": ctx,
        "role_titles": sorted(role.title for role in ctx.roles),
        "rail": entries,
        "locks_in": time_left(request),
        "may_find": may(ctx, FIND_PATIENT),
    }
