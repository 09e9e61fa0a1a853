"""``charthouse identity notify``: which other systems are told of merges and splits."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .looking import context

app = typer.Typer(no_args_is_help=True, help="Systems that are told of merges, their undoing and splits.")
_console = Console()


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What the other system is called.")],
    address: Annotated[str, typer.Argument(help="mllp://host:port, https://host/path or file:///folder.")],
    format: Annotated[str, typer.Option(help="hl7v2 (ADT A40 and A37) or fhir (Patient.link).")] = "hl7v2",
    application: Annotated[str, typer.Option(help="MSH-5, the receiving application.")] = "",
    facility: Annotated[str, typer.Option(help="MSH-6, the receiving facility.")] = "",
) -> None:
    """Tell another system from now on."""
    ctx = context()
    from charthouse.identity.actions.manage_notices import DestinationError, add_destination

    try:
        add_destination(ctx, name, address, format, application, facility)
    except DestinationError as error:
        raise typer.BadParameter(str(error)) from None
    _console.print("It is told from now on. `charthouse worker` sends; `charthouse outbox list` shows what waits.")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """Tell a system no more; what waits for it is still sent."""
    ctx = context()
    from charthouse.identity.actions.manage_notices import DestinationError, remove_destination

    try:
        remove_destination(ctx, name)
    except DestinationError as error:
        raise typer.BadParameter(str(error)) from None
    _console.print("It is told no more.")


@app.command("list")
def show() -> None:
    """Show who is told, and how many notices arrived, wait, or are uncertain or refused."""
    table = Table("Name", "Address", "Format", "Arrived", "Waiting", "Uncertain", "Refused or given up")
    ctx = context()
    from charthouse.identity.notices import destinations

    for each in destinations(ctx):
        table.add_row(
            each.name,
            each.address,
            each.format,
            *(str(n) for n in (each.sent, each.waiting, each.uncertain, each.dead)),
        )
    _console.print(table)


@app.command()
def recent(limit: Annotated[int, typer.Option(min=1, max=1000)] = 20) -> None:
    """Show the last notices: of which decision, to whom, and whether they arrived."""
    table = Table("When", "Decision", "To", "State", "Attempts")
    ctx = context()
    from charthouse.identity.notices import recent_notices

    for each in recent_notices(ctx, limit):
        table.add_row(
            f"{each.at:%Y-%m-%d %H:%M}", str(each.decision), each.destination, each.words, str(each.attempts)
        )
    _console.print(table)
