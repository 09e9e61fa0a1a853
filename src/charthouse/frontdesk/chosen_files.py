"""Files chosen for a form that came back with a fault: they wait for the same person, chart and form."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.files import api as files
from charthouse.foundation.rulepacks.api import parameter

from .domain.forms import Fields
from .permissions import FILE_DOCUMENT

CHOSEN = "frontdesk.chosen-file"


@dataclass(frozen=True, slots=True)
class ChosenFile:
    """A file as it was chosen: its name, for whoever chose it to know it by, and its bytes."""

    name: str
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)


def chosen_file(ctx: AccessContext, person: UUID, fields: Fields) -> ChosenFile | None:
    """The file that waits for a form of the asker's. Raises PermissionRefused."""
    require(ctx, FILE_DOCUMENT)
    purpose = purpose_of(person, fields)
    found = files.waiting(ctx.actor, purpose, at_most=time_kept()) if purpose else None
    return ChosenFile(found.name, found.content) if found else None


def purpose_of(person: UUID, fields: Fields) -> str:
    """What a file waits for; empty where the form has no number of its own."""
    try:
        return f"frontdesk.file-document|{person}|{uuid.UUID(fields.get('once', ''))}"
    except ValueError:
        return ""


def time_kept() -> timedelta:
    """How long a file waits, by the rule in force."""
    return timedelta(minutes=int(parameter(CHOSEN, "minutes")))
