"""The part of ``charthouse completion`` that prints: an encounter's chart, and the report for the committee."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from charthouse.completion import api as completion
from charthouse.completion.api import encounter_named
from charthouse.completion.commands import app
from charthouse.configuration import ConfigurationError
from charthouse.foundation.access.api import system_context
from charthouse.web.actions.print_assembled import CannotPrint, print_assembled_chart
from charthouse.web.actions.print_board import note_report, print_report
from charthouse.web.actions.printed import PrintError
from charthouse.web.board_words import as_of, as_table, report_sections
from charthouse.web.csv_text import csv_text

__all__ = ["app"]


@app.command("chart")
def chart(
    encounter: Annotated[str, typer.Argument(help="The encounter, by its id in the record.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write; it must not be there yet.")],
    without: Annotated[
        bool, typer.Option("--without", help="Print although something cannot be; it is named on the first page.")
    ] = False,
) -> None:
    """Write the chart of an encounter in its order, with contents, page numbers and a manifest."""
    ctx = system_context("command-line")
    if out.exists():
        typer.echo(f"{out} is there already; nothing was written.", err=True)
        raise typer.Exit(2)
    found = encounter_named(ctx, encounter)
    if found is None:
        typer.echo("There is no such encounter, or nobody's.", err=True)
        raise typer.Exit(1)
    try:
        printed = print_assembled_chart(ctx, *found, without=without)
    except CannotPrint as error:
        typer.echo(str(error), err=True)
        for number, words in enumerate(error.what, start=1):
            typer.echo(f"  {number}. {words}", err=True)
        typer.echo(
            "With --without it is printed all the same; the first page and the manifest name them.", err=True
        )
        raise typer.Exit(1) from None
    except PrintError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    out.touch(mode=0o600)
    out.write_bytes(printed.content)
    typer.echo(f"Written: {out}, {printed.pages} pages. The ledger has the entry.")


@app.command("report")
def report(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file to write, .pdf or .csv; it must not be there yet.")
    ],
    month: Annotated[str, typer.Option("--month", help="A month, as 2026-10.")] = "",
    quarter: Annotated[str, typer.Option("--quarter", help="A quarter, as 2026-Q4.")] = "",
) -> None:
    """Write the report for the medical records committee of a month or a quarter."""
    if bool(month) is bool(quarter):
        typer.echo("Name a month with --month 2026-10, or a quarter with --quarter 2026-Q4.", err=True)
        raise typer.Exit(2)
    if out.suffix.lower() not in (".pdf", ".csv"):
        typer.echo(f"{out} is written as its ending says, .pdf or .csv; nothing was written.", err=True)
        raise typer.Exit(2)
    if out.exists():
        typer.echo(f"{out} is there already; nothing was written.", err=True)
        raise typer.Exit(2)
    ctx = system_context("command-line")
    try:
        found = completion.committee_report(ctx, completion.period_of(month or quarter))
    except (completion.PeriodError, ConfigurationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if out.suffix.lower() == ".pdf":
        content = print_report(ctx, found).content
    else:
        content = csv_text(*as_table(tuple(report_sections(found)))).encode()
        note_report(ctx, found, "csv")
    out.touch(mode=0o600)
    out.write_bytes(content)
    typer.echo(f"Written: {out}. {as_of(found)} The ledger has the entry.")
