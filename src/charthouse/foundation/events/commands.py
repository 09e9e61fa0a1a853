"""``charthouse events``: how far the consumers are, and events that failed."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from charthouse.foundation.access.api import system_context

from . import api as events

app = typer.Typer(help="News between the parts, and news that could not be handled.", no_args_is_help=True)
_console = Console()
_Number = Annotated[int, typer.Argument(help="The number in `charthouse events parked`.")]


@app.command()
def lag() -> None:
    """Show how far behind each consumer is."""
    table = Table("Consumer", "Waiting", "Oldest", "Aside", "Parked")
    for each in events.lag():
        oldest = f"{each.oldest.total_seconds():.1f} s" if each.waiting else ""
        table.add_row(each.consumer, str(each.waiting), oldest, str(each.aside), str(each.parked))
    _console.print(table)


@app.command()
def parked(
    consumer: Annotated[str | None, typer.Argument(help="Only this consumer's.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those tried again by themselves, or waiting behind another.")
    ] = False,
) -> None:
    """List events that failed and wait for a person."""
    states = tuple(events.State) if everything else (events.State.PARKED,)
    table = Table("Number", "Consumer", "Event", "Kind", "Key", "State", "Attempts", "Failure")
    for aside in events.parked(consumer, states=states):
        event = aside.event
        table.add_row(
            str(aside.id),
            aside.consumer,
            str(event.id),
            event.kind,
            event.key,
            aside.state,
            str(aside.attempts),
            aside.error,
        )
    _console.print(table)


@app.command()
def retry(number: _Number) -> None:
    """Try a parked event again."""
    try:
        events.retry(system_context("command-line"), number)
    except events.EventNotAside as error:
        raise typer.BadParameter(str(error)) from None
    _console.print("It will be tried again at once.")


@app.command()
def discard(
    number: _Number, reason: Annotated[str, typer.Option(help="Why; it is kept in the ledger.", prompt=True)]
) -> None:
    """Give an event up and let those behind it go on."""
    try:
        events.discard(system_context("command-line"), number, reason)
    except (events.EventNotAside, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    _console.print("The event is discarded.")


@app.command()
def forget(
    consumer: Annotated[str, typer.Argument(help="A consumer that is no longer part of the program.")],
) -> None:
    """Forget a consumer, so that it no longer holds old events back."""
    if consumer in {each.name for each in events.registered()}:
        raise typer.BadParameter(f"{consumer} is part of the program and would begin again from the start.")
    if not events.forget(system_context("command-line"), consumer):
        raise typer.BadParameter(f"There is no consumer {consumer}; `charthouse events lag` lists them.")
    _console.print(f"{consumer} is forgotten.")
