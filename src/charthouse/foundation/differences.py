"""Two texts side by side with what differs marked, by blocks (paragraphs, rows of a table) and within them by
words.

Pure. Nothing of either text is left out or changed: each side's pieces, joined, are its blocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz.distance import LCSseq

#: Above so many blocks or words on a side, and pairs of unequal blocks, the finer comparison is not made.
_MOST_BLOCKS, _MOST_WORDS, _MOST_PAIRS = 20_000, 10_000, 40_000
#: The share of words that two blocks have in common to be taken for one that changed.
_ALIKE = 0.4
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


class Change(StrEnum):
    """SAME on both sides, CHANGED between them, only on the left (REMOVED), only on the right (ADDED)."""

    SAME = "same"
    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading or the like with one cell, or a row of a table with several. ``kind`` says which."""

    kind: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Some of a cell's text; ``differs`` where the other side does not have it."""

    text: str
    differs: bool = False


Cells = tuple[tuple[Run, ...], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A block on either side or both. A side that has none is None."""

    change: Change
    kind: str
    left: Cells | None
    right: Cells | None


def differences(left: Sequence[Block], right: Sequence[Block]) -> list[Line]:
    """The lines of two texts in order; what stands on both sides stands in one line."""
    lines: list[Line] = []
    if max(len(left), len(right)) > _MOST_BLOCKS:
        left_only = [_one_sided(each, Change.REMOVED) for each in left]
        return left_only + [_one_sided(each, Change.ADDED) for each in right]
    gone: list[Block] = []
    come: list[Block] = []
    for step in LCSseq.opcodes(left, right):
        if step.tag == "equal":
            lines += _unequal(gone, come)
            gone, come = [], []
            for block in left[step.src_start : step.src_end]:
                cells = tuple((Run(cell),) for cell in block.cells)
                lines.append(Line(Change.SAME, block.kind, cells, cells))
        else:
            gone += left[step.src_start : step.src_end]
            come += right[step.dest_start : step.dest_end]
    return lines + _unequal(gone, come)


def _unequal(gone: Sequence[Block], come: Sequence[Block]) -> list[Line]:
    """Blocks between two that are the same: those alike beside each other, in order."""
    lines: list[Line] = []
    at = 0
    pairs = len(gone) * len(come) <= _MOST_PAIRS
    for block in gone:
        found = next((n for n in range(at, len(come)) if _alike(block, come[n])), None) if pairs else None
        if found is None:
            lines.append(_one_sided(block, Change.REMOVED))
            continue
        lines += [_one_sided(each, Change.ADDED) for each in come[at:found]]
        lines.append(_changed(block, come[found]))
        at = found + 1
    return lines + [_one_sided(each, Change.ADDED) for each in come[at:]]


def _alike(one: Block, other: Block) -> bool:
    if one.kind != other.kind or len(one.cells) != len(other.cells):
        return False
    if len(one.cells) > 1:
        # A row of a table is about what stands first in it.
        return one.cells[0] == other.cells[0]
    return _similar(_words(one.cells[0]), _words(other.cells[0])) >= _ALIKE


def _words(text: str) -> list[str]:
    return [each for each in _WORDS.findall(text) if not each.isspace()]


def _similar(one: Sequence[str], other: Sequence[str]) -> float:
    if not one or not other or max(len(one), len(other)) > _MOST_WORDS:
        return 0.0
    return float(LCSseq.normalized_similarity(one, other))


def _one_sided(block: Block, change: Change) -> Line:
    cells = tuple((Run(cell, differs=True),) for cell in block.cells)
    return Line(change, block.kind, *((cells, None) if change is Change.REMOVED else (None, cells)))


def _changed(one: Block, other: Block) -> Line:
    sides = [words_that_differ(a, b) for a, b in zip(one.cells, other.cells, strict=True)]
    return Line(
        Change.CHANGED, one.kind, tuple(left for left, _ in sides), tuple(right for _, right in sides)
    )  # fmt: skip


def words_that_differ(left: str, right: str) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Both texts in runs, those marked that the other does not have."""
    if left == right:
        return (Run(left),), (Run(right),)
    a, b = _WORDS.findall(left), _WORDS.findall(right)
    if max(len(a), len(b)) > _MOST_WORDS:
        return (Run(left, True),), (Run(right, True),)
    first: list[Run] = []
    second: list[Run] = []
    for step in LCSseq.opcodes(a, b):
        same = step.tag == "equal"
        if step.src_end > step.src_start:
            first.append(Run("".join(a[step.src_start : step.src_end]), not same))
        if step.dest_end > step.dest_start:
            second.append(Run("".join(b[step.dest_start : step.dest_end]), not same))
    return tuple(first), tuple(second)
