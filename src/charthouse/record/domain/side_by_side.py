"""Many versions of resources as columns, which are received and looked through at once."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

from .packing import Packed


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of a type side by side, in the order of their rows: of each its row, its number, when it was filed
    (in µs since 2000, as PostgreSQL counts), its state and its content; of deletions the public id too.

    PostgreSQL puts them together and sends one row, for receiving them one by one takes as long as reading them.
    """

    rows: array[int]
    numbers: array[int]
    filed: array[int]
    states: array[int]
    packed: Packed
    public_ids: list[str]

    def __len__(self) -> int:
        return len(self.rows)

    def taken(self, numbers: Sequence[int]) -> Versions:
        """Some of them, by their places and in that order."""

        def some(column: array[int]) -> array[int]:
            return array(column.typecode, [column[number] for number in numbers])

        return Versions(
            some(self.rows),
            some(self.numbers),
            some(self.filed),
            some(self.states),
            self.packed.taken(numbers),
            [self.public_ids[number] for number in numbers] if self.public_ids else [],
        )

    def chosen(self, are_given: Iterable[bool]) -> Versions:
        """Those of which it is true."""
        return self.taken(list(compress(range(len(self)), are_given)))

    def until(self, end: int, packed: Packed) -> Versions:
        """The first of them, with other contents."""
        return Versions(
            self.rows[:end], self.numbers[:end], self.filed[:end], self.states[:end], packed, self.public_ids[:end]
        )

    def with_others(self, others: Versions) -> Versions:
        """These and others, in the order of their rows."""
        together = Versions(
            self.rows + others.rows,
            self.numbers + others.numbers,
            self.filed + others.filed,
            self.states + others.states,
            Packed(self.packed.data + others.packed.data, self.packed.sizes + others.packed.sizes),
            self.public_ids + others.public_ids,
        )
        return together.taken(sorted(range(len(together)), key=together.rows.__getitem__))


def received(code: str, sent: bytes | None) -> array[int]:
    """Whole numbers as PostgreSQL sends them, the highest byte first; ``code`` is their type as of an array."""
    numbers = array(code, sent or b"")
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
