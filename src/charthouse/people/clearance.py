"""Which labels a set of roles may see."""

from __future__ import annotations

from collections.abc import Iterable

from charthouse.foundation.access.api import Label, Role

try:
    from charthouse.foundation.access.clearance import clearance_for  # type: ignore[import-untyped,unused-ignore]
except ImportError:

    def clearance_for(roles: Iterable[Role]) -> Label:
        return Label.NONE


__all__ = ["clearance_for"]
