"""Who lies in which bed: never two at one time."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from functools import lru_cache

from .catalog import names
from .chance import chance
from .items import Stay
from .life import stays_of
from .population import BLOCK, people_of_block
from .staff import HOSPITAL

#: A bed is made before the next patient lies in it.
_MADE = timedelta(minutes=40)


class Beds:
    """The beds of one hospital. A patient's depend on those of patients with lower numbers alone, so that any one
    of them can be made by itself; what has to be known of the others is made on the way, once."""

    def __init__(self, seed: int, anchor: datetime) -> None:
        self._seed, self._anchor = seed, anchor
        #: By unit and place, the ends of what is taken, each with its beginning, in order.
        self._taken: dict[tuple[str, int], list[tuple[datetime, datetime]]] = {}
        #: The beds of each patient, stay by stay and move by move.
        self._given: list[tuple[str, ...]] = []
        self._block: tuple[int, list[list[Stay]]] = -1, []

    def stays(self, number: int) -> list[Stay]:
        """The stays of patient ``number``, with their beds."""
        block, place = divmod(number - 1, BLOCK)
        while len(self._given) < number:
            self._next_block()
        if self._block[0] != block:
            self._block = block, [self._placed(stays, self._given[block * BLOCK + each]) for each, stays in
                                  enumerate(self._planned(block))]  # fmt: skip
        return self._block[1][place]

    def _planned(self, block: int) -> list[list[Stay]]:
        seed, anchor = self._seed, self._anchor
        return [
            stays_of(chance(seed, "life", each.number), seed, each, anchor)
            for each in people_of_block(seed, block, anchor.date())
        ]

    def _next_block(self) -> None:
        block = len(self._given) // BLOCK
        stays = self._planned(block)
        for place, each in enumerate(stays):
            number = block * BLOCK + place + 1
            self._given.append(
                tuple(self._find(number, stay, move) for stay in each for move in range(len(stay.moves)))
            )
        self._block = block, [self._placed(each, self._given[block * BLOCK + i]) for i, each in enumerate(stays)]

    @staticmethod
    def _placed(stays: list[Stay], given: tuple[str, ...]) -> list[Stay]:
        beds = iter(given)
        for stay in stays:
            stay.moves = [(at, next(beds)) for at, _ in stay.moves]
        return stays

    def _find(self, number: int, stay: Stay, move: int) -> str:
        """The first bed of the unit that is free for the whole of a move, begun at one of the patient's own."""
        begin, unit = stay.moves[move]
        end = stay.moves[move + 1][0] if move + 1 < len(stay.moves) else stay.end
        name, rooms, beds = names().units.get(unit) or names().units["MED"]
        whole = rooms * beds
        first = (number * 7 + begin.day) % whole
        step = 0
        while True:
            # Beyond the unit's beds: in the hall.
            place = (first + step) % whole if step < whole else step
            taken = self._taken.setdefault((name, place), [])
            if _insert(taken, begin, end + _MADE):
                return _bed(name, rooms, place, whole)
            step += 1


def _insert(taken: list[tuple[datetime, datetime]], begin: datetime, end: datetime) -> bool:
    """Take the time if it is free."""
    at = bisect_right(taken, (begin, end))
    if (at and taken[at - 1][1] > begin) or (at < len(taken) and taken[at][0] < end):
        return False
    taken.insert(at, (begin, end))
    return True


def _bed(unit: str, rooms: int, place: int, whole: int) -> str:
    """PL."""
    if place >= whole:
        return f"{unit}^HALL{place - whole + 1}^A^{HOSPITAL}"
    floor = unit[:1] if unit[:1].isdigit() else "1"
    return f"{unit}^{floor}{place % rooms + 1:02d}^{'AB'[place // rooms]}^{HOSPITAL}"


@lru_cache(maxsize=2)
def beds_of(seed: int, anchor: datetime) -> Beds:
    """The beds of the hospital of ``seed`` on the day of ``anchor``."""
    return Beds(seed, anchor)
