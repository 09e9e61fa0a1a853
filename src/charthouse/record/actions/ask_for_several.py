"""Ask for documents and charts of several persons to be destroyed, each chart by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from charthouse.foundation.access.api import AccessContext, require
from charthouse.record.document_errors import DocumentError
from charthouse.record.permissions import ASK_TO_DESTROY

from ._documents import note_of
from .destroy_chart import ask_to_destroy

#: Charts that may be asked for at once.
MOST = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """A chart by its source patients, all of one person's; with ``documents`` (``Type/id``) only these of it."""

    patients: tuple[int, ...]
    documents: tuple[str, ...] = ()


def ask_for_several(ctx: AccessContext, wanted: Sequence[Wanted], reason: str) -> tuple[list[int], list[str]]:
    """Ask for each of ``wanted`` to be destroyed: the numbers under which another confirms them, and why the others
    were not asked for. What cannot be asked for of one chart stops no other.

    Raises PermissionRefused, and DocumentError where nothing is wanted, too much, or no reason is given.
    """
    require(ctx, ASK_TO_DESTROY)
    if not wanted:
        raise DocumentError("Choose at least one.")
    if len(wanted) > MOST:
        raise DocumentError(f"Ask for {MOST} charts at the most at once.")
    if not note_of(reason):
        raise DocumentError("Say why it is destroyed; it is kept with what is left of it.")
    asked, refused = [], []
    for each in wanted:
        try:
            asked.append(ask_to_destroy(ctx, each.patients, reason, each.documents or None))
        except DocumentError as error:
            refused.append(str(error))
    return asked, refused
