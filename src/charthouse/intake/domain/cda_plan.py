"""From a C-CDA document to resources ready to file, on top of what the record says now. Pure.

A document is not all or nothing: what of it is broken is a problem with its place, and the rest is filed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from charthouse.exchange.cda.api import CdaError, Converted, Tree, to_fhir

from .desk import NOBODY, Desk, Key, Made, apply_draft, minter
from .fhir_plan import Problem
from .sender import Sender

#: Problems told of one document; the report of its sections names them all.
_MOST = 20


@dataclass(slots=True)
class CdaRead:
    """One document converted, with what of it is broken; without a conversion, why there is none."""

    converted: Converted | None = None
    problems: list[Problem] = field(default_factory=list)


def read(data: bytes, sender: Sender, tree: Tree | None = None, renamed: Mapping[str, str] = NOBODY) -> CdaRead:
    """Convert one document; what cannot be is a problem with its place, never an exception. ``tree`` is the
    document where it was parsed already, ``renamed`` the patients whom it means by a number that is another's."""
    try:
        converted = to_fhir(data, zone=sender.zone, mint=minter(sender.name, renamed), tree=tree)
    except CdaError as error:
        return CdaRead(problems=[Problem(1, "not-cda", str(error), "")])
    problems = [Problem(1, "section", reason, place) for place, reason in converted.faults[:_MOST]]
    return CdaRead(converted, problems)


def wanted(converted: Converted) -> Iterable[Key]:
    """The resources whose present state the document builds on."""
    for draft in converted.drafts:
        if draft.mode != "snapshot" or draft.type == "DocumentReference":
            yield (draft.type, draft.id)


def apply(converted: Converted, desk: Desk) -> Made:
    """Make the filings of one document; ``desk`` is changed as the record will be."""
    made = Made()
    for draft in converted.drafts:
        if draft.type == "DocumentReference" and draft.mode == "snapshot":
            before = desk.get((draft.type, draft.id))
            if before and before.get("status") == "superseded":
                # What replaced it came first.
                draft = replace(draft, resource={**draft.resource, "status": "superseded"})
        apply_draft(made, desk, draft)
    return made
