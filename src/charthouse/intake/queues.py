"""The work queues intake opens items in."""

from __future__ import annotations

from charthouse.foundation.access.api import Role
from charthouse.foundation.work.api import declare_queue

#: Messages that could not be filed; the subject is the message.
UNFILED = "intake.unfiled"

declare_queue(UNFILED, "Unfiled messages", {Role.HIT, Role.MANAGER, Role.ADMINISTRATOR})
