"""``charthouse words``: how far the index of words is, and making it anew."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from . import api as record

app = typer.Typer(help="The index of the record's words.", no_args_is_help=True)
_console = Console()


@app.command()
def lag() -> None:
    """Say what is filed and cannot be found by its words yet."""
    behind = record.text_lag()
    if not behind.waiting or behind.since is None:
        _console.print("Everything that is filed can be found by its words.")
        return
    many = "more than 1,000" if behind.waiting > record.COUNTED else str(behind.waiting)
    _console.print(f"{many} items filed since {behind.since:%Y-%m-%d %H:%M:%S %Z} wait to be indexed.")


@app.command()
def rebuild(
    now: Annotated[bool, typer.Option("--now", help="Index here and now; otherwise the worker does it.")] = False,
) -> None:
    """Index everything anew, after a change of what is searched. Searches go on with what is indexed already."""
    total = record.index_all_anew()
    if not now:
        _console.print(f"{total} items wait for the worker; `charthouse words lag` says how far it is.")
        return
    columns = (TextColumn("Indexing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console, transient=True) as progress:
        bar = progress.add_task("Indexing", total=total)
        done = record.index_texts(lambda count: progress.update(bar, completed=count))
    _console.print(f"{done} items are indexed.")
