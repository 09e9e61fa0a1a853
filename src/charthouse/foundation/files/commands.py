"""``charthouse files``: proving the store, and changing its master key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from charthouse.foundation.access.api import system_context

from . import api as files
from .caring import Progress as Told

app = typer.Typer(help="The file store.", no_args_is_help=True)
_console = Console()


@app.command()
def verify() -> None:
    """Read every kept file, and name those that are missing or damaged. Exits with 1 when there is one."""
    with _shown("Proving files") as told:
        found = files.verify(told)
    _console.print(f"{found.files} files, {found.bytes} bytes: {_words(len(found.findings))}.")
    _report(found.findings)


@app.command()
def rotate(
    same_key: Annotated[
        bool, typer.Option("--same-key", help="Make no new key: go on with a rotation that was broken off.")
    ] = False,
) -> None:
    """Put every file under a new master key. The old key stays in the key directory until you remove it."""
    with _shown("Wrapping keys anew") as told:
        done = files.rotate(system_context("command-line"), told, new_key=not same_key)
    _console.print(f"{done.files} files are now under key {done.key_id}: {_words(len(done.findings))}.")
    _report(done.findings)


@contextmanager
def _shown(words: str) -> Iterator[Told]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console, transient=True) as progress:
        bar = progress.add_task(words, total=None)

        def told(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        yield told


def _words(count: int) -> str:
    return "nothing is wrong" if not count else f"{count} with something wrong"


def _report(findings: tuple[files.Finding, ...]) -> None:
    for finding in findings:
        _console.print(f"{finding.trouble}: {finding.words}", markup=False)
    if findings:
        raise typer.Exit(1)
