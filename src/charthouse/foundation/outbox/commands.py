"""``charthouse outbox``: what waits to be sent, and what could not be."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from charthouse.foundation.access.api import system_context

from . import api as outbox

app = typer.Typer(help="Messages to other systems.", no_args_is_help=True)
_console = Console()
_Message = Annotated[UUID, typer.Argument(help="The id in `charthouse outbox dead`.")]


@app.command("list")
def list_destinations() -> None:
    """Show what is not sent yet, by destination."""
    table = Table("Destination", "Waiting", "Dead", "Oldest")
    for each in outbox.depth():
        table.add_row(each.destination, str(each.waiting), str(each.dead), f"{each.oldest.total_seconds():.0f} s")
    _console.print(table)


@app.command()
def dead(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100) -> None:
    """List messages that were given up, with the reason."""
    table = Table("Message", "Destination", "Kind", "Attempts", "Behind it", "Reason")
    for letter in outbox.dead_letters(limit):
        table.add_row(
            str(letter.message_id),
            letter.destination,
            letter.kind,
            str(letter.attempts),
            str(letter.behind),
            letter.error,
        )
    _console.print(table)


@app.command()
def retry(message: _Message) -> None:
    """Try a dead message again."""
    try:
        outbox.retry(system_context("command-line"), message)
    except outbox.MessageNotDead as error:
        raise typer.BadParameter(str(error)) from None
    _console.print("It will be sent again at once.")


@app.command()
def discard(
    message: _Message, reason: Annotated[str, typer.Option(help="Why; it is kept in the ledger.", prompt=True)]
) -> None:
    """Give a dead message up for good and let those behind it go."""
    try:
        outbox.discard(system_context("command-line"), message, reason)
    except (outbox.MessageNotDead, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    _console.print("The message is discarded.")
