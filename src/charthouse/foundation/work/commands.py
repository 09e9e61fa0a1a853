"""``charthouse work``: the queues and their items."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from charthouse.foundation.access.api import system_context

from . import api as work

app = typer.Typer(help="The work queues.", no_args_is_help=True)
_console = Console()


@app.command("list")
def list_items(
    queue: Annotated[str | None, typer.Argument(help="A queue's code; without it, all queues and counts.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many items.")] = 50,
) -> None:
    """List the queues, or the items of one in the order they are offered."""
    ctx = system_context("command-line")
    if queue is None:
        table = Table("Queue", "Title", "Open", "Taken", "Held", "Overdue")
        for count in work.counts(ctx):
            numbers = (count.open, count.taken, count.held, count.overdue)
            table.add_row(count.queue.code, count.queue.title, *map(str, numbers))
        _console.print(table)
        return
    try:
        page = work.items(ctx, queue, limit=limit)
    except work.WorkError as error:
        raise typer.BadParameter(str(error)) from None
    table = Table("Item", "Subject", "Why", "Rule", "Due", "State", "Owner")
    for item in page.items:
        subject = f"{item.subject.kind} {item.subject.id}"
        due = f"{item.due:%Y-%m-%d %H:%M}" if item.due else ""
        table.add_row(str(item.id), subject, item.reason, item.rule or "", due, item.state, item.owner or "")
    _console.print(table)
    if page.next:
        _console.print(f"There are more than {limit}; ask for them with --limit.")


@app.command()
def show(id: Annotated[int, typer.Argument(help="The item's number.")]) -> None:
    """Show one item and everything that happened to it."""
    ctx = system_context("command-line")
    try:
        item = work.item(ctx, id)
        history = work.history(ctx, id)
    except work.WorkError as error:
        raise typer.BadParameter(str(error)) from None
    table = Table(show_header=False)
    for name, value in (
        ("Item", item.id),
        ("Queue", item.queue),
        ("Subject", f"{item.subject.kind} {item.subject.id}"),
        ("Why", item.reason),
        ("Rule", item.rule),
        ("Due", item.due),
        ("Priority", item.priority.name.lower()),
        ("State", item.state),
        ("Owner", item.owner),
        ("Held for", item.hold_reason),
        ("Held until", item.hold_until),
        ("Outcome", item.outcome),
        ("Opened", item.opened),
    ):
        if value is not None:
            table.add_row(name, str(value))
    _console.print(table)
    told = Table("When (UTC)", "Who", "What", "Note")
    for entry in history:
        told.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.actor, entry.action, entry.note)
    _console.print(told)
