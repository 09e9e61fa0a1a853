"""What becomes of a chart's deficiencies when it is analysed again: pure comparison of what stands with what is
found.

What people decided outlives an analysis: a waiver, an administrative closure, an assignment, a due date or words
set by hand. What the rules no longer find closes by itself; what they find again opens again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from .states import State


class Turn(StrEnum):
    """What an analysis does to a deficiency."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"
    NOTED = "noted"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class Matter:
    """What a deficiency says: the part of a finding that is kept.

    ``owed_by`` names who owes it as records do (``Practitioner/id``, or an account), empty for nobody;
    ``owed_name`` is the name beside it. A matter of ``judgement`` is proposed and waits for a technician; one to be
    ``noted`` is over.
    """

    key: str
    rule: str
    kind: str
    piece: str
    what: str
    about: str
    says: str
    owed_by: str
    owed_name: str
    owed_because: str
    due: datetime | None
    judgement: bool
    noted: bool

    @property
    def begins_as(self) -> State:
        if self.noted:
            return State.NOTED
        return State.PROPOSED if self.judgement else State.OPEN


@dataclass(frozen=True, slots=True)
class Standing:
    """A deficiency as it is kept."""

    id: int
    matter: Matter
    state: State
    manual: bool
    by_hand: bool
    edited: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written: of which deficiency (None for a new one), what it says from now on, and its state."""

    turn: Turn
    id: int | None
    matter: Matter
    state: State


Redirect = Callable[[Matter], Matter]
"""The matter as it is asked of whoever stands in for a practitioner who is away or gone; the same where nobody
does."""


def compare(standing: Iterable[Standing], found: Sequence[Matter], redirect: Redirect) -> list[Change]:
    """The changes that bring what stands in line with what was found, in the order of the findings, closings last.

    Of two findings with one key the first counts. What a person added is not the rules' to close.
    """
    listed = list(standing)
    kept = {each.matter.key: each for each in listed if not each.manual}
    wanted: dict[str, Matter] = {}
    for each in found:
        wanted.setdefault(each.key, each)
    changes = []
    for key, matter in wanted.items():
        here = kept.get(key)
        if here is None:
            turn = Turn.NOTED if matter.noted else Turn.OPENED
            changes.append(Change(turn, None, redirect(matter), matter.begins_as))
        elif (change := _again(here, matter, redirect)) is not None:
            changes.append(change)
    changes += [
        Change(Turn.UPDATED, each.id, said, each.state)
        for each in listed
        if each.manual and not each.state.settled and (said := redirect(each.matter)) != each.matter
    ]
    changes += [
        Change(Turn.CLOSED, here.id, here.matter, State.CLOSED)
        for key, here in kept.items()
        if key not in wanted and (not here.state.settled or here.state is State.NOTED)
    ]
    return changes


def _again(here: Standing, matter: Matter, redirect: Redirect) -> Change | None:
    if here.state in (State.WAIVED, State.ADMINISTRATIVE):
        return None
    said = redirect(_kept_by_people(here, matter))
    if matter.noted:
        return None if here.state is State.NOTED else Change(Turn.NOTED, here.id, said, State.NOTED)
    if here.state.settled:
        return Change(Turn.REOPENED, here.id, said, said.begins_as)
    return Change(Turn.UPDATED, here.id, said, here.state) if said != here.matter else None


def _kept_by_people(here: Standing, matter: Matter) -> Matter:
    """The matter as found, with what people assigned and edited left as they did."""
    if here.by_hand:
        owed = here.matter
        matter = replace(matter, owed_by=owed.owed_by, owed_name=owed.owed_name, owed_because=owed.owed_because)
    if here.edited:
        matter = replace(matter, says=here.matter.says, due=here.matter.due)
    return matter
