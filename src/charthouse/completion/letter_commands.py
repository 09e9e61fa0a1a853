"""``charthouse completion letters`` and ``suspensions``."""

from __future__ import annotations

import getpass
import sys
from dataclasses import replace
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from charthouse.foundation.access.api import AccessContext, system_context

from .domain.bylaws import LetterKind

_console = Console()


def letters(
    kind: Annotated[LetterKind, typer.Option(help="The kind of letter.")],
    dry: Annotated[bool, typer.Option("--dry", help="Show who would get one; make nothing.")] = False,
    mail: Annotated[
        bool, typer.Option("--mail", help="Announce each by e-mail, without anything of a patient.")
    ] = False,
) -> None:
    """Make the letters of a kind for the present period, each once, however often this is run."""
    from django.db import transaction

    from .actions.make_letters import expected_letters, make_letters, open_batch, require_mail
    from .letter_errors import LetterError

    ctx = _context()
    if dry:
        table = Table("Practitioner", "Charts", "Delinquent", "Items", "Oldest, days")
        expected = expected_letters(ctx, kind)
        for each in expected:
            table.add_row(each.who, *map(str, (each.charts, each.delinquent, each.deficiencies, each.days)))
        if expected:
            _console.print(table)
        typer.echo(f"{len(expected)} would get a letter of the kind “{kind.title}”. Nothing was made.")
        return
    try:
        if mail:
            require_mail()
        with transaction.atomic():
            batch = open_batch(ctx, kind, mail=mail)
    except LetterError as error:
        _stop(str(error))
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True)
    ) as bar:
        task = bar.add_task("Making letters", total=None)
        done = make_letters(batch.pk, lambda at, total: bar.update(task, completed=at, total=total))
    typer.echo(f"{done.made} made, {done.before} were there before; batch {batch.pk}, period from {batch.period}.")
    if done.without_address:
        typer.echo(
            f"{done.without_address} have no account with an e-mail address; their letters are on paper only."
        )


def suspensions(
    dry: Annotated[bool, typer.Option("--dry", help="Show who would be proposed; change nothing.")] = False,
) -> None:
    """Bring the suspension list up to date by the bylaws, and show it."""
    from .actions.propose_suspensions import candidates, propose_suspensions
    from .suspension_queries import listed_suspensions

    ctx = _context()
    if dry:
        found = candidates()
        for each in found:
            typer.echo(f"{each.who.who.shown}: {each.reached.by}")
        typer.echo(f"{len(found)} would be proposed. Nothing was changed.")
        return
    done = propose_suspensions()
    table = Table("Number", "Practitioner", "State", "Proposed", "By what", "Suspended since")
    lines = listed_suspensions(ctx)
    for line in lines:
        since = f"{line.suspended_at:%Y-%m-%d}" if line.suspended_at else ""
        table.add_row(str(line.number), line.who, line.words, f"{line.proposed_at:%Y-%m-%d}", line.reached, since)
    if lines:
        _console.print(table)
    typer.echo(
        f"{done.proposed} proposed, {done.withdrawn} withdrawn, {done.lifted} lifted. A person decides on screen."
    )


def _context() -> AccessContext:
    return replace(system_context("command-line"), name=f"{getpass.getuser()} (command line)")


def _stop(message: str) -> NoReturn:
    print(f"charthouse completion: {message}", file=sys.stderr)
    raise typer.Exit(2)
