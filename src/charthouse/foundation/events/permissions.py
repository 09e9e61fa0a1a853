"""Who sees to events that stand aside."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare
from charthouse.foundation.work.api import MACHINERY_QUEUE

__all__ = ["MACHINERY_QUEUE", "MEND_EVENTS"]

MEND_EVENTS = declare("events.mend", "retry or discard events that failed", {Role.ADMINISTRATOR, Role.MANAGER})
