"""The desk's part of ``charthouse completion``: adopting rules, and analysing charts again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from charthouse.foundation.access.api import system_context
from charthouse.foundation.rulepacks.api import RulePackError

from .actions.adopt_rules import adopt_rules
from .actions.age_charts import age_charts
from .actions.analyse_charts import Analysed, analyse_charts
from .actions.keep_tallies import mark_late, recount
from .actions.take_snapshot import take_snapshot
from .adopted import told_by_packs, told_with_file
from .domain.rules import RuleError
from .errors import CompletionError
from .models import AdoptedRules
from .touched_queries import looked_at_nightly

_console = Console()
_CTX = system_context("completion")
_AT_ONCE = 500
_Format = Annotated[str, typer.Option("--format", help="words or json")]


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def adopt(
    note: Annotated[str, typer.Option("--note", help="Why these rules are switched on.")],
    file: Annotated[Path | None, typer.Argument(help="A pack of rules, laid over those in force.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Analyse complete charts of any age, too.")] = False,
    format: _Format = "words",
) -> None:
    """Switch on the rules as they are shipped, or those of a file over the rules in force, and analyse the charts
    again that are open or recent."""
    try:
        told = told_with_file(file) if file else told_by_packs()
        with _bar("Analysing") as progress:
            done = adopt_rules(_CTX, told, note, everything=everything, progress=progress)
    except OSError as error:
        _console.print(f"{file} cannot be read: {error.strerror}.", style="red")
        raise typer.Exit(1) from None
    except (RulePackError, RuleError, CompletionError) as error:
        _console.print(str(error), style="red")
        raise typer.Exit(1) from None
    if format == "json":
        said = {
            "version": done.version,
            "same": done.same,
            "new": done.new,
            "changed": done.changed,
            "gone": done.gone,
            "charts": done.analysed.charts,
            **done.analysed.turns,
        }
        print(orjson.dumps(said).decode())
        return
    if done.same:
        _console.print(f"These rules are in force already, as version {done.version}.")
    else:
        _console.print(f"Version {done.version} is in force.")
    for title, codes in (("New", done.new), ("Changed", done.changed), ("Gone", done.gone)):
        if codes:
            _console.print(f"  {title}: {', '.join(codes)}")
    _console.print(_words(done.analysed))


def versions(format: _Format = "words") -> None:
    """The versions of the rules that were in force, the newest first."""
    rows = list(AdoptedRules.objects.order_by("-version"))
    if format == "json":
        listed = [{"version": each.version, "at": each.at, "by": each.name, "note": each.note} for each in rows]
        print(orjson.dumps(listed).decode())
        return
    for each in rows:
        _console.print(f"{each.version}  {each.at:%Y-%m-%d %H:%M}  {each.name}: {each.note}")
    if not rows:
        _console.print("None yet; the rules as they are shipped are adopted with the first chart.")


def refresh(format: _Format = "words") -> None:
    """Analyse again what is open or recent, and open and close what it finds, as the worker does every night."""
    rows, report = looked_at_nightly(), Analysed()
    with _bar("Analysing") as progress:
        for begin in range(0, len(rows), _AT_ONCE):
            progress(begin, len(rows))
            report.join(analyse_charts(rows[begin : begin + _AT_ONCE], "Analysed by command."))
    delinquent = age_charts()
    if format == "json":
        print(orjson.dumps({"charts": report.charts, "delinquent": delinquent, **report.turns}).decode())
        return
    _console.print(_words(report))
    _console.print(f"{delinquent} became delinquent.")


def snapshot(format: _Format = "words") -> None:
    """Count the charts of the day that ended last, as the worker does once it is over; and hold the board's counts
    against what they count."""
    age_charts()
    mark_late()
    day, wrong = take_snapshot(), recount()
    if format == "json":
        print(orjson.dumps({"day": day, "counts_put_right": wrong}).decode())
        return
    kept = "The day that ended last was counted already; it is kept as it was."
    _console.print(f"{day} was counted." if day else kept)
    if wrong:
        _console.print(f"{wrong} counts of the board were not right, and are now.", style="yellow")


def _words(report: Analysed) -> str:
    turns = ", ".join(f"{number} {turn}" for turn, number in sorted(report.turns.items())) or "nothing changed"
    return f"{report.charts} charts analysed: {turns}."
