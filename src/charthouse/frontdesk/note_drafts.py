"""Notes that somebody will finish later: kept for their author alone, sealed, in no table and no dump."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.files import api as files
from charthouse.foundation.rulepacks.api import parameter

from .domain.forms import Fields

DRAFT = "frontdesk.note-draft"
SHELF = "drafts"


def note_draft(ctx: AccessContext, person: UUID, form: str) -> dict[str, str] | None:
    """What the asker kept of this form on this chart; None where nothing is kept, or its time is over."""
    found = files.waiting(ctx.actor, purpose_of(person, form), at_most=time_kept(), shelf=SHELF)
    return msgspec.json.decode(found.content, type=dict[str, str]) if found else None


def purpose_of(person: UUID, form: str) -> str:
    return f"frontdesk.note|{form}|{person}"


def time_kept() -> timedelta:
    """How long a draft waits, by the rule in force."""
    return timedelta(hours=int(parameter(DRAFT, "hours")))


def without_secrets(fields: Fields) -> dict[str, str]:
    """The fields of a form that are its author's text."""
    return {name: value for name, value in fields.items() if name not in {"csrfmiddlewaretoken", "secret", "step"}}
