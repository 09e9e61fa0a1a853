"""``charthouse rules``: the rules this installation decides by."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from .pages import pages as rendered
from .pages import write_pages
from .reading import RulePackError
from .registry import Registry, UnknownRule, load

app = typer.Typer(no_args_is_help=True, help="The rules Charthouse decides by, with their sources.")


def _registry() -> Registry:
    try:
        return load()
    except RulePackError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(1) from None


@app.command("list")
def list_rules(
    app_name: Annotated[str, typer.Option("--app", help="Only one app's rules.")] = "",
    unverified: Annotated[bool, typer.Option("--unverified", help="Only rules whose text was not read.")] = False,
) -> None:
    """List all rules, with force and source."""
    table = Table("Code", "Title", "Force", "Source", box=None, pad_edge=False)
    for versions in _registry().versions.values():
        latest = versions[-1]
        if (app_name and latest.app != app_name) or (unverified and not latest.unverified):
            continue
        force = f"{latest.force}?" if latest.unverified else str(latest.force)
        table.add_row(latest.code, latest.title, force, f"{latest.authority}, {latest.citation}")
    Console().print(table)


@app.command()
def show(
    code: Annotated[str, typer.Argument(help="The rule's code, e.g. access.idle-lock.")],
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day it is to hold on; all versions if left out."),
    ] = None,
) -> None:
    """Show one rule with all it says."""
    registry = _registry()
    try:
        if on is not None:
            held = registry.rule(code, date(on.year, on.month, on.day))
            registry = Registry((), {code: (held,)})
        elif code not in registry.versions:
            registry.rule(code, date.max)
    except UnknownRule as unknown:
        typer.echo(str(unknown), err=True)
        raise typer.Exit(1) from None
    text = rendered(registry)[f"{code}.md"].partition("-->")[2].rpartition("\n\n")[0]
    Console().print(Markdown(text))


@app.command()
def check() -> None:
    """Check every pack; say what is wrong, and where."""
    registry = _registry()
    typer.echo(f"{len(registry.packs)} packs with {len(registry.versions)} rules are in order.")


@app.command()
def pages(folder: Annotated[Path, typer.Argument(help="Where to write, e.g. docs/rules.")]) -> None:
    """Write a page for each rule, and an index."""
    changed = write_pages(_registry(), folder)
    typer.echo(f"{changed} pages changed in {folder}." if changed else f"The pages in {folder} are current.")
