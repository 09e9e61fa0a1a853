"""What the decision of one arrival says of millions of pairs, on two processes where they are many."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from charthouse.identity.domain.decision import Candidate, Thresholds, conclude, lead_over_kin
from charthouse.identity.domain.guards import Outcome
from charthouse.identity.domain.model import Model
from charthouse.identity.domain.scorer import FIELDS

from .table import Ints, Table
from .weighing import Floats, Weighed, Weigher, merged

_CHUNK = 250_000
#: From so many pairs on a second process helps.
_MANY = 500_000
NOBODY = UUID(int=0)
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """Pairs that came to "perhaps" or more. ``linked`` may be linked, ``review`` need a look, ``conflict`` never
    are one; ``bits`` is what a pair counts for when groups are made."""

    pairs: Weighed
    linked: NDArray[np.bool_]
    review: NDArray[np.bool_]
    conflict: NDArray[np.bool_]
    bits: Floats

    def take(self, which: Any) -> Judged:
        """Some of the pairs."""
        return Judged(
            self.pairs.take(which), self.linked[which], self.review[which], self.conflict[which], self.bits[which]
        )


def quiet(step: str, done: int, total: int) -> None:
    """Tell nobody."""


class Checkpoint(Protocol):
    """Keeps which pairs of a part came to "perhaps" or more, so that a run that was broken off compares only the
    parts that are missing."""

    def parts(self, of: str) -> dict[int, tuple[Ints, Ints]]:
        """The pairs kept of each part that was compared; ``of`` names what is divided into parts, and how."""
        ...

    def keep(self, of: str, part: int, left: Ints, right: Ints) -> None:
        """Keep the pairs of one part for good."""
        ...


def judge_pairs(
    table: Table,
    model: Model,
    left: Ints,
    right: Ints,
    thresholds: Thresholds,
    tell: Tell = quiet,
    checkpoint: Checkpoint | None = None,
) -> Judged:
    """What the decision says of pairs; those below "perhaps" are left out.

    Of a part that ``checkpoint`` kept only the pairs that came to something are judged again, which gives the same.
    """
    weigher = Weigher(table, model)
    of, kept = "", {}
    if checkpoint is not None:
        made = sha256(f"{model.version} {thresholds} {_CHUNK}".encode())
        for side in (left, right):
            made.update(side.tobytes())
        of = made.hexdigest()
        kept = checkpoint.parts(of)
        if kept:
            tell("resume", min(len(kept) * _CHUNK, len(left)), len(left))
    chunks = [
        kept.get(part, (left[begin : begin + _CHUNK], right[begin : begin + _CHUNK]))
        for part, begin in enumerate(range(0, len(left), _CHUNK))
    ]
    parts: list[Judged] = [_judge(weigher, left[:0], right[:0], thresholds)]
    done = 0
    for place, part in enumerate(_judged(weigher, chunks, thresholds, sum(len(some) for some, _ in chunks))):
        parts.append(part)
        if checkpoint is not None and place not in kept:
            checkpoint.keep(of, place, part.pairs.left, part.pairs.right)
        done += _CHUNK
        tell("compare", min(done, len(left)), len(left))
    return Judged(
        merged([part.pairs for part in parts]),
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("linked", "review", "conflict", "bits")
        ),
    )


def _judged(weigher: Weigher, chunks: list[tuple[Ints, Ints]], thresholds: Thresholds, many: int) -> Any:
    workers = min(2, os.cpu_count() or 1)
    if many < _MANY or workers < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from (_judge(weigher, left, right, thresholds) for left, right in chunks)
        return
    # The table is too large to be handed over: the children have it, and what is measured of it, from their parent.
    for field in FIELDS:
        weigher.table.sieve(field)
    _Shared.weigher, _Shared.thresholds = weigher, thresholds
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from pool.imap(_judge_shared, chunks)
    _Shared.weigher = _Shared.thresholds = None


class _Shared:
    weigher: Weigher | None = None
    thresholds: Thresholds | None = None


def _judge_shared(chunk: tuple[Ints, Ints]) -> Judged:
    if _Shared.weigher is None or _Shared.thresholds is None:
        raise RuntimeError("The child was started before there was anything to judge by.")
    return _judge(_Shared.weigher, chunk[0], chunk[1], _Shared.thresholds)


def _judge(weigher: Weigher, left: Ints, right: Ints, thresholds: Thresholds) -> Judged:
    table, model = weigher.table, weigher.model
    weighed = weigher.weigh(left, right, thresholds.perhaps)
    weighed = weighed.take(weighed.weight >= thresholds.perhaps)
    many = len(weighed)
    linked, review = np.zeros(many, dtype=bool), np.zeros(many, dtype=bool)
    conflict, bits = np.zeros(many, dtype=bool), weighed.weight.copy()
    for place, weighing in enumerate(weighed.weighings(table)):
        one, other = (table.traits(int(side[place])) for side in (weighed.left, weighed.right))
        verdict = conclude(one, Candidate(0, NOBODY, other), weighing, model, thresholds)
        linked[place] = verdict.outcome is Outcome.SAME
        review[place] = verdict.outcome is Outcome.PERHAPS
        conflict[place] = any(thresholds.conflict is None or not guard.yields for guard in verdict.guards)
        if model.kin is not None and thresholds.conflict is not None:
            bits[place] = min(bits[place], lead_over_kin(one, other, weighing, model))
    return Judged(weighed, linked, review, conflict, bits)
