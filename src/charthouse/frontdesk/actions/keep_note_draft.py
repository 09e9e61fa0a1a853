"""Keep a note that is not finished for its author; forget it when it is filed, thrown away, or its time is over."""

from __future__ import annotations

from uuid import UUID

import msgspec

from charthouse.foundation.access.api import AccessContext, Permission, require
from charthouse.foundation.files import api as files
from charthouse.foundation.ledger.api import Subject, append
from charthouse.foundation.rulepacks.api import parameter
from charthouse.frontdesk.domain.errors import FrontdeskError
from charthouse.frontdesk.domain.forms import Fields
from charthouse.frontdesk.note_drafts import DRAFT, SHELF, purpose_of, time_kept, without_secrets

from ._entering import chart_of

_LARGEST = 400_000


def keep_note_draft(ctx: AccessContext, person: UUID, form: str, fields: Fields, permission: Permission) -> None:
    """Keep what was typed so far. Raises PermissionRefused, FrontdeskError."""
    require(ctx, permission)
    chart_of(ctx, person)
    content = msgspec.json.encode(without_secrets(fields))
    if len(content) > _LARGEST:
        raise FrontdeskError("This is too long to be kept as a draft. File it unsigned, and change it later.")
    kept = files.WaitingFile("note", content)
    files.keep_waiting(ctx.actor, purpose_of(person, form), kept, most=int(parameter(DRAFT, "most")), shelf=SHELF)
    append(ctx, "frontdesk.keep-draft", subjects=[Subject("person", str(person))], detail={"form": form})


def forget_note_draft(ctx: AccessContext, person: UUID, form: str) -> None:
    """Throw the asker's draft away."""
    files.forget_waiting(ctx.actor, purpose_of(person, form), SHELF)


def forget_old_note_drafts() -> int:
    """Delete drafts that have waited their time; how many."""
    return files.sweep_waiting(time_kept(), SHELF)
