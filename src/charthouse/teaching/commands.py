"""``charthouse teaching``: a synthetic hospital of any size, as files or through intake, and what it is like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.bootstrap import configure_django

from .actions.write_hospital import NotEmpty, write_hospital
from .domain.hospital import Hospital, patients
from .domain.plants import DEFAULT_RATES, MEANINGS
from .domain.plausibility import PUBLISHED, Figures
from .domain.scoring import Score
from .domain.staff import HOSPITAL
from .permitted import require_demonstration

app = typer.Typer(no_args_is_help=True, help="A synthetic hospital for teaching: invented people, an answer key.")

Count = Annotated[int, typer.Option("--patients", min=1, max=999_999, help="How many people.")]
Seed = Annotated[int, typer.Option(help="The same seed makes the same hospital, byte for byte.")]
Day = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        help="The day it is there; nothing happened after its noon. Default: that of the last noon.",
    ),
]
Plant = Annotated[
    list[str] | None,
    typer.Option(help="KIND=RATE, several times: how often an error is planted (0 to 1). all=0 plants none."),
]


@app.callback()
def teaching() -> None:
    """A synthetic hospital for teaching."""


@app.command("build")
def build(
    count: Count = 300,
    seed: Seed = 1,
    out: Annotated[Path | None, typer.Option(help="Write files into this new folder; nothing is filed.")] = None,
    day: Day = None,
    plant: Plant = None,
    key: Annotated[Path | None, typer.Option(help="Where the answer key is written; default in the data.")] = None,
) -> None:
    """Make a hospital: file it here through intake, or write its feeds as files with --out.

    What was filed by the same seed and day before is noted as a duplicate and filed no second time.
    """
    hospital = _hospital(seed, day, plant)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if out is not None:
        try:
            with _progress(console, "Writing patients", count) as tell:
                messages, answers = write_hospital(hospital, count, out, tell)
        except (NotEmpty, OSError) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        console.print(f"  {count:,} patients, {messages:,} messages in {out / 'feeds'}.")
        console.print(f"  {answers:,} lines of the answer key in {out / 'answers.jsonl'}.")
        return
    site = configuration()
    require_demonstration(site)
    configure_django()
    from .actions.build_hospital import build_hospital

    key = key or site.data / f"teaching-answers-{seed}.jsonl"
    try:
        with _progress(console, "Filing patients", count) as tell:
            built = build_hospital(site, hospital, count, key, tell)
    except OSError as error:
        typer.echo(f"The answer key cannot be written: {error}", err=True)
        raise typer.Exit(1) from None
    words = ", ".join(f"{number:,} {state}" for state, number in sorted(built.states.items()) if number)
    filed = f", {built.resources:,} resources filed" if built.resources is not None else ""
    console.print(f"  {built.patients:,} patients, {built.messages:,} messages in {built.seconds:.0f} s: {words}.")
    console.print(f"  At most {built.peak_mb} MB a process{filed}.")
    console.print(f"  {built.answers:,} lines of the answer key in {key}.")
    for problem, times in Counter(built.problems).items():
        console.print(f"  {problem}" + (f" ({times} times)" if times > 1 else ""), markup=False)


@app.command("report")
def report(count: Count = 300, seed: Seed = 1, day: Day = None) -> None:
    """What a hospital is like: ages, stays, readmissions, deaths and diagnoses. Nothing is written or filed."""
    hospital = _hospital(seed, day, ["all=0"])
    figures = Figures(hospital.anchor)
    with _progress(Console(stderr=True), "Looking at patients", count) as tell:
        for told in patients(hospital, 1, count):
            figures.count(told)
            tell(1)
    console = Console(highlight=False)
    for title, rows in figures.tables():
        beside = any(name in PUBLISHED for name, _ in rows)
        table = Table(title, "", "Published" if beside else "", box=None, pad_edge=False, title_justify="left")
        for name, value in rows:
            table.add_row(name, value, PUBLISHED.get(name, ("",))[0])
        console.print(table)
        console.print()
    console.print("Where the published figures are from", style="bold")
    for name, (_, source) in PUBLISHED.items():
        console.print(f"{name}: {source}", soft_wrap=True)


@app.command("kinds")
def kinds() -> None:
    """The kinds of errors that can be planted, and how often they are unless said otherwise."""
    table = Table("Kind", "Rate", "What it is", box=None, pad_edge=False)
    for kind, rate in DEFAULT_RATES.items():
        table.add_row(kind, f"{rate:g}", MEANINGS[kind])
    Console(highlight=False).print(table)


score = typer.Typer(no_args_is_help=True, help="How well Charthouse does, by a hospital's answer key.")
app.add_typer(score, name="score")


class Format(StrEnum):
    """How figures are printed."""

    TABLE = "table"
    JSON = "json"


@score.callback()
def scores() -> None:
    """How well Charthouse does, by a hospital's answer key."""


