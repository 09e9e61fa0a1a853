"""Write down that somebody was refused."""

from __future__ import annotations

from charthouse.foundation.access.api import AccessContext

from . import _ledger
from ._ledger import Outcome

__all__ = ["note_refusal"]


def note_refusal(ctx: AccessContext, *, route: str, because: str) -> None:
    """A request that was not let through: ``route`` is the address's pattern, never the address."""
    _ledger.append_read(ctx, "access.refused", outcome=Outcome.REFUSED, detail={"route": route, "because": because})
