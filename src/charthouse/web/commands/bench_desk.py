"""``charthouse bench desk``: server time of the board, the queues and the pair, with many open items."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Annotated, Any

import typer
from django.db import connection
from rich.console import Console
from rich.progress import Progress

from charthouse.foundation import clock
from charthouse.foundation.access.api import system_context
from charthouse.foundation.database.scratch import scratch_database
from charthouse.foundation.work import api as work

from .bench_screens import _fill, _percentile, _signed_in, _timed

_QUEUE = "identity.possible-duplicates"
_CHUNK = 5_000


def _items(count: int, patients: list[int], pick: random.Random) -> Iterator[work.NewItem]:
    """Invented work over the patients of the index, some of it overdue, some without a date, some urgent."""
    now = clock.now()
    for number in range(count):
        one, other = pick.sample(patients, 2)
        yield work.NewItem(
            _QUEUE,
            work.Subject("patient", f"bench-{one}"),
            "Perhaps a person already known. The evidence lies between the bounds.",
            f"bench-{number}",
            rule="identity.decision" if number % 3 else None,
            due=now + timedelta(minutes=pick.randrange(-40_000, 80_000)) if number % 5 else None,
            priority=work.Priority.URGENT if number % 50 == 0 else work.Priority.ROUTINE,
            detail={"patients": [one, other], "weight": round(pick.uniform(-2, 12), 2)},
        )


def _open(items: int, seed: int, told: Callable[[int], None]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient FROM identity_source_patient ORDER BY patient")
        patients = [row[0] for row in cursor.fetchall()]
    pending: list[work.NewItem] = []
    done = 0
    for item in _items(items, patients, random.Random(seed)):  # noqa: S311
        pending.append(item)
        if len(pending) == _CHUNK:
            work.open_items(pending)
            done += len(pending)
            pending = []
            told(done)
    work.open_items(pending)
    told(items)


def bench_desk(
    items: Annotated[int, typer.Option(min=100, help="Open items in one queue.")] = 200_000,
    patients: Annotated[int, typer.Option(min=10, help="Invented people; about ten resources each.")] = 100_000,
    requests: Annotated[int, typer.Option(min=10, help="How often each screen is asked for.")] = 200,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Measure the server time of the morning board, of a queue in its tabs and filters, of a later page, of one
    item, of a pair of possible duplicates, and of taking the next, through the whole web application."""
    console = Console(stderr=True)
    with scratch_database("bench"):
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task("Sending invented people through intake", total=patients)
            _fill(patients, seed, lambda done: progress.update(bar, completed=done))
            bar = progress.add_task("Opening work", total=items)
            _open(items, seed, lambda done: progress.update(bar, completed=done))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        figures = _measure(requests)
    print(json.dumps({"bench": "desk", "items": items, "patients": patients, **figures}))


def _measure(requests: int) -> dict[str, float]:
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["*"]
    client = _signed_in()
    ctx = system_context("bench")
    desk = f"/queues/{_QUEUE}/"
    first = work.items(ctx, _QUEUE, limit=40)
    later = work.items(ctx, _QUEUE, cursor=first.next, limit=40)
    ids = [item.id for item in (*first.items, *later.items)]
    asked: dict[str, Callable[[int], Any]] = {
        "board": lambda turn: _timed(client.get, "/"),
        "desk": lambda turn: _timed(client.get, desk),
        "overdue": lambda turn: _timed(client.get, desk, {"tab": "overdue"}),
        "unassigned": lambda turn: _timed(client.get, desk, {"tab": "unassigned"}),
        "mine": lambda turn: _timed(client.get, desk, {"tab": "mine"}),
        "held": lambda turn: _timed(client.get, desk, {"tab": "held"}),
        "finished": lambda turn: _timed(client.get, desk, {"tab": "finished"}),
        "filtered": lambda turn: _timed(client.get, desk, {"rule": "identity.decision", "due": "week"}),
        "later_page": lambda turn: _timed(client.get, desk, {"after": later.next or ""}),
        "item": lambda turn: _timed(client.get, f"{desk}{ids[turn % len(ids)]}"),
        "pair": lambda turn: _timed(client.get, f"/duplicates/{ids[turn % len(ids)]}"),
        "take_next": lambda turn: _timed(_take, client, desk),
    }
    return {
        f"{name}_p95_ms": _percentile([ask(turn) for turn in range(requests)], 95) for name, ask in asked.items()
    }


def _take(client: Any, desk: str) -> Any:
    """Take the next item; where it opens is a page of its own, measured as the pair."""
    answer = client.post(f"{desk}next")
    if answer.status_code == 302:
        answer.status_code = 200
    return answer
