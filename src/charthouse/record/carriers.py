"""Disclosures that name one thing for many items, as a bulk export: apps above say whether it held an item."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.disclosure.api import DisclosureLine, disclosures_naming, disclosures_with
from charthouse.foundation.ledger.api import Subject


@dataclass(frozen=True, slots=True)
class Carrier:
    """What stands for many items in a disclosure. ``kind`` is that of its subject; ``held`` says which of some, by
    their ids, held a resource (type, public id) while it was the patient's of the disclosure."""

    kind: str
    held: Callable[[Collection[str], str, str], set[str]]


_carriers: dict[str, Carrier] = {}


def declare_carrier(carrier: Carrier) -> None:
    """Make a carrier known; once a process for each kind."""
    _carriers[carrier.kind] = carrier


def copies_of(
    ctx: AccessContext, kind: str, public_id: str, patients: Sequence[str], before: datetime
) -> list[DisclosureLine]:
    """The disclosures recorded before an instant by which a resource of one of these source patients went out,
    newest first; those of what held many name the resource alone.

    Raises PermissionRefused without the right to see disclosures.
    """
    item = Subject("resource", f"{kind}/{public_id}")
    found = {each.id: each for each in disclosures_with(ctx, [item], before)}
    for carrier in _carriers.values():
        lines = disclosures_naming(ctx, patients, carrier.kind, before)
        named = {subject.id for line in lines for subject in line.items if subject.kind == carrier.kind}
        held = carrier.held(named, kind, public_id) if named else set()
        for line in lines:
            if any(subject.kind == carrier.kind and subject.id in held for subject in line.items):
                found.setdefault(line.id, replace(line, items=(item,)))
    return sorted(found.values(), key=lambda each: (each.at, each.id), reverse=True)
