"""Two persons in one source patient: which of its versions speak of whom, and whose its items are by that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .decision import Thresholds
from .guards import evidence_of, guards_of
from .model import Model
from .scorer import Score, doubt
from .traits import Traits


class Side(StrEnum):
    """Of the two persons, the one who was there first and the one who was written over them."""

    STAYS = "stays"
    GOES = "goes"


@dataclass(frozen=True, slots=True)
class Told:
    """A version of a source patient as it is judged: how well it agrees with the newest before it of either side,
    and the side it is proposed for."""

    version: int
    traits: Traits
    against_stays: Score | None
    against_goes: Score | None
    side: Side

    @property
    def score(self) -> Score | None:
        """What it was judged by: the agreement with those who were there first."""
        return self.against_stays


def told(versions: Sequence[tuple[int, Traits]], model: Model, suspect_below: float) -> list[Told]:
    """Each version, the oldest first, with the side it speaks for.

    The first speaks for who was there first. Each later one goes to the side whose newest version it agrees with
    better; while there is one side only, below ``suspect_below`` bits it begins the other.
    """
    newest: dict[Side, Traits] = {}
    judged = []
    for version, traits in versions:
        stays = doubt(traits, newest[Side.STAYS], model) if Side.STAYS in newest else None
        goes = doubt(traits, newest[Side.GOES], model) if Side.GOES in newest else None
        side = Side.STAYS
        if (goes is not None and stays is not None and goes.weight > stays.weight) or (
            goes is None and stays is not None and stays.weight < suspect_below
        ):
            side = Side.GOES
        newest[side] = traits
        judged.append(Told(version, traits, stays, goes, side))
    return judged


def known_other(
    update: Traits, named: Traits, others: Sequence[Traits], model: Model, limits: Thresholds
) -> int | None:
    """Which of the persons once parted from a number a held update of that number clearly speaks of; None where
    that is for somebody to decide.

    The update must be in conflict with the person it names, and agree with the other as an arrival must that is the
    same beyond doubt, numbers left aside: ``limits.same`` bits, so many respects, no conflict, and a lead over the
    next.
    """
    if not guards_of(update, named, doubt(update, named, model).levels):
        return None
    scores = [doubt(update, other, model) for other in others]
    ranked = sorted(range(len(others)), key=lambda place: -scores[place].weight)
    best = ranked[0] if ranked else None
    if best is None or scores[best].weight < limits.same:
        return None
    if len(ranked) > 1 and scores[best].weight - scores[ranked[1]].weight < limits.margin:
        return None
    levels = scores[best].levels._replace(identifier=None)
    respects, carries = evidence_of(levels)
    if respects < limits.evidence or not carries or guards_of(update, others[best], levels):
        return None
    return best


@dataclass(frozen=True, slots=True)
class Placeable:
    """An item to be divided: the encounter it is part of (None for none), and the version of the patient that was
    in force when it was first filed."""

    item: int
    encounter: int | None
    version: int


def proposed(items: Iterable[Placeable], sides: dict[int, Side]) -> dict[int, Side]:
    """A side for each item: that of the version in force when it came; all items of one encounter go together, with
    the first of them."""
    of_encounter: dict[int, Side] = {}
    found = {}
    for each in sorted(items, key=lambda one: (one.version, one.item)):
        side = sides.get(each.version, Side.STAYS)
        if each.encounter is not None:
            side = of_encounter.setdefault(each.encounter, side)
        found[each.item] = side
    return found
