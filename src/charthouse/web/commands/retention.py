"""``charthouse retention``: which charts may be destroyed, and asking for it. Destroying takes a second person, on
screen."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from charthouse.foundation.access.api import system_context
from charthouse.foundation.rulepacks.api import rule
from charthouse.identity import api as identity
from charthouse.record import api as record

from .export import Who, person_named

app = typer.Typer(no_args_is_help=True, help="How long charts are kept; asking for one to be destroyed.")


@app.callback()
def retention() -> None:
    """How long charts are kept."""


@app.command()
def eligible(most: Annotated[int, typer.Option(min=1, help="How many charts to list.")] = 100) -> None:
    """List the charts whose time is over, with the rule that says so and what holds them."""
    ctx = system_context("command-line")
    table = Table("Person", "Last entry", "May be destroyed since", "Rule", "State")
    page = record.due_charts(ctx, lambda patients: identity.charts_of(ctx, patients), limit=most)
    persons = identity.persons_of([each.patients[0] for each in page.rows])
    for each in page.rows:
        state = "held" if each.hindrance.matters else "asked for" if each.hindrance.asked else ""
        person = persons.get(each.patients[0])
        table.add_row(str(person), f"{each.last}", f"{each.due.day}", each.due.rule, state)
    if table.row_count:
        Console(width=140).print(table)
    count = "More than 1,000" if page.more_than_counted else f"{page.count}"
    typer.echo(f"{count} charts may be destroyed." + (" The first are listed." if page.next else ""))


@app.command()
def show(patient: Who) -> None:
    """Say until when one chart is kept, by which rule, and what holds it."""
    ctx = system_context("command-line")
    found = record.retention(ctx, identity.patients_of(ctx, person_named(ctx, patient)))
    if found.due is None:
        typer.echo("There is nothing in this chart.")
    else:
        why = rule(found.due.rule)
        typer.echo(f"{found.items} items, the last of {found.last}; kept until {found.due.day}.")
        typer.echo(f"{why.citation}: {why.title}.")
    for each in found.holds:
        if each.holds:
            typer.echo(f"Held: {each.matter} ({each.name}, {each.at:%Y-%m-%d}). {each.item}".rstrip())
    for time in record.document_times(ctx, identity.patients_of(ctx, person_named(ctx, patient))):
        over = "; its time is over" if time.over else ""
        typer.echo(f"{time.key}, {time.title} of {time.at}: kept until {time.due.day} ({time.due.rule}){over}.")
    for asked in found.asked:
        state = asked.outcome or "waits to be confirmed"
        typer.echo(f"Destruction {asked.id}: {state}, asked for by {asked.name}.")


@app.command()
def destroy(
    patient: Who,
    reason: Annotated[str, typer.Option(help="Why; it is kept with what is left of the chart.")],
    document: Annotated[
        list[str] | None, typer.Option(help="Type/id of a document that is destroyed alone; may be repeated.")
    ] = None,
) -> None:
    """Ask for a chart, or documents of it, to be destroyed. Nothing is destroyed before a second person confirms it
    on screen."""
    ctx = system_context("command-line")
    patients = identity.patients_of(ctx, person_named(ctx, patient))
    try:
        number = record.ask_to_destroy(ctx, patients, reason, document)
    except record.DocumentError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"Destruction {number} waits to be confirmed in the queue of charts to destroy.")
