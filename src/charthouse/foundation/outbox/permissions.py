"""Who sees to messages that do not go."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

MEND_OUTBOX = declare("outbox.mend", "retry or discard dead messages", {Role.ADMINISTRATOR, Role.MANAGER})
