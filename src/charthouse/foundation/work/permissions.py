"""Rights over work beyond a queue's own."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

ASSIGN = declare("work.assign", "give work to others or take it from them", {Role.MANAGER, Role.ADMINISTRATOR})
