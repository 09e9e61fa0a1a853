"""``charthouse bench desk``: server time of every board, queue and form of the desk, in a full department."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import psycopg
import typer
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from charthouse.configuration import configuration
from charthouse.foundation.access.api import Role
from charthouse.foundation.database.api import connection_info
from charthouse.foundation.database.scratch import scratch_database

from . import desk_load as load
from .bench_screens import fill_people, percentile, signed_in_as, timed
from .desk_screens import Screen, screens

#: What every screen of the desk has to stay under, in ms, for 95 of 100 requests.
LIMIT = 100.0


def bench_desk(
    items: Annotated[int, typer.Option(min=1000, help="Open items over all queues.")] = 200_000,
    patients: Annotated[int, typer.Option(min=100, help="Invented people; about ten resources each.")] = 100_000,
    requests: Annotated[int, typer.Option(min=10, help="How often each screen is asked for.")] = 40,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Measure the server time of every screen and form of the desk: boards of all roles, each queue by tab, filter
    and act, unfiled messages, pairs, registration and what is entered, the directories; through the whole web
    application. The slowest stands first; the last line is JSON."""
    console = Console(stderr=True)
    with scratch_database("bench"):
        with Progress(console=console, transient=True) as progress:
            site = fill(items, patients, seed, _told(progress))
        # As the server does by itself within the hour: without, nothing is answered by an index alone.
        with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
            owner.execute("VACUUM ANALYZE")
        measured = measure(site, requests, console)
    console.print(_table(measured))
    worst = next(each for each in measured if not each.screen.paper)
    print(
        json.dumps(
            {
                "bench": "desk",
                "items": items,
                "patients": patients,
                "worst": worst.screen.name,
                "worst_p95_ms": worst.p95,
                "all_under_100_ms": worst.p95 < LIMIT,
                "screens": {each.screen.name: [each.p50, each.p95] for each in measured if not each.screen.paper},
                "papers": {each.screen.name: [each.p50, each.p95] for each in measured if each.screen.paper},
            }
        )
    )


def _told(progress: Progress) -> Callable[[str, int], load.Told]:
    def begin(words: str, total: int) -> load.Told:
        bar = progress.add_task(words, total=total)
        return lambda done: progress.update(bar, completed=done)

    return begin


def fill(
    items: int, patients: int, seed: int, told: Callable[[str, int], load.Told], *, people_too: bool = True
) -> load.Site:
    """A department at work: ``patients`` people, a year of visits and messages, ``items`` open items over all
    queues with what their screens need."""
    if people_too:
        fill_people(patients, seed, told("Sending invented people through intake", patients))
    site = load.add_site(staff=max(12, min(150, items // 1000)))
    load.send_practitioners(max(60, patients // 30), seed)
    visits = patients
    load.send_visits(visits, patients, seed, told("Sending a year of visits through intake", visits))
    load.copy_messages(3 * patients, told("Copying messages", 3 * patients))
    unfiled = load.copy_unfiled(items * 3 // 10, items // 10, told("Copying unfiled messages", items * 4 // 10))
    load.copy_items(site, load.matters(items, unfiled, seed), seed, 0.25, told("Copying open work", items))
    return site


@dataclass(frozen=True, slots=True)
class Measured:
    """A screen with its median and 95th percentile in milliseconds, and how many queries it makes."""

    screen: Screen
    p50: float
    p95: float
    queries: int


def measure(site: load.Site, requests: int, console: Console) -> list[Measured]:
    """Each screen ``requests`` times after a first that is not counted; the slowest first. One role after another,
    so that nobody's session waits long enough to be locked."""
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["*"]
    # The scratch database is no real site: its accounts need no authenticator.
    os.environ["CHARTHOUSE_KIND"] = "demo"
    configuration.cache_clear()
    found: list[Measured] = []
    asked = screens(site, requests)
    linking = load.user_name(Role.HIT)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("Asking for every screen", total=len(asked))
        # Who links patients comes last: the charts that others open are persons of their own until then.
        for user in sorted({each.user for each in asked}, key=lambda name: (name == linking, name)):
            client = signed_in_as(user, load.PASSWORD)
            for screen in (each for each in asked if each.user == user):
                with CaptureQueriesContext(connection) as captured:
                    _asked(screen, client, 0)
                    queries = len(captured)
                times = [_asked(screen, client, turn) for turn in range(1, requests + 1)]
                found.append(Measured(screen, percentile(times, 50), percentile(times, 95), queries))
                progress.advance(bar)
    return sorted(found, key=lambda each: -each.p95)


def _asked(screen: Screen, client: Any, turn: int) -> float:
    return timed(screen.ask, client, turn, wanted=screen.status, name=f"{screen.name}, as {screen.user},")


def _table(measured: Sequence[Measured]) -> Table:
    table = Table("Screen", "As", "p50 ms", "p95 ms", "Queries")
    for each in measured:
        late = "[red]" if each.p95 >= LIMIT and not each.screen.paper else ""
        table.add_row(
            each.screen.name, each.screen.user, f"{each.p50:.1f}", f"{late}{each.p95:.1f}", str(each.queries)
        )
    return table
