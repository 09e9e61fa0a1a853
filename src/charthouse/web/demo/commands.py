"""``charthouse demo``: the demonstration's records, and what its department did before today."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from charthouse.configuration import configuration
from charthouse.foundation.bootstrap import configure_django
from charthouse.teaching.api import require_demonstration

app = typer.Typer(no_args_is_help=True, help="The demonstration's records: invented people.")


@app.callback()
def demo() -> None:
    """The demonstration's records: invented people."""


@app.command("seed")
def seed_records(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but what went wrong.")] = False,
) -> None:
    """Send the demonstration its records through the connectors, each once.

    Where Charthouse does not run they are taken in at once. Refused on a real site.
    """
    site = configuration()
    require_demonstration(site)
    configure_django()
    from .seeding import Seeded, seed

    console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Sending records", total=None)
        done: Seeded = seed(
            site,
            lambda total: progress.update(task, total=total),
            lambda more: progress.advance(task, more),
        )
    for problem in done.problems:
        console.print(f"  [yellow]{problem}[/yellow]")
    if not done.new:
        console.print(f"  Nothing new: all {done.messages} messages of the demonstration are here already.")
        return
    ways = ", ".join(f"{count} by {way}" for way, count in done.sent.items())
    console.print(f"  {done.new} messages sent ({ways}); {done.unfiled} cannot be filed and wait to be mended.")


@app.command("department")
def furnish_department(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but what went wrong.")] = False,
) -> None:
    """Let the department have worked before today: a backlog closed, letters sent, a suspension, an absence.

    To be run when the hospital is filed and nothing else runs yet, once. Refused on a real site.
    """
    site = configuration()
    require_demonstration(site)
    configure_django()
    from charthouse.foundation.rulepacks import api as rulepacks

    from .department import furnish

    rulepacks.load()
    console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)
    done = furnish(site)
    if done is None:
        console.print("  Nothing new: all of that was done before.")
        return
    console.print(
        f"  The department's work of before: {done.closed} old charts closed, {done.letters} letters, "
        f"{done.listed} on the suspension list"
    )
