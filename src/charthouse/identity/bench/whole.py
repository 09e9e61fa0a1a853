"""A made-up population gone over as a whole: how right, how fast, and whether a family was made one."""

from __future__ import annotations

import time
from datetime import date
from random import Random
from typing import Annotated, Any

import numpy as np
import orjson
import typer

from charthouse.foundation.rulepacks.api import parameter
from charthouse.identity.batch.blocking import Blocks
from charthouse.identity.batch.clustering import group
from charthouse.identity.batch.columns import recognize
from charthouse.identity.batch.evaluation import peak_mb
from charthouse.identity.batch.judging import Judged, judge_pairs
from charthouse.identity.batch.metrics import pairs_there
from charthouse.identity.batch.rows import RowReader
from charthouse.identity.batch.table import Ints, Table
from charthouse.identity.domain.decision import Thresholds
from charthouse.identity.domain.model import default_model

from .beside import DidNotFit, run_splink
from .population import COLUMNS, Noise, Row, copy, people

_PLANTED = {"twin", "namesake"}
#: Of so many people Splink learns from all, of more from as many as the second.
_MOST_LEARNT_FROM, _LEARNT_FROM = 200_000, 30_000


def bench_population(
    size: Annotated[int, typer.Option(min=1_000, help="How many people.")] = 1_000_000,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="The share with a second record.")] = 0.08,
    seed: Annotated[int, typer.Option(help="The same seed makes the same people.")] = 1,
    splink: Annotated[bool, typer.Option("--splink/--no-splink", help="Run Splink beside.")] = True,
) -> None:
    """Households with twins, Jr/Sr and parents of one name, some with a second record; one line of JSON.

    Everything is judged as the index judges an arrival: the same keys, weights, conflicts and limits. "Planted" are
    twins, and parents and children of one name, that were linked by themselves: none may be.
    """
    begun = time.perf_counter()
    table, blocks, rows = _made(size, duplicates, seed)
    made = time.perf_counter()
    limits = Thresholds(
        same=float(parameter("identity.decision", "same")),
        perhaps=float(parameter("identity.decision", "perhaps")),
        margin=float(parameter("identity.decision", "margin")),
        evidence=int(parameter("identity.decision", "evidence")),
    )
    left, right = blocks.pairs(table.size)
    judged = judge_pairs(table, default_model(), left, right, limits)
    groups = group(
        table.size,
        judged.pairs.left,
        judged.pairs.right,
        judged.bits,
        judged.linked.tolist(),
        judged.conflict.tolist(),
    ).of
    done = time.perf_counter()
    figures: dict[str, Any] = {
        "bench": "identity population",
        "size": table.size,
        "seed": seed,
        **_rates(rows, judged, groups),
        "pairs": len(left),
        "making_seconds": round(made - begun, 1),
        "dedupe_seconds": round(done - made, 1),
        "peak_mb": peak_mb(),
    }
    if splink:
        # Said already: Splink takes long, and may not fit.
        print(orjson.dumps(figures).decode(), flush=True)
        del blocks, judged, left, right
        try:
            fewer = _made(_LEARNT_FROM, duplicates, seed)[0] if size > _MOST_LEARNT_FROM else None
            beside = run_splink(table, None, fewer)
        except DidNotFit as error:
            print(orjson.dumps({**figures, "splink": f"did not fit: {error}"}).decode())
            return
        f1, threshold = beside.f1(table.size, [row.person for row in rows], None)
        figures.update(
            splink_predict_seconds=round(beside.predicting, 1),
            splink_training_seconds=round(beside.training, 1),
            splink_learnt_from=fewer.size if fewer is not None else table.size,
            splink_f1=round(f1, 5),
            splink_threshold=threshold,
            splink_not_learnt_by=list(beside.failed),
            of_splinks_predict=round((done - made) / beside.predicting, 2),
            peak_mb_with_splink=peak_mb(),
        )
    print(orjson.dumps(figures).decode())


def _made(size: int, duplicates: float, seed: int) -> tuple[Table, Blocks, list[Row]]:
    random = Random(seed)  # noqa: S311 - people made up, the same each time
    table, blocks, rows = Table(), Blocks(wide=False), []
    reader: RowReader | None = None
    for row in people(size, seed):
        for each in (row, copy(random, row, Noise())) if random.random() < duplicates else (row,):
            values = [getattr(each, name) for name in COLUMNS]
            reader = reader or RowReader(
                recognize(list(COLUMNS), said={"order": ["order"]}), [values], date(2026, 11, 1)
            )
            traits = reader.traits(values)
            blocks.add(table.add(traits), traits)
            rows.append(each)
    table.close()
    return table, blocks, rows


def _rates(rows: list[Row], judged: Judged, groups: Ints) -> dict[str, Any]:
    truth = np.array([row.person for row in rows])
    there = pairs_there(truth.tolist())
    left, right = judged.pairs.left, judged.pairs.right
    one_group = groups[left] == groups[right]
    right_pair = truth[left] == truth[right]
    linked = one_group & (judged.linked | judged.review)
    review = ~one_group & (judged.linked | judged.review)
    found = int((linked & right_pair).sum())
    looked = int((review & right_pair).sum())
    planted = 0
    for place in np.flatnonzero(linked & ~right_pair).tolist():
        one, other = rows[int(left[place])], rows[int(right[place])]
        planted += one.household == other.household
    return {
        "precision": round(found / max(1, int(linked.sum())), 5),
        "recall": round(found / max(1, there), 5),
        "review_recall": round((found + looked) / max(1, there), 5),
        "review_share": round(int(review.sum()) / len(rows), 5),
        "review_pairs": int(review.sum()),
        "true_pairs": there,
        "family_linked": planted,
    }