@score.command("completion")
def score_completion(
    key: Annotated[
        list[Path] | None,
        typer.Option(help="An answer key (a JSON object on each line), several times. Default: those in the data."),
    ] = None,
    facility: Annotated[
        str,
        typer.Option(
            help="Only encounters of the facility with this code; of the keys in the data, that of the hospital."
        ),
    ] = "",
    shipped: Annotated[
        bool, typer.Option("--shipped", help="By the rules that are shipped, whatever was adopted here.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="table, or json on one line.")] = Format.TABLE,
) -> None:
    """Analyse every chart that is here, and compare what is found with what the key says is lacking.

    The rules are those in force here. Nothing is opened or changed. A key and a hospital made elsewhere are taken,
    too: what a line does not tell is not compared. Exits with 1 where anything does not agree.
    """
    site = configuration()
    configure_django()
    from charthouse.foundation.access.api import system_context
    from charthouse.people import api as people

    from .chart_scores import KeyUnreadable
    from .chart_scores import score_completion as scored

    keys = key or sorted(site.data.glob("teaching-answers-*.jsonl"))
    if not keys:
        typer.echo(f"There is no key in {site.data}. Name one with --key.", err=True)
        raise typer.Exit(2)
    # A demonstration has charts of its own beside the synthetic hospital, of which no key tells.
    place = people.facility_by_code(facility or ("" if key else HOSPITAL))
    if facility and place is None:
        typer.echo(f"There is no facility with the code {facility}.", err=True)
        raise typer.Exit(2)
    try:
        with _progress(Console(stderr=True), "Analysing charts", None) as tell:
            where = place.id if place else None
            encounters, result = scored(system_context("teaching"), keys, where, tell, shipped=shipped)
    except KeyUnreadable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if form is Format.JSON:
        typer.echo(orjson.dumps({"score": "completion", "encounters": encounters, **result.line()}).decode())
    else:
        _show_score(encounters, result)
    if result.missed or result.beside:
        raise typer.Exit(1)


def _show_score(encounters: int, result: Score) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table("Deficiency", "Expected", "Found", "Right", "Precision", "Recall", box=None, pad_edge=False)
    rows = [(name, result.kinds[name]) for name in sorted(result.kinds)]
    for name, tally in [*rows, ("all", result.whole)]:
        shares = ("" if each is None else f"{each:.4f}" for each in (tally.precision, tally.recall))
        table.add_row(name, f"{tally.expected:,}", f"{tally.found:,}", f"{tally.right:,}", *shares)
    console.print(table)
    left, of = result.near_misses
    console.print(f"  {encounters:,} encounters; {left:,} of {of:,} near misses were left alone.")
    for title, listed in (("Not found", result.missed), ("Found, and in no key", result.beside)):
        for each in listed[:20]:
            about = f", document {each.document}" if each.document else ""
            console.print(f"  {title}: {each.kind or 'any'} {each.what}, visit {each.visit or 'unknown'}{about}")
        if len(listed) > 20:
            console.print(f"  {title}: {len(listed) - 20:,} more; --format json tells a hundred.")


def _hospital(seed: int, day: datetime | None, plant: list[str] | None) -> Hospital:
    zone = ZoneInfo(configuration().time_zone)
    # Without a day, the last noon: nothing is there that has not happened yet.
    when = day.date() if day else (clock.now().astimezone(zone) - timedelta(hours=12)).date()
    return Hospital(seed, datetime.combine(when, time(12), zone), _rates(plant or []))


def _rates(told: list[str]) -> dict[str, float]:
    """The rates after what was asked for, in its order. Exits with 2 for what is no kind or no rate."""
    rates = dict(DEFAULT_RATES)
    for each in told:
        kind, _, number = each.partition("=")
        try:
            rate = float(number)
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            typer.echo(f"--plant {each}: write KIND=RATE with a rate from 0 to 1.", err=True)
            raise typer.Exit(2)
        if kind != "all" and kind not in rates:
            typer.echo(f"--plant {each}: there is no kind {kind!r}. There are: all, {', '.join(rates)}.", err=True)
            raise typer.Exit(2)
        rates = dict.fromkeys(rates, rate) if kind == "all" else {**rates, kind: rate}
    return rates


@contextmanager
def _progress(console: Console, title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Drawn when something is done and by no thread of its own: processes are forked meanwhile.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        task = progress.add_task(title, total=total)

        def tell(more: int) -> None:
            progress.update(task, advance=more, refresh=progress.tasks[0].completed % 16 == 0 or more > 1)

        yield tell
