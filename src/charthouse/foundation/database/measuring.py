"""The database of a measurement over much that is filed: made for it, or kept from an earlier one by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from .scratch import NoSuchDatabase, scratch_database

#: Options of such a bench: to measure the same database again.
Keep = Annotated[str, typer.Option(help="Keep the database under this name, to measure it again.")]
Use = Annotated[str, typer.Option(help="Measure a database that was kept, instead of building one.")]
DropIt = Annotated[bool, typer.Option("--drop", help="Drop the kept database afterwards.")]


@contextmanager
def bench_database(label: str, *, keep: str = "", use: str = "", drop_it: bool = False) -> Iterator[None]:
    """As :func:`.scratch.scratch_database`; a name that is not there, or is taken, ends the command in words."""
    try:
        with scratch_database(label, keep=keep, use=use, drop=bool(use) and drop_it):
            yield
    except NoSuchDatabase as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None
