"""``charthouse record``: proving versions and signatures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from charthouse.foundation.access.api import system_context
from charthouse.foundation.ledger.api import Outcome, append

from .actions.index_resources_anew import index_resources_anew
from .domain.types import TYPE_ID
from .verifying import Told, sentences
from .verifying import verify as verify_record

app = typer.Typer(no_args_is_help=True, help="The legal record.")
_CTX = system_context("command-line")


@app.callback()
def record() -> None:
    """The legal record."""


class Format(StrEnum):
    """How a report is printed."""

    WORDS = "words"
    JSON = "json"


@app.command()
def verify(
    form: Annotated[Format, typer.Option("--format", help="Words, or one JSON object on one line.")] = Format.WORDS,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many processes read at once; else one a processor.")
    ] = None,
) -> None:
    """Check that every version is there as it was filed and every signature binds it. Exits with 1 on damage."""
    if form is Format.JSON:
        report = verify_record(processes=processes)
        typer.echo(json.dumps(report.as_json()))
    else:
        with _shown("Proving the record") as told:
            report = verify_record(told, processes)
        for sentence in sentences(report):
            typer.echo(sentence)
    append(
        _CTX,
        "record.verify",
        outcome=Outcome.SUCCESS if report.is_whole else Outcome.FAILED,
        detail={"versions": report.versions, "signatures": report.signatures, "found": report.count},
    )
    if not report.is_whole:
        raise typer.Exit(1)


@app.command()
def reindex(
    kinds: Annotated[
        list[str] | None, typer.Argument(help="Resource types, such as Patient; all unless given.")
    ] = None,
) -> None:
    """Make the search index anew, after a change of search_off or of the program. Searches and filing go on."""
    for kind in kinds or ():
        if kind not in TYPE_ID:
            raise typer.BadParameter(f"{kind!r} is no resource type of FHIR R4.")
    with Console(stderr=True).status("Indexing") as status:
        done = index_resources_anew(_CTX, kinds or (), lambda count: status.update(f"{count:,} resources indexed"))
    typer.echo(f"{done:,} resources indexed.")


@contextmanager
def _shown(words: str) -> Iterator[Told]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(words, total=None)

        def told(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        yield told
