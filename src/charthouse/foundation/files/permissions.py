"""Who looks after the store."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

CARE = declare("files.care", "change the master key of kept files", {Role.ADMINISTRATOR})
