"""How well persons would be told apart in somebody's file: learn, compare, decide, and hold it against the
truth."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charthouse.identity.domain.decision import Thresholds
from charthouse.identity.domain.model import Model
from charthouse.identity.domain.text import fold

from .beside import worth_comparing
from .between import pairs_between
from .blocking import Blocks
from .clustering import Groups, group
from .columns import Columns, place_of, recognize
from .files import FileError, read_rows
from .judging import Judged, Tell, judge_pairs, quiet
from .metrics import Rate, b_cubed, pairs_of_clusters, pairs_there, whole_clusters
from .rows import RowReader
from .table import Ints, Table
from .training import Learnt, learn
from .twice import written_twice
from .weighing import Floats, Weigher, merged

_SAMPLE = 50_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """A labelled file as it was read. ``truth`` and ``source`` are numbers; ``source`` is None where none was
    named. ``beside`` are the columns that are compared as they are."""

    table: Table
    blocks: Blocks
    truth: list[int]
    source: Ints | None
    columns: Columns
    header: tuple[str, ...]
    beside: tuple[str, ...] = ()


def load(
    path: Path,
    truth: str,
    source: str | None = None,
    said: Mapping[str, Sequence[str]] | None = None,
    tell: Tell = quiet,
) -> Loaded:
    """Read a labelled file. Raises FileError or ColumnError with what is wrong and where."""
    today = date.today()  # noqa: DTZ011 - births later than today are none, whatever the zone
    rows = read_rows(path)
    apart = [truth] if source is None else [truth, source]
    truth_place = place_of(rows.header, truth)
    source_place = place_of(rows.header, source) if source is not None else None
    sample = list(islice(rows, _SAMPLE))
    columns = recognize(rows.header, apart=apart, said=said, sample=sample)
    reader = RowReader(columns, sample, today)
    beside = worth_comparing(rows.header, columns.unused, sample, columns.of)
    table, blocks = Table(len(beside)), Blocks()
    labels: dict[str, int] = {}
    sources: dict[str, int] = {}
    truths: list[int] = []
    origin: list[int] = []
    for part in (sample, rows):
        for row in part:
            if not row[truth_place]:
                raise FileError(
                    f"{path}: row {len(truths) + 1} says nothing in {truth!r}, the column that holds the truth."
                )
            traits = reader.traits(row)
            blocks.add(table.add(traits, [fold(row[place]) for place in beside]), traits)
            truths.append(labels.setdefault(row[truth_place], len(labels)))
            if source_place is not None:
                origin.append(sources.setdefault(row[source_place], len(sources)))
            if not len(truths) % 20_000:
                tell("read", len(truths), 0)
    if len(truths) < 2:
        raise FileError(f"{path} has {len(truths)} rows; at least two are needed.")
    table.close()
    held = np.array(origin, dtype=np.int32) if source_place is not None else None
    if held is not None and len(sources) < 2:
        raise FileError(f"{path}: {source!r} is the same in all rows; at least two sources are needed.")
    return Loaded(table, blocks, truths, held, columns, rows.header, tuple(rows.header[place] for place in beside))


def evaluate(
    loaded: Loaded, thresholds: Thresholds, *, one_to_one: bool = False, tell: Tell = quiet
) -> dict[str, Any]:
    """Learn from the file without looking at its labels, decide, and count."""
    begun = time.perf_counter()
    table, source = loaded.table, loaded.source
    across = source if one_to_one else None
    tell("pairs", 0, 0)
    left, right = loaded.blocks.pairs(table.size, across)
    tell("learn", 0, 0)
    learnt = learn(table, left, right, across, one_to_one=one_to_one)
    judged = judge_pairs(table, learnt.model, left, right, thresholds, tell)
    twice = written_twice(table, learnt.model, across, thresholds) if across is not None else None
    groups = _grouped(table, judged, across, thresholds, twice)
    if across is None or int(across.max()) > 1:
        judged, groups = _between(table, learnt.model, left, right, across, thresholds, judged, groups, twice)
    if across is not None and twice is not None and len(np.unique(across)) == 2:
        judged, groups = _link_the_rest(
            loaded.table, learnt.model, left, right, across, thresholds, judged, groups, twice
        )
    figures = _figures(loaded, judged, groups, across)
    figures.update(_more(loaded, learnt, left, right, across))
    figures["seconds_matching"] = round(time.perf_counter() - begun, 2)
    return figures


def _grouped(
    table: Table, judged: Judged, across: Ints | None, thresholds: Thresholds, twice: Ints | None
) -> Groups:
    return group(
        table.size,
        judged.pairs.left,
        judged.pairs.right,
        judged.bits,
        judged.linked.tolist(),
        judged.conflict.tolist(),
        across,
        margin=thresholds.margin,
        twice=twice,
    )


def _between(
    table: Table,
    model: Model,
    left: Ints,
    right: Ints,
    across: Ints | None,
    thresholds: Thresholds,
    judged: Judged,
    groups: Groups,
    twice: Ints | None,
) -> tuple[Judged, Groups]:
    """Compare the groups that may be one person as wholes, and group anew."""
    more_left, more_right = pairs_between(groups.of, judged, left, right, across)
    if not len(more_left):
        return judged, groups
    more = judge_pairs(table, model, more_left, more_right, thresholds)
    judged = Judged(
        merged([judged.pairs, more.pairs]),
        *(
            np.concatenate((getattr(judged, name), getattr(more, name)))
            for name in ("linked", "review", "conflict", "bits")
        ),
    )
    return judged, _grouped(table, judged, across, thresholds, twice)


def _link_the_rest(
    table: Table,
    model: Model,
    left: Ints,
    right: Ints,
    source: Ints,
    thresholds: Thresholds,
    judged: Judged,
    groups: Groups,
    twice: Ints,
) -> tuple[Judged, Groups]:
    """Look once more at the rows without a partner: how often a pair of them is one person is another question than
    how often a pair of all is, and once most have found their partner, the rest find theirs by less."""
    linked = [np.bincount(groups.of[source == side], minlength=table.size) > 0 for side in (0, 1)]
    free = ~(linked[0] & linked[1])[groups.of]
    open_pairs = free[left] & free[right]
    if not open_pairs.any():
        return judged, groups
    left, right = left[open_pairs], right[open_pairs]
    some = int((free & (source == 0)).sum()), int((free & (source == 1)).sum())
    ratio = Weigher(table, model).weigh(left, right).weight - model.prior
    share = share_of_rest(ratio, left, right, table.size, some)
    prior = log2(share / (1 - share))
    if prior <= model.prior:
        return judged, groups
    again = judge_pairs(table, replace(model, prior=prior), left, right, thresholds)
    more = _grouped(table, again, source, thresholds, twice)
    joined = groups.of.copy()
    joined[free] = more.of[free]
    kept = ~(free[judged.pairs.left] & free[judged.pairs.right])
    return (
        Judged(
            merged([judged.pairs.take(kept), again.pairs]),
            np.concatenate((judged.linked[kept], again.linked)),
            np.concatenate((judged.review[kept] | judged.linked[kept], again.review | again.linked)),
            np.concatenate((judged.conflict[kept], again.conflict)),
            np.concatenate((judged.bits[kept], again.bits)),
        ),
        Groups(joined),
    )


def share_of_rest(ratio: Floats, left: Ints, right: Ints, size: int, some: tuple[int, int]) -> float:
    """How often a pair of the rows left over is one person, from the bits of each pair without any prior."""
    total = max(1, some[0] * some[1])
    expected = 0.5 * min(some)
    for _ in range(60):
        share = min(max(expected, 0.01) / total, 0.5)
        odds = np.exp2(np.clip(ratio + log2(share / (1 - share)), -60, 60))
        most = np.maximum(np.bincount(left, odds, size)[left], np.bincount(right, odds, size)[right])
        before, expected = expected, float((odds / (1 + most)).sum())
        if abs(expected - before) < 0.01:
            break
    return min(max(expected, 0.01) / total, 0.5)


def _figures(loaded: Loaded, judged: Judged, groups: Groups, across: Ints | None) -> dict[str, Any]:
    truth = np.array(loaded.truth)
    clusters = groups.of.tolist()
    origin = across.tolist() if across is not None else None
    pairs = pairs_of_clusters(clusters, loaded.truth, origin)
    whole = whole_clusters(clusters, loaded.truth)
    precision, recall, f1 = b_cubed(clusters, loaded.truth)
    looked = judged.review | _places(groups.left_out, len(judged.review))
    left, right = judged.pairs.left, judged.pairs.right
    looked &= groups.of[left] != groups.of[right]
    right_looked = int((truth[left[looked]] == truth[right[looked]]).sum())
    there = pairs_there(loaded.truth, origin)
    both = Rate(pairs.right + right_looked, pairs.found + int(looked.sum()), there)
    return {
        "f1": round(pairs.f1, 5),
        "precision": round(pairs.precision, 5),
        "recall": round(pairs.recall, 5),
        "cluster_f1": round(whole.f1, 5),
        "cluster_precision": round(whole.precision, 5),
        "cluster_recall": round(whole.recall, 5),
        "b_cubed_f1": round(f1, 5),
        "b_cubed_precision": round(precision, 5),
        "b_cubed_recall": round(recall, 5),
        "review_recall": round(both.recall, 5),
        "review_precision": round(both.precision, 5),
        "review_f1": round(both.f1, 5),
        "review_pairs": int(looked.sum()),
        "rows": loaded.table.size,
        "persons": len(set(loaded.truth)),
        "true_pairs": there,
        "linked_pairs": pairs.found,
    }


def _more(loaded: Loaded, learnt: Learnt, left: Ints, right: Ints, across: Ints | None) -> dict[str, Any]:
    truth = np.array(loaded.truth)
    origin = across.tolist() if across is not None else None
    there = pairs_there(loaded.truth, origin)
    reached = int((truth[left] == truth[right]).sum())
    columns = {field: [loaded.header[place] for place in places] for field, places in loaded.columns.of.items()}
    return {
        "compared_pairs": len(left),
        "reachable_recall": round(reached / there, 5) if there else 1.0,
        "expected_pairs": round(learnt.matches),
        "columns": columns,
        "compared_as_they_are": list(loaded.beside),
        "unused_columns": [name for name in loaded.columns.unused if name not in loaded.beside],
    }


def _places(places: Sequence[int], many: int) -> NDArray[np.bool_]:
    found = np.zeros(many, dtype=bool)
    found[list(places)] = True
    return found


def peak_mb() -> float:
    """The most memory this process had at once, in megabytes; children share what it had when they were made."""
    unit = 1 if sys.platform == "darwin" else 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most * unit / 1_000_000, 1)
