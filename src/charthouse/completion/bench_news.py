"""``charthouse bench completion-news``: how long it takes from a message that arrives until the deficiencies of its
chart are right, with a worker that runs beside."""

from __future__ import annotations

import io
import json
import random
import statistics
import subprocess
import time
from typing import Annotated, Any

import orjson
import typer

from charthouse.foundation.access.api import system_context
from charthouse.foundation.database.scratch import scratch_database
from charthouse.foundation.processes import charthouse_command, child_environment
from charthouse.intake.api import Connector, take_in

from .actions.analyse_charts import analyse_charts
from .bench import stay
from .models import Deficiency
from .queries import all_encounters

_CTX = system_context("bench")
_SENDER = "bench"
_PATIENCE = 30.0
_LOOK = 0.005
_MOST_PAUSE = 0.2
#: Every tenth stay is made without its discharge summary.
_LACKING = 10
Json = dict[str, Any]


def bench_completion_news(
    events: Annotated[int, typer.Option(min=10, help="How many documents arrive, one after the other.")] = 300,
) -> None:
    """Have documents arrive that end a deficiency, and see when it is closed. The last line is JSON."""
    with scratch_database("news"):
        for number in range(events):
            _take_in(list(stay(number * _LACKING)))
        rows = {facts.number: facts.row for some in all_encounters(_CTX) for facts in some}
        analyse_charts(list(rows.values()))
        worker = subprocess.Popen(charthouse_command("worker"), env=child_environment(), stderr=subprocess.DEVNULL)
        try:
            # The news of what was filed so far is read first.
            _until_closed(rows["bench-0"], _arrived(0))
            pause = random.Random(1)  # noqa: S311
            taken = []
            for number in range(1, events):
                time.sleep(pause.uniform(0, _MOST_PAUSE))
                begun = _arrived(number)
                taken.append(_until_closed(rows[f"bench-{number * _LACKING}"], begun))
        finally:
            worker.terminate()
            worker.wait()
    ranked = sorted(taken)
    print(
        json.dumps(
            {
                "bench": "completion-news",
                "events": len(ranked),
                "median_s": round(statistics.median(ranked), 3),
                "p95_s": round(ranked[int(len(ranked) * 0.95)], 3),
                "most_s": round(ranked[-1], 3),
            }
        )
    )


def _arrived(number: int) -> float:
    """A discharge summary arrives; when it did."""
    told = next(each for each in stay(number * _LACKING + 1) if each["id"].endswith("-9"))
    resource = orjson.loads(
        orjson.dumps(told).replace(b"bench-%d\"" % (number * _LACKING + 1), b"bench-%d\"" % (number * _LACKING))
        .replace(b"bench-p%d\"" % (number * _LACKING + 1), b"bench-p%d\"" % (number * _LACKING))
    )  # fmt: skip
    begun = time.perf_counter()
    _take_in([resource])
    return begun


def _take_in(resources: list[Json]) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    for taken in take_in(io.BytesIO(orjson.dumps(bundle)), connector=Connector.FILES, sender=_SENDER):
        if taken.result is None or taken.result.problems:
            raise RuntimeError("What the bench sends was not filed.")


def _until_closed(encounter: int, begun: float) -> float:
    """Seconds until the summary is lacking no more."""
    lacking = Deficiency.objects.filter(
        chart__encounter=encounter, kind="discharge-summary", state__in=["open", "proposed"]
    )
    while lacking.exists():
        if time.perf_counter() - begun > _PATIENCE:
            raise RuntimeError("The worker did not analyse the chart.")
        time.sleep(_LOOK)
    return time.perf_counter() - begun
