"""Let a chosen file wait for its form to be mended, and forget it when its time is over."""

from __future__ import annotations

from uuid import UUID

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.files import api as files
from charthouse.foundation.rulepacks.api import parameter
from charthouse.frontdesk.chosen_files import CHOSEN, ChosenFile, purpose_of, time_kept
from charthouse.frontdesk.domain.forms import Fields

_LONGEST_NAME = 120


def keep_chosen_file(ctx: AccessContext, person: UUID, fields: Fields, file: ChosenFile) -> None:
    """Let ``file`` wait for the form, in the place of one that waited before."""
    if purpose := purpose_of(person, fields):
        # Shown again to the one who chose it, so that signs that turn the writing about or cannot be seen go.
        name = "".join(each for each in file.name if each.isprintable())[:_LONGEST_NAME] or "file"
        kept = files.WaitingFile(name, file.content)
        files.keep_waiting(ctx.actor, purpose, kept, most=int(parameter(CHOSEN, "most")))


def forget_chosen_file(ctx: AccessContext, person: UUID, fields: Fields) -> None:
    """Delete what waits for the form."""
    if purpose := purpose_of(person, fields):
        files.forget_waiting(ctx.actor, purpose)


def forget_old_chosen_files() -> int:
    """Delete what has waited its time; how many."""
    return files.sweep_waiting(time_kept())
